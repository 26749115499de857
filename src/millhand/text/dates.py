"""Dates as Korean documents write them, and one form for them.

Only a whole date is one: year, month and a day that the calendar has. Periods (``2023.12``, ``제55기
1분기``), numbers of sections and versions, amounts, ratios, telephone and document numbers are none. What
could be either stays as it stands. (``moments.py`` reads all that could be meant as a date; here no false
one may be rewritten.)
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from typing import Literal, NamedTuple, TypeAlias

DateForm: TypeAlias = Literal["korean", "iso", "keep"]

_YEAR = r"(?P<year>(?:19|20)[0-9]{2})"
_SHORT = r"['‘’](?P<short>[0-9]{2})"
_MONTH, _DAY = r"(?P<month>1[0-2]|0?[1-9])", r"(?P<day>3[01]|[12][0-9]|0?[1-9])"
# What a date cannot stand right behind and right before: the rest of a longer number, a name, an address.
_BEFORE = r"(?<![\w/#=&@\\])(?<![0-9][,-])(?<![0-9A-Za-z]\.)"
_AFTER = r"(?![0-9A-Za-z_/\\-]|\.[0-9A-Za-z]|(?:호|판|버전|번|항|절|조|장))"
# "2024.3.1일부터": the word for day is written once too often there
_DAY_WORD = r"(?:일(?=부터|까지|[자에은이로을과의]|[^\w]|$))?"
_NAME = r"(?:일자|날짜|일시|기간|[가-힣](?:준|성|행|록|수|생|정|고|약|제|료|작|검|육|월)일)\s?[:：]?\s?"
_COMPACT = r"(?P<year>(?:19|20)[0-9]{2})(?P<month>[01][0-9])(?P<day>[0-3][0-9])(?=$|[\s)\]~∼,;에부까기])"
_WRITTEN = (
    # 2024년 03월 1일; "10일간" and "3일차" are spans of days
    rf"{_BEFORE}(?:{_YEAR}|{_SHORT})\s?년\s?{_MONTH}\s?월\s?{_DAY}\s?일(?![차간째])",
    rf"(?:^|(?<=[(\[:~]))(?P<lead> ?)(?P<short>[0-9]{{2}})\s?년\s?{_MONTH}\s?월\s?{_DAY}\s?일(?![차간째])",
    # 2024.3.1. and 2024. 3. 1.: the blanks must agree, "since 2024. 3.1 Sales" is none
    rf"{_BEFORE}(?:{_YEAR}|{_SHORT})\.(?P<gap> ?){_MONTH}\.(?P=gap){_DAY}{_AFTER}(?:\.|{_DAY_WORD})",
    rf"{_BEFORE}(?<!-){_YEAR}(?P<sign>[-/]){_MONTH}(?P=sign){_DAY}{_AFTER}",
    # 20240301 only where a word says that it is a date
    rf"(?P<name>{_NAME}){_COMPACT}",
    rf"(?P<name>{_NAME}[12][0-9]{{7}}\s?[~∼]\s?){_COMPACT}",
)
_PATTERNS = tuple(re.compile(pattern, re.MULTILINE) for pattern in _WRITTEN)
_ADDRESS = re.compile(r"://|www\.|@|\\")
_VERSION = re.compile(
    r"(?:버전|버젼|릴리스|릴리즈|빌드|판번|[Vv]er(?:sion)?|[Rr]e[vl]\w*|[Bb]uild|\bv)[.:]?\s?$"
)
_LATIN_WORD = re.compile(r"[A-Za-z]\s$")
_BARE = re.compile(r"[0-9]{4}\.[1-9][0-2]?\.[1-9][0-9]?\.?")
_CONTEXT = 40
_YEAR_LIKE = re.compile(r"(?:19|20)[0-9]{2}|['‘’][0-9]{2}|[0-9]{2}\s?년")


class Written(NamedTuple):
    """A date in a text: where it stands, in characters, and which day it is."""

    start: int
    end: int
    date: datetime.date


def find_dates(text: str) -> list[Written]:
    """The whole dates in ``text``, in their order; none overlaps another."""
    if not _YEAR_LIKE.search(text):
        return []
    found = sorted(written for pattern in _PATTERNS for written in _found(pattern, text))
    kept: list[Written] = []
    for written in found:
        if not kept or written.start >= kept[-1].end:
            kept.append(written)
    return kept


def one_form(text: str, form: DateForm) -> str:
    """``text`` with its dates as ``2024년 3월 1일`` or ``2024-03-01``; nothing else in it changes."""
    if form == "keep":
        return text
    parts, end = [], 0
    for written in find_dates(text):
        parts += [text[end : written.start], written_as(written.date, form)]
        end = written.end
    return "".join([*parts, text[end:]])


def written_as(date: datetime.date, form: DateForm) -> str:
    """A date in one of the two forms."""
    return date.isoformat() if form == "iso" else f"{date.year}년 {date.month}월 {date.day}일"


def _found(pattern: re.Pattern[str], text: str) -> Iterator[Written]:
    for found in pattern.finditer(text):
        parts = found.groupdict()
        date = _date(parts)
        start = found.start() + len(parts.get("lead") or parts.get("name") or "")
        if date and not _is_none(found, text):
            yield Written(start, found.end(), date)


def _date(parts: dict[str, str | None]) -> datetime.date | None:
    short = parts.get("short")
    year = int(parts.get("year") or 0) if short is None else _century(int(short))
    try:
        return datetime.date(year, int(parts["month"] or 0), int(parts["day"] or 0))
    except ValueError:
        return None


def _century(year: int) -> int:
    """Two digits as POSIX reads them (strptime's %y): 69 and on are of the last century."""
    return year + (1900 if year >= 69 else 2000)


def _is_none(found: re.Match[str], text: str) -> bool:
    """Whether what stands around says that this is no date: an address, a version, a quotation."""
    before = text[max(0, found.start() - _CONTEXT) : found.start()]
    word = before.split()[-1] if before and not before[-1].isspace() else ""
    quoted = found[0][0] in "'‘’" and text[found.end() : found.end() + 1] in ("'", "’")
    named = _LATIN_WORD.search(before) and _BARE.fullmatch(found[0])
    return bool(quoted or named or _ADDRESS.search(word) or _VERSION.search(before))
