"""Dates and times of day in Korean text, whatever form they are written in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_YEAR = r"(?P<{0}year>(?:1[89]|20|21)\d\d|['’‘]\d\d)"
_MONTH, _DAY = r"(?P<{0}month>1[0-2]|0?[1-9])", r"(?P<{0}day>3[01]|[12]\d|0?[1-9])"
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_NAMED = rf"(?P<{{0}}name>{'|'.join(_MONTHS)})[a-z]*\.?"


def _part(pattern: str, prefix: str) -> str:
    return pattern.format(prefix)


_FORMS = (
    rf"{_YEAR}\s?년도?\s?{_MONTH}\s?월\s?{_DAY}\s?일",
    rf"{_YEAR}\s?년도?\s?{_MONTH}\s?월(?![가-힣]*급)",
    rf"{_YEAR}\s?(?P<{{0}}sep>[-./])\s?{_MONTH}\s?(?P={{0}}sep)\s?{_DAY}(?![\d])",
    rf"{_YEAR}[-./]\s?{_MONTH}\s?월",
    rf"{_YEAR}[-/]{_MONTH}(?![\d.\-/])",
    # a decimal number unless the month has two digits and nothing that is counted follows
    r"(?P<{0}year>(?:19|20)\d\d)\.(?P<{0}month>0[1-9]|1[0-2])(?=$|\s(?!%)|[~)\],]|[에은는의까부]|\.\s|\.$)",
    rf"{_MONTH}\s?월\s?{_DAY}\s?일",
    rf"{_NAMED} {_DAY}(?:st|nd|rd|th)?,? {_YEAR}",
    rf"{_DAY} {_NAMED},? {_YEAR}",
    rf"{_YEAR}\s?(?:년도?|학년도)(?!\s?간|째|차)",
    r"(?P<{0}packed>(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01]))(?!\d)",
    rf"{_MONTH}\s?월(?=[^가-힣]|[에의은을부까중말초경호분]|$)",
)
_DATE = re.compile(
    r"(?<![\w.,/-])(?:"
    + "|".join(f"(?P<f{i}_>{_part(form, f'f{i}_')})" for i, form in enumerate(_FORMS))
    + ")",
    re.IGNORECASE,
)
_CLOCK = re.compile(
    r"(?<![\w.:,])(?:(?P<half>오전|오후|새벽|아침|낮|저녁|밤|AM|PM|am|pm)\s?)?"
    r"(?:(?P<h>2[0-4]|[01]?\d)\s?시(?!간|[가-힣]?[장점험행작스설])(?:\s?(?P<m>[0-5]?\d)\s?분|\s?(?P<thirty>반))?"
    r"|(?P<hh>2[0-4]|[01]?\d):(?P<mm>[0-5]\d)(?::[0-5]\d)?(?![\d:])(?:\s?(?P<after>AM|PM|am|pm)\b)?)"
)
_LATE, _EARLY = ("오후", "저녁", "밤", "pm"), ("오전", "새벽", "아침", "am")
_HALF_DAY = 12 * 60


class Date(NamedTuple):
    """A day, a month or a year; what is not said is 0. ``start`` and ``end`` are places in the text."""

    year: int
    month: int
    day: int
    start: int
    end: int

    @property
    def parts(self) -> tuple[int, int, int]:
        """Year, month, day."""
        return self.year, self.month, self.day

    def covers(self, other: Date) -> bool:
        """Whether all that ``other`` says is said by this one: 2024-03-05 covers 2024년 3월."""
        return all(there in (0, here) for here, there in zip(self.parts, other.parts, strict=True))


class Clock(NamedTuple):
    """A time of day in minutes; ``sure`` where it is known which half of the day is meant."""

    minutes: int
    sure: bool
    start: int
    end: int

    def same(self, other: Clock) -> bool:
        """Whether both may be the same time: 오후 6시 is 18:00; 6시 may be either."""
        if self.sure and other.sure:
            return self.minutes == other.minutes
        return self.minutes % _HALF_DAY == other.minutes % _HALF_DAY


def dates(text: str) -> Iterator[Date]:
    """The dates of a text: 2024년 3월 5일, 2024.3.5., '24-03-05, 20240305, March 5, 2024, 3월 5일, 2024년."""
    for found in _DATE.finditer(text):
        date = _date(found)
        if date is not None:
            yield date


def _date(found: re.Match[str]) -> Date | None:
    values = {
        name.partition("_")[2]: value
        for name, value in found.groupdict().items()
        if value is not None and name.partition("_")[2]
    }
    if packed := values.get("packed"):
        values = {"year": packed[:4], "month": packed[4:6], "day": packed[6:]}
    if name := values.get("name"):
        values["month"] = str(_MONTHS.index(name[:3].lower()) + 1)
    year = values.get("year", "0")
    full = 2000 + int(year[1:]) if not year[0].isdigit() else int(year)
    return Date(full, int(values.get("month", 0)), int(values.get("day", 0)), found.start(), found.end())


def clocks(text: str) -> Iterator[Clock]:
    """The times of day of a text: 오후 6시 30분, 18:30, 6시 반, 6:30 PM."""
    for found in _CLOCK.finditer(text):
        half = (found["half"] or found["after"] or "").lower()
        hour = int(found["h"] or found["hh"])
        minute = 30 if found["thirty"] else int(found["m"] or found["mm"] or 0)
        if half in _LATE and hour < 12:
            hour += 12
        if half in _EARLY and hour == 12:
            hour = 0
        sure = bool(half in _LATE or half in _EARLY or hour > 12 or hour == 0 or _padded(found))
        yield Clock(hour % 24 * 60 + minute, sure, found.start(), found.end())


def _padded(found: re.Match[str]) -> bool:
    """``09:00`` and ``9:00`` are written by a clock of 24 hours."""
    return found["hh"] is not None and not found["after"]
