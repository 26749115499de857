"""The JSON that a model is asked for, and its strict reading: nothing is mended."""

from __future__ import annotations

import re
from typing import Any, TypeAlias

import msgspec

from millhand.datasets.synthesize.options import Pair
from millhand.text.normal import nfc

Draft: TypeAlias = tuple[Pair, ...]
_THOUGHT = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL)
_FENCED = re.compile(r"\A```(?:json|JSON)?[ \t]*\n(.*?)\n?```\Z", re.DOTALL)
_TEXT: dict[str, Any] = {"type": "string"}


class UnreadableError(ValueError):
    """An answer is not the JSON that was asked for."""


class _Pairs(msgspec.Struct):
    items: list[Pair]


class _Turns(msgspec.Struct):
    turns: list[Pair]


class Reworded(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A question in the words of a level."""

    level: str
    question: str


class _Rewordings(msgspec.Struct):
    items: list[Reworded]


def pairs(text: str) -> list[Draft]:
    """``{"items": [{"question", "answer"}]}``: a draft each.

    Raises:
        UnreadableError: It is something else.
    """
    return [(_tidy(pair),) for pair in _decode(text, _Pairs).items]


def turns(text: str) -> list[Draft]:
    """``{"turns": [{"question", "answer"}]}``: one draft of them all; none where there is no turn.

    Raises:
        UnreadableError: It is something else.
    """
    said = _decode(text, _Turns).turns
    return [tuple(_tidy(pair) for pair in said)] if said else []


def rewordings(text: str) -> dict[str, str]:
    """``{"items": [{"level", "question"}]}``: questions by level; the first of each counts.

    Raises:
        UnreadableError: It is something else.
    """
    said: dict[str, str] = {}
    for item in _decode(text, _Rewordings).items:
        said.setdefault(item.level.strip(), nfc(item.question).strip())
    return said


def schema(name: str, fields: tuple[str, ...], *, levels: tuple[str, ...] = ()) -> dict[str, Any]:
    """``response_format`` for an object with one list, called ``name``, of objects with these fields.

    Format: OpenAI's structured outputs, which vLLM, llama.cpp and Ollama take too.
    """
    properties = dict.fromkeys(fields, _TEXT)
    if levels:
        properties["level"] = {"type": "string", "enum": list(levels)}
    item = _object(properties)
    whole = _object({name: {"type": "array", "items": item}})
    return {"type": "json_schema", "json_schema": {"name": "records", "strict": True, "schema": whole}}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    required = list(properties)
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _decode(text: str, form: type[Any]) -> Any:
    """Read JSON that may stand behind a model's thoughts and in a fence, and nowhere else."""
    bare = _THOUGHT.sub("", text).strip()
    fenced = _FENCED.match(bare)
    try:
        return msgspec.json.decode(fenced[1] if fenced else bare, type=form)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        raise UnreadableError(str(error)) from error


def _tidy(pair: Pair) -> Pair:
    return Pair(nfc(pair.question).strip(), nfc(pair.answer).strip())
