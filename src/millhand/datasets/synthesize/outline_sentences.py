"""Questions on single sentences, where their form holds one: a condition, an amount, who acts."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

from millhand.datasets.synthesize.outline_people import split_actor
from millhand.datasets.synthesize.outline_section import Section, all_sentences
from millhand.datasets.synthesize.outline_templates import choose
from millhand.datasets.synthesize.outline_verbs import (
    asking,
    condition_end,
    doing,
    formal,
    has_condition,
    sentences,
)
from millhand.datasets.synthesize.outline_whole import Pair
from millhand.datasets.synthesize.outline_words import Word

_RULES = ("steps", "cautions", "records", "scope", "other")
_LONGEST = 110  # characters of a sentence that a question is made of
_LEAST = 6  # characters that must stand behind a condition
_CONTEXT = 18  # characters below which a condition needs to be told of what
_STATE = re.compile(
    r"\A(?:이러한|그러한|이|그|해당|동|상기) |(?:고 있|같)(?:다|습니다)\.\Z|(?:말|뜻|의미)(?:한|합니)다\.\Z"
)
_ALSO = re.compile(r"(?<!두)(?:고|며),? ")  # what stands before is done in any case
_NOT = re.compile(r"지 (?:않는다|않습니다|못한다|못합니다)\.\Z")
_NUMBER = r"(?<![\d:.,~])\d[\d,.]*(?:~\d[\d,.]*)?"
_UNITS = r"초|분|시간|개월|년|회|명|대|개|장|m|cm|km|kg|%|℃|층|만 원|원"
# How an amount is asked for: what stands in the sentence, and what takes its place.
_AMOUNTS = (
    (re.compile(rf"{_NUMBER}(?:년|개월|일|주|시간)간(?= (?:보관|보존))"), "얼마 동안"),
    (re.compile(r"(?<![\d:~])\d{1,2}:\d{2}(?=(?:까지|부터|에)(?![가-힣]))"), "몇 시"),
    (re.compile(rf"{_NUMBER}일(?=간| ?(?:안에|이내|동안|전까지))"), "며칠"),
    (
        re.compile(
            rf"{_NUMBER}(?P<unit>{_UNITS})"
            r"(?=간 |마다|씩 | ?(?:안에|이내에|이내로|동안|이상|전까지|전에|간격))"
        ),
        "몇 {unit}",
    ),
)


def single(section: Section) -> Iterator[Pair]:
    """What single sentences of a section hold."""
    if section.role not in _RULES:
        return
    for text in section.statements:
        said = sentences(text)
        for number, sentence in enumerate(said):
            if len(sentence) <= _LONGEST:
                yield from _conditions(section, sentence, said[number:] if number == 0 else [sentence])
                if section.role != "other":
                    yield from _amounts(section, sentence)
                    yield from _actors(section, sentence)
    if section.role != "other":
        yield from _duties(section)


def _conditions(section: Section, sentence: str, told: list[str]) -> Iterator[Pair]:
    end = condition_end(sentence)
    if not end or len(sentence) - end < _LEAST or not _is_rule(sentence):
        return
    condition = sentence[:end]
    if _ALSO.search(condition):
        return
    kind = "condition_not" if _NOT.search(sentence) else "condition"
    wording = choose(f"{kind}_of" if len(condition) < _CONTEXT else kind, section.topic, condition)
    question = wording.format(condition=condition, during=section.during, procedure=section.procedure)
    yield Pair("condition", question, formal(" ".join(told)))


def _is_rule(sentence: str) -> bool:
    """Whether a sentence says what is done, not what was done, goes on or is."""
    return doing(sentence) is not None and not _STATE.search(sentence)


def _amounts(section: Section, sentence: str) -> Iterator[Pair]:
    for pattern, wanted in _AMOUNTS:
        found = pattern.search(sentence)
        if found is None or _NOT.search(sentence):
            continue
        asked = sentence[: found.start()] + wanted.format(**found.groupdict()) + sentence[found.end() :]
        question = asking(asked)
        if question:
            wording = choose(
                "amount" if len(question) > 2 * _CONTEXT else "amount_of", section.topic, sentence
            )
            yield Pair(
                "amount", wording.format(asked=question, procedure=section.procedure), formal(sentence)
            )
        return


def _actors(section: Section, sentence: str) -> Iterator[Pair]:
    actor = split_actor(sentence)
    act = doing(actor.rest) if actor else None
    if actor is None or act is None or not actor.leads or has_condition(act) or _NOT.search(sentence):
        return
    wording = choose("who" if actor.is_person else "which", section.topic, sentence)
    question = wording.format(done=act, procedure=section.procedure)
    yield Pair("who", question, f"{actor.name}입니다. {formal(sentence)}")


def _duties(section: Section) -> Iterator[Pair]:
    """All that one who acts in several sentences has to do."""
    acts: defaultdict[str, list[str]] = defaultdict(list)
    for sentence in all_sentences(section):
        actor = split_actor(sentence)
        if actor and actor.leads and asking(sentence):
            acts[actor.name].append(sentence)
    for name, told in acts.items():
        if len(told) > 1:
            word = Word(name)
            wording = choose("duties", section.topic, name)
            question = wording.format(
                actor=word, topic=section.topic, procedure=section.procedure, during=section.during
            )
            yield Pair("duties", question, "\n".join(f"- {formal(sentence)}" for sentence in told))
