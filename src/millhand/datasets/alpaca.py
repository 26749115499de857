"""Rows of a table or of alpaca objects -> rows as they are written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import orjson

from millhand.datasets import faults
from millhand.datasets.faults import Fault
from millhand.documents.rows import CellError, shorten
from millhand.text.normal import nfc

Written: TypeAlias = dict[str, Any]

_TRUE = frozenset(["true", "1", "yes", "y", "o", "참", "예", "네"])
_FALSE = frozenset(["false", "0", "no", "n", "x", "거짓", "아니오", "아니요"])
_KINDS = {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object"}


class AlpacaConverter:
    """Makes a row of instruction, input and output (chosen and rejected for ranking) of a source's row.

    Optional fields are in the result only where they hold something.
    """

    def __init__(self, mapping: Mapping[str, str], *, system: str = "", as_text: bool = False) -> None:
        self.system, self.as_text = system, as_text
        self.ranking = "chosen" in mapping
        answers = ("chosen", "rejected") if self.ranking else ("output",)
        self.base = ("instruction", "input", *answers)
        self.columns = {name: mapping[name] for name in (*self.base, "system") if name in mapping}
        self.history, self.tools = mapping.get("history"), mapping.get("tools")
        self.kto_tag = None if self.ranking else mapping.get("kto_tag")
        self.asked = mapping.get("instruction") or mapping.get("input", "instruction")

    def __call__(self, values: Mapping[str, Any]) -> Written | list[Fault]:
        """The row to write, or all that is wrong with it."""
        found: list[Fault] = []
        row: Written = dict.fromkeys(self.base, "")
        for name, column in self.columns.items():
            value = values.get(column)
            if type(value) is str:
                row[name] = value if value.isascii() else nfc(value)
            elif value is not None:
                row[name] = self._text(column, value, found)
        self._check(row, found)
        self._optional(row, values, found)
        return found or row

    def _text(self, column: str, value: Any, found: list[Fault]) -> str:
        if isinstance(value, CellError):
            found.append(faults.formula_error(column, value))
        elif isinstance(value, list | dict):
            found.append(faults.not_text(column, kind_of(value), shorten(str(value))))
        elif self.as_text:
            return plain_text(value)
        else:
            found.append(faults.mixed_type(column, kind_of(value), shorten(str(value))))
        return "?"  # something stands there: it is not empty as well

    def _check(self, row: Written, found: list[Fault]) -> None:
        if not row["instruction"].strip() and not row["input"].strip():
            found.append(faults.empty_question(self.asked))
        for name in self.base[2:]:
            if not row[name].strip():
                found.append(faults.empty_answer(self.columns.get(name, name)))

    def _optional(self, row: Written, values: Mapping[str, Any], found: list[Fault]) -> None:
        if not row.get("system", "").strip():
            row["system"] = self.system
        if not row["system"]:
            del row["system"]
        if self.history and values.get(self.history):
            row["history"] = self._pairs(self.history, values[self.history], found)
        if self.tools and values.get(self.tools):
            row["tools"] = tools_text(self.tools, values[self.tools], found)
        if self.kto_tag:
            row["kto_tag"] = _flag(self.kto_tag, values.get(self.kto_tag), found)

    def _pairs(self, column: str, value: Any, found: list[Fault]) -> list[list[str]]:
        pairs = _loaded(value)
        if isinstance(pairs, list) and all(_is_pair(pair) for pair in pairs):
            return [[nfc(text) for text in pair] for pair in pairs]
        found.append(faults.broken_history(column, shorten(str(value))))
        return []


def kind_of(value: object) -> str:
    """What to call a value that is no text."""
    return _KINDS.get(type(value), f"a {type(value).__name__}")


def plain_text(value: Any) -> str:
    """A number or flag as JSON writes it, anything else (a date of a parquet file) as Python does."""
    return orjson.dumps(value).decode() if isinstance(value, bool | int | float) else str(value)


def tools_text(column: str, value: Any, found: list[Fault]) -> str:
    """Tools as LLaMA-Factory wants them: the JSON text of a list of objects."""
    tools = _loaded(value)
    if isinstance(tools, list) and all(isinstance(tool, dict) for tool in tools):
        return value if isinstance(value, str) else orjson.dumps(tools).decode()
    found.append(
        faults.conversation(
            "broken-tools",
            f"is no list of tools: {shorten(str(value))}",
            column,
            "LLaMA-Factory stops at the first such row.",
        )
    )
    return ""


def _loaded(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return None


def _is_pair(pair: object) -> bool:
    return isinstance(pair, list) and len(pair) == 2 and all(isinstance(text, str) for text in pair)


def _flag(column: str, value: Any, found: list[Fault]) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).strip().casefold()
    if word not in _TRUE | _FALSE:
        found.append(faults.broken_tag(column, shorten(str(value))))
    return word in _TRUE
