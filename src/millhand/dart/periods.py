"""The periods that columns of financial tables stand for: ``제55기``, ``제 54 (전) 기``, ``2023년 12월말``.

A period is compared with the one before it only where both are named the same way.
"""

from __future__ import annotations

import re
from typing import NamedTuple

# What may follow a term or year and leaves it a period; anything else ("정기주주총회") makes it none.
_REST = r"(?P<rest>[1-4]?분기|반기|연간|누적|3개월|[상하]반기|기)?(?P<more>누적|3개월)?(?P<point>말|초|현재)?"
_TERM = re.compile(
    rf"제(?P<term>\d{{1,3}})(?:\((?P<role>당|전|전전)\))?기(?:\((?:당|전|전전)(?:기|반기|분기)?말?\))?{_REST}"
)
_ROLE = re.compile(rf"(?P<role>당|전|전전)(?P<kind>기|반기|분기){_REST}")
_YEAR = re.compile(
    rf"(?P<year>(?:19|20)\d\d)(?:년도?|(?=[.]))(?:\.?(?P<month>\d{{1,2}})(?:월|\.(?P<day>\d{{1,2}})))?"
    rf"(?P<until>[~∼-]\d{{1,2}}월)?{_REST}"
)
_DATED = re.compile(
    r"제\s*(?P<term>\d{1,3})\s*(?:\(\s*[당전]{1,2}\s*\))?\s*기\s*(?:(?:1|2|3)?분기|반기)?\s*말?\s*[:：]?\s*"
    r"(?P<first>\d{4}[.년]\s*\d{1,2}[.월]\s*\d{1,2}일?)\s*(?:(?P<point>현재)|부터\s*(?P<last>\d{4}[.년]\s*\d{1,2}[.월]\s*\d{1,2}일?)\s*까지)"
)
_ROLES = {"당": 0, "전": 1, "전전": 2}


class Period(NamedTuple):
    """A column's period.

    ``order`` is the term, the year, or minus how far back it lies, so that the one before is ``order - 1``;
    ``style`` is how it is named (``term``, ``year``, ``role``) with what follows the name, so that only
    like is compared with like.
    """

    text: str
    style: str
    order: int
    year: int | None = None

    def spanning(self, span: str) -> Period:
        """The period with a span that its column names apart: ``3개월``, ``누적``."""
        return self._replace(text=f"{self.text} {span}", style=f"{self.style} {span}") if span else self

    def follows(self, other: Period) -> bool:
        """Whether ``other`` is the period right before this one, named the same way.

        The end of a quarter also follows the end of the last year: balance sheets compare these.
        """
        alike = self.style == other.style or (
            self.style.startswith("term") and self.style.endswith("말") and other.style == "term말"
        )
        return alike and self.order == other.order + 1


def read_period(label: str) -> Period | None:
    """The period that a label names, all of it; None where it names none, or something besides."""
    text = "".join(label.split())
    if found := _TERM.fullmatch(text):
        return Period(_spaced(label), f"term{_suffix(found)}", int(found["term"]))
    if found := _ROLE.fullmatch(text):
        return Period(_spaced(label), f"role{found['kind']}{_suffix(found)}", -_ROLES[found["role"]])
    if found := _YEAR.fullmatch(text):
        month = f"{found['month'] or ''}.{found['day'] or ''}{found['until'] or ''}"
        year = int(found["year"])
        return Period(_spaced(label), f"year{month}{_suffix(found)}", year, year)
    return None


def dates_of(text: str) -> dict[int, str]:
    """The dates that a caption gives terms: ``제 55 기 2023.12.31 현재`` -> 55: ``2023.12.31 현재``.

    A term that is given two different dates is left out.
    """
    found: dict[int, str] = {}
    twice: set[int] = set()
    for match in _DATED.finditer(text):
        if not (match["point"] or match["last"]):
            continue
        last = _date(match["last"]) if match["last"] else ""
        dated = f"{_date(match['first'])}~{last}" if last else f"{_date(match['first'])} 현재"
        term = int(match["term"])
        if found.setdefault(term, dated) != dated:
            twice.add(term)
    return {term: dated for term, dated in found.items() if term not in twice}


def _suffix(found: re.Match[str]) -> str:
    return f"{found['rest'] or ''}{found['more'] or ''}{found['point'] or ''}"


def _spaced(label: str) -> str:
    """The label on one line, without blanks inside a term: ``제 55 (당) 기`` -> ``제55기``."""
    text = " ".join(label.split())
    text = re.sub(r"제\s*(\d{1,3})\s*(?:\(\s*[당전]{1,2}\s*\))?\s*기", r"제\1기", text)
    return re.sub(r"\s*\((?:당|전|전전)(?:기|반기|분기)?말?\)$", "", text)


def _date(text: str) -> str:
    year, month, day = re.findall(r"\d+", text)
    return f"{year}.{int(month):02}.{int(day):02}"
