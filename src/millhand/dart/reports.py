"""Which report a filing is: its kind, the month that its period ends in, its code.

The name of a filing says kind and month (``[기재정정]분기보고서 (2024.03)``). A quarter is the first or the
third by the distance of its month from the month in which the corporation's business year ends; the code
inside the file (ACODE) tells the two not apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal, NamedTuple

from millhand.errors import UsageError

Report = Literal["annual", "half", "q1", "q3"]
REPORTS: tuple[Report, ...] = ("annual", "half", "q1", "q3")
# https://opendart.fss.or.kr/guide/detail.do?apiGrpCd=DS003&apiId=2019020, reprt_code
CODES: dict[Report, str] = {"annual": "11011", "half": "11012", "q1": "11013", "q3": "11014"}
DECEMBER = 12
_FIRST_YEAR, _LAST_YEAR = 1999, 2100  # DART's filings begin in 1999
_NAME = re.compile(
    r"(?P<marks>(?:\[[^\]]*\])*)\s*(?P<kind>사업|반기|분기)보고서\s*\((?P<year>\d{4})\.(?P<month>\d{2})\)"
)
_YEARS = re.compile(r"(\d{4})(?:-(\d{4}))?")
_QUARTERS: dict[int, Report] = {3: "q1", 9: "q3"}  # by the months from the business year's start to its end
_KINDS: dict[str, Literal["annual", "half", "quarter"]] = {
    "사업": "annual",
    "반기": "half",
    "분기": "quarter",
}


class Named(NamedTuple):
    """What a filing's name says; ``marks`` as they stand (``[기재정정]``)."""

    kind: Literal["annual", "half", "quarter"]
    year: int
    month: int
    marks: str = ""


def read_name(report_nm: str) -> Named | None:
    """What the name of a filing says; None where it is no periodic report."""
    found = _NAME.fullmatch(report_nm.strip())
    if found is None or not 1 <= int(found["month"]) <= DECEMBER:
        return None
    return Named(_KINDS[found["kind"]], int(found["year"]), int(found["month"]), found["marks"])


def year_end_month(named: Iterable[Named]) -> int | None:
    """The month in which business years end, from the names of a corporation's reports.

    The latest annual report says it, else the latest half-year's. None where there is neither.
    """
    ends = sorted((name for name in named if name.kind != "quarter"), key=lambda n: (n.kind == "annual", n))
    if not ends:
        return None
    last = max(ends, key=lambda name: (name.kind == "annual", name.year, name.month))
    return last.month if last.kind == "annual" else _month(last.month + 6)


def report_of(named: Named, end_month: int | None) -> Report | None:
    """Which report it is; None for a quarter that is neither the first nor the third.

    Where the end of the business year is not known, March and September are those of a calendar year.
    """
    if named.kind != "quarter":
        return named.kind
    months = (named.month - (end_month or DECEMBER)) % DECEMBER
    return _QUARTERS.get(months)


def report_of_period(kind: str, period_from: str, period_to: str) -> Report | None:
    """Which report a file is: ``kind`` is its name (``분기보고서``), the period YYYYMMDD both.

    A first quarter's period is three months long, a third's nine, as reports count from the year's start.
    """
    found = next((known for word, known in _KINDS.items() if word in kind), None)
    if found != "quarter":
        return found
    if not (_is_date(period_from) and _is_date(period_to)):
        return None
    months = (
        (int(period_to[:4]) - int(period_from[:4])) * 12 + int(period_to[4:6]) - int(period_from[4:6]) + 1
    )
    return _QUARTERS.get(months)


def parse_years(text: str) -> range:
    """``2021-2023`` or ``2023``: the years in which the reports' periods end.

    Raises:
        UsageError: It is neither, or the years are not in order.
    """
    found = _YEARS.fullmatch(text.strip())
    first, last = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if not _FIRST_YEAR <= first <= last <= _LAST_YEAR:
        raise UsageError(f"{text!r} are no years.", mend="Write --years 2023 or --years 2021-2023.")
    return range(first, last + 1)


def parse_reports(text: str) -> tuple[Report, ...]:
    """``annual,half,q1,q3`` or some of them, in any order; ``all`` for all.

    Raises:
        UsageError: One is none of these.
    """
    names = [name.strip().lower() for name in text.split(",") if name.strip()]
    chosen = tuple(report for report in REPORTS if report in names or "all" in names)
    if not chosen or not set(names) <= {*REPORTS, "all"}:
        raise UsageError(f"{text!r} are no reports.", mend=f"Write --reports {','.join(REPORTS)}, or some.")
    return chosen


def _month(number: int) -> int:
    return (number - 1) % DECEMBER + 1


def _is_date(text: str) -> bool:
    return len(text) == 8 and text.isascii() and text.isdigit() and 1 <= int(text[4:6]) <= DECEMBER
