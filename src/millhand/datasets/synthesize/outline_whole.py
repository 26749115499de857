"""Questions on a section as a whole and on its steps, points and terms."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from millhand.datasets.synthesize.outline_people import split_actor
from millhand.datasets.synthesize.outline_section import Section, Step, asked
from millhand.datasets.synthesize.outline_templates import choose
from millhand.datasets.synthesize.outline_verbs import (
    done,
    forbidden,
    formal,
    has_condition,
    is_sentence,
    sentences,
)
from millhand.datasets.synthesize.outline_words import Word

_KEYED = re.compile(r"(?P<key>[^:：.\n]{1,30}?)\s*[:：]\s+(?P<value>\S.*)", re.DOTALL)
_MEANING = re.compile(
    r"(?P<term>[^.,]{1,40}?)(?:이란|란|(?:은|는|이라 함은|라 함은)(?= .*(?:말|뜻|의미)(?:한|합니)다))\s"
    r"(?P<value>.+)",
    re.DOTALL,
)
_DUTY = re.compile(r"총괄|실행|협조|주관|승인|감독|지휘|지원|시행|운영|관리|보고|검토|점검|교육|연락|통제")
_ANSWER = re.compile(r"\A\s*(?:A\s*\d*|답변?\s*\d*)\s*[.):：]\s*|\A\s*\[(?:A|답변?)\]\s*")
_THEN = re.compile(r" (?:뒤|다음|후)(?:에|,)? ")
_ALSO = re.compile(r"[가-힣](?:고|며) ")  # what stands before may be told to be done
_ADNOMINAL = re.compile(r".*(?:받|같|높|낮|많|적|작|좋|않|남|늦|깊|넓|맞|놓|넣|찍|읽|젖|닫|씻|찾|얻|쌓)은")
_LEAST = 40  # characters of a section that is asked about as a whole
_MOST = 0.7  # the share of a section's text that whole sentences have to be
_LONGEST_STEP = 75  # characters of a step that a question repeats


class Pair(NamedTuple):
    """A question with its answer, and what kind of question it is."""

    kind: str
    question: str
    answer: str


def whole(section: Section, heading: str) -> Iterator[Pair]:
    """What can be asked of the section as a whole: one pair, or none."""
    text = _told(section)
    match section.role:
        case "question":
            yield Pair("question", asked(heading), _ANSWER.sub("", text))
        case "steps" if len(section.steps) > 1:
            yield _procedure(section)
        case "purpose" | "scope":
            yield _ask(section, section.role, text)
        case "people" | "cautions" | "records" | "terms":
            if len(section.points) + len(section.steps) + len(section.paragraphs) > 1 or section.paragraphs:
                yield _ask(section, section.role, text)
        case "other":
            yield from _about(section)


def steps(section: Section) -> Iterator[Pair]:
    """The first step, the last one, and what follows each; a step for a case of its own follows none."""
    if section.role != "steps" or len(section.steps) < 3:
        return
    first, last = section.steps[0], section.steps[-1]
    if section.event or not has_condition(first.text):
        yield _ask(section, "first", formal(first.text))
    for step, following in pairwise(section.steps):
        before = None if has_condition(following.text) else _before(step)
        if before:
            wording = choose("next", section.topic, step.text)
            yield Pair("next", _filled(wording, section, done=before), formal(following.text))
    if not has_condition(last.text):
        yield _ask(section, "last", formal(last.text))


def points(section: Section) -> Iterator[Pair]:
    """Each point that defines a term, names who does what, or forbids something."""
    if section.role == "terms":
        yield from (pair for text in section.statements for pair in _term(section, text))
    elif section.role == "people":
        yield from (pair for text in section.points for pair in _person(section, text))
    elif section.role != "question":
        for text in section.statements:
            yield from _forbidden(section, text)


def _about(section: Section) -> Iterator[Pair]:
    """What a section says in whole sentences, where that is most of its text."""
    told = [line for line in section.lines if is_sentence(line)]
    length = sum(map(len, told))
    if length > _LEAST and length > _MOST * sum(map(len, section.lines)):
        text = "\n".join(map(formal, told))
        yield Pair("about", choose("about", text).format(subject=section.subject), text)


def _ask(section: Section, kind: str, answer: str) -> Pair:
    return Pair(kind, _filled(choose(kind, section.topic, answer), section), answer)


def _filled(wording: str, section: Section, **more: object) -> str:
    return wording.format(
        topic=section.topic, procedure=section.procedure, during=section.during, event=section.event, **more
    )


def _told(section: Section) -> str:
    """The section's text as it stands, in the formal style."""
    lines = section.lines if len(section.lines) > 1 else section.statements
    return "\n".join(formal(line) for line in lines)


def _procedure(section: Section) -> Pair:
    kind = "response" if section.event else "procedure"
    return _ask(section, kind, _told(section))


def _before(step: Step) -> str | None:
    """A step's first sentence as what stands before ``다음``: ``보안요원이 현장을 확인한``."""
    first = sentences(step.text)[0]
    over = done(first)
    if over is None or len(over) > _LONGEST_STEP or has_condition(step.text) or _THEN.search(over):
        return None
    actor = split_actor(over)
    return f"{Word(actor.name):이가} {actor.rest}" if actor and actor.leads else over


def _term(section: Section, text: str) -> Iterator[Pair]:
    found = _KEYED.fullmatch(text) or _MEANING.fullmatch(text)
    if found is None:
        return
    term, value = (
        Word(found["term" if "term" in found.re.groupindex else "key"].strip("'\"‘’“”")),
        found["value"],
    )
    meaning = formal(value) if is_sentence(value) else f"{value}입니다."
    question = _filled(choose("term", term, section.topic), section, term=term)
    yield Pair("term", question, f"{term:은는} {meaning}")


def _person(section: Section, text: str) -> Iterator[Pair]:
    found = _KEYED.fullmatch(text)
    if found and _DUTY.search(found["key"]) and not is_sentence(found["value"]):
        key = Word(found["key"])
        wording = choose("person", section.topic, key)
        answer = f"{section.topic}의 {key} 담당은 {found['value']}입니다."
        yield Pair("person", _filled(wording, section, key=key), answer)


def _forbidden(section: Section, text: str) -> Iterator[Pair]:
    said = sentences(text)
    what = forbidden(said[0]) if said else None
    if what is None or section.role != "cautions" or len(what) > _LONGEST_STEP:
        return
    plain = _without_topic(what)
    if plain:
        wording = choose("forbidden", section.topic, text)
        yield Pair("forbidden", _filled(wording, section, done=plain), f"아니요. {formal(text)}")


def _without_topic(clause: str) -> str | None:
    """A clause without ``은/는``, which cannot stand before a noun; None where that cannot be told.

    ``교대 중에도 로비는 비우는`` -> ``교대 중에도 로비를 비우는``.
    """
    actor = split_actor(clause)
    if actor and actor.leads:
        clause = f"{Word(actor.name):이가} {actor.rest}"
    words = re.sub(r"(?<=[가-힣](?:에|서|게))는(?= )", "", clause).split(" ")
    if len(words) > 1 and words[-2][-1:] in "은는" and len(words[-2]) > 1:
        words[-2] = f"{Word(words[-2][:-1]):을를}"
    topics = [word for word in words[:-2] if word.endswith("은") and not _ADNOMINAL.fullmatch(word)]
    mixed = topics or _ALSO.search(clause) or has_condition(f"{clause} ")
    return None if mixed else " ".join(words)
