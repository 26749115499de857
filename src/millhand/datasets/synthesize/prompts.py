"""What a model is told, in Korean, for each purpose: the same passage and options give the same request."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from millhand.datasets.synthesize import forms
from millhand.datasets.synthesize.forms import Draft
from millhand.datasets.synthesize.options import LEVELS, Example, Options, Pair, Purpose
from millhand.datasets.synthesize.words import FORMS, RULES, SYSTEM, WISHES
from millhand.endpoint.order import Request

# Tokens of an answer, for max_tokens: generous, since one that is cut off is paid for in vain.
_TOKENS_BASE, _TOKENS_ITEM, _TOKENS_LONG, _TOKENS_QUESTION = 300, 500, 1500, 200


class Ask(msgspec.Struct, frozen=True):
    """One thing to ask about one part of a passage.

    Args:
        purpose: What for.
        title: The document's.
        headings: Outermost first.
        text: The part of the passage that the model sees.
        count: How many items are wanted: pairs, conversations (1), or levels.
        original: Of ``rewrite``: the question to put in other words, and its answer.
    """

    purpose: Purpose
    title: str
    headings: tuple[str, ...]
    text: str
    count: int
    original: Pair | None = None

    @property
    def seen(self) -> str:
        """All that an answer may be grounded in."""
        asked = [self.original.question] if self.original else []
        return "\n".join([self.title, *self.headings, self.text, *asked])


class Complaint(msgspec.Struct, frozen=True):
    """Something that was given and cannot be kept; ``question`` is empty where none could be read."""

    question: str
    told: tuple[str, ...]


def request(
    ask: Ask,
    options: Options,
    model: str,
    *,
    wanted: int = 0,
    round_: int = 0,
    kept: Sequence[str] = (),
    complaints: Sequence[Complaint] = (),
) -> Request:
    """The request for ``ask``.

    Args:
        wanted: How many items, where it is not all of them.
        round_: 0 at first; how often it was asked already.
        kept: Questions that are made already.
        complaints: What was wrong with the others.
    """
    asked = _task(ask, options, wanted or ask.count)
    if round_:
        asked += "\n\n" + _again(round_, kept, complaints)
    system = {"role": "system", "content": _system(ask.purpose, options)}
    messages = (system, *_shown(ask.purpose, options), {"role": "user", "content": asked})
    return Request(model, messages, _settings(ask, options, wanted or ask.count))


def drafts(ask: Ask, options: Options, text: str) -> list[Draft | None]:
    """What a model gave, in the order in which it was asked for; None for a level that it left out.

    Raises:
        forms.UnreadableError: It is not the JSON that was asked for.
    """
    if ask.purpose == "multi_turn":
        return list(forms.turns(text))
    if ask.original is None:
        return list(forms.pairs(text))
    said, answer = forms.rewordings(text), ask.original.answer
    return [(Pair(said[level], answer),) if level in said else None for level in options.levels]


def _system(purpose: Purpose, options: Options) -> str:
    return options.system.get(purpose) or f"{SYSTEM[purpose]}\n\n{RULES}"


def _task(ask: Ask, options: Options, count: int) -> str:
    wish = _wish(ask.purpose, count, options.turns)
    if ask.original is None:
        return f"{_passage(ask.title, ask.headings, ask.text)}\n\n{wish}"
    levels = "\n".join(f"- {level}: {LEVELS.get(level, level)}" for level in options.levels)
    return f"질문: {ask.original.question}\n답: {ask.original.answer}\n\n{wish}\n\n수준:\n{levels}"


def _passage(title: str, headings: tuple[str, ...], text: str) -> str:
    head = [f"문서: {title}"] if title else []
    head += [f"위치: {' > '.join(headings)}"] if headings else []
    return "\n".join([*head, "지문:", "<지문>", text, "</지문>"])


def _wish(purpose: Purpose, count: int, turns: int) -> str:
    return f"{WISHES[purpose].format(count=count, turns=turns)}\n형식: {FORMS[purpose]}"


def _again(round_: int, kept: Sequence[str], complaints: Sequence[Complaint]) -> str:
    lines = [f"다시 요청합니다({round_}번째). 앞서 만든 것 가운데 다음은 쓸 수 없습니다."]
    for complaint in complaints:
        said = f"{complaint.question!r}: " if complaint.question else ""
        lines.append(f"- {said}{' '.join(complaint.told)}")
    if kept:
        lines.append("다음 질문은 이미 있으니 되풀이하지 마십시오.")
        lines += [f"- {question}" for question in kept]
    return "\n".join(lines)


def _shown(purpose: Purpose, options: Options) -> Iterator[dict[str, str]]:
    """The examples of a purpose, each as a question to the model and its answer."""
    for example in options.examples:
        if example.purpose == purpose:
            wish = _wish(purpose, len(example.turns), len(example.turns))
            yield {"role": "user", "content": f"{_passage('', (), example.passage)}\n\n{wish}"}
            yield {"role": "assistant", "content": _example(example)}


def _example(example: Example) -> str:
    name = "turns" if example.purpose == "multi_turn" else "items"
    return json.dumps({name: msgspec.to_builtins(example.turns)}, ensure_ascii=False)


def _settings(ask: Ask, options: Options, count: int) -> dict[str, Any]:
    settings: dict[str, Any] = {"max_tokens": options.max_tokens or answer_tokens(ask, options, count)}
    if options.temperature is not None:
        settings["temperature"] = options.temperature
    if options.structured != "prompt":
        settings["response_format"] = _format(ask.purpose, options)
    return settings


def answer_tokens(ask: Ask, options: Options, count: int) -> int:
    """The most tokens that an answer may have."""
    if ask.purpose == "rewrite":
        return _TOKENS_BASE + _TOKENS_QUESTION * len(options.levels)
    if ask.purpose == "multi_turn":
        return _TOKENS_BASE + _TOKENS_ITEM * options.turns
    return _TOKENS_BASE + (_TOKENS_LONG if ask.purpose == "procedure" else _TOKENS_ITEM) * count


def _format(purpose: Purpose, options: Options) -> dict[str, Any]:
    if purpose == "rewrite":
        return forms.schema("items", ("level", "question"), levels=options.levels)
    return forms.schema("turns" if purpose == "multi_turn" else "items", ("question", "answer"))
