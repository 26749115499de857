"""Texts that datasets makes dates of: then they are no text any more.

A file of lines is read by Arrow, which makes times of a column where all texts are written as ISO 8601
(arrow/cpp/src/arrow/json/converter.cc and util/value_parsing.h); a JSON array by pandas, which tries the
columns that are named like a date (pandas/io/json/_json.py: ``_try_convert_dates``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from millhand.datasets.info import columns_of, tags_of

_ISO = re.compile(
    r"(\d{4})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
    r"([ T]([01]\d|2[0-3])(:[0-5]\d(:[0-5]\d)?)?(Z|[+-]\d\d(:?\d\d)?)?)?"
)
# What pandas' parser of dates takes is more than this; here stands what people write.
_LOOSE = re.compile(
    r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})([ T]\d{1,2}:\d\d(:\d\d(\.\d+)?)?( ?Z|[+-]\d\d:?\d\d)?)?"
    r"|\d{4}-(0[1-9]|1[0-2])|([01]?\d|2[0-3]):[0-5]\d(:[0-5]\d)?|[A-Z][a-z]{2,8}\.? \d{1,2},? \d{4}|"
)
_DATED_NAMES = ("modified", "date", "datetime")


def is_iso(text: str) -> bool:
    """Whether Arrow reads a text as a time of whole seconds."""
    if not text[:1].isdigit():
        return False
    found = _ISO.fullmatch(text)
    return found is not None and text.isascii() and _is_day(*map(int, found.group(1, 2, 3)))


def _is_day(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


def is_loose(text: str) -> bool:
    """Whether pandas reads a text as a date; an empty one is none, and spoils no column of dates."""
    found = _LOOSE.fullmatch(text)
    return found is not None and (found[1] is None or _is_day(*map(int, found.group(1, 2, 3))))


def zone_of(text: str) -> str:
    """The time zone that a date names; empty where it names none."""
    found = _LOOSE.fullmatch(text)
    return (found[7] or "").strip() if found else ""


def is_dated_name(column: str) -> bool:
    """Whether pandas looks for dates in a column of a JSON array, by its name."""
    name = column.lower()
    return name.endswith(("_at", "_time")) or name in _DATED_NAMES or name.startswith("timestamp")


def dated_columns(entry: Mapping[str, Any], seen: Mapping[str, bool]) -> Iterator[str]:
    """The paths that LLaMA-Factory reads text from and that hold nothing but dates."""
    yield from dict.fromkeys(path for path in _read_paths(entry) if seen.get(path))


def _read_paths(entry: Mapping[str, Any]) -> Iterator[str]:
    columns = columns_of(entry)
    own = ("system", "tools", "prompt", "query")
    answers = ("chosen", "rejected") if entry.get("ranking") else ("response",)
    if entry.get("formatting", "alpaca") == "alpaca":
        yield from (f"{columns[member]}" for member in (*own, *answers))
        yield f"{columns['history']}[][]"
        return
    content = tags_of(entry)["content_tag"]
    yield from (f"{columns[member]}" for member in own[:2])
    yield f"{columns['messages']}[].{content}"
    yield from (f"{columns[member]}.{content}" for member in ("chosen", "rejected"))
