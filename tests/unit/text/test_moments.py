"""Dates and times of day: the same however they are written."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millhand.text.moments import clocks, dates

_WRITINGS = (
    "{d.year}년 {d.month}월 {d.day}일",
    "{d.year}.{d.month}.{d.day}.",
    "{d.year}. {d.month}. {d.day}.",
    "{d:%Y-%m-%d}",
    "{d.year}/{d.month}/{d.day}",
    "{d:%Y%m%d}",
    "'{y}.{d.month}.{d.day}",
)


@given(st.dates(datetime.date(2000, 1, 1), datetime.date(2099, 12, 31)), st.sampled_from(_WRITINGS))
def test_a_day_is_the_same_however_it_is_written(day: datetime.date, writing: str) -> None:
    text = writing.format(d=day, y=f"{day.year % 100:02}")
    (found,) = dates(f"기준일은 {text} 이다")
    assert found.parts == (day.year, day.month, day.day)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("3월 5일", (0, 3, 5)),
        ("2024년 3월", (2024, 3, 0)),
        ("2024년", (2024, 0, 0)),
        ("2024년도", (2024, 0, 0)),
        ("2024.03 기준", (2024, 3, 0)),
        ("2024.3월", (2024, 3, 0)),
        ("March 5, 2024", (2024, 3, 5)),
        ("5 March 2024", (2024, 3, 5)),
        ("매년 3월에", (0, 3, 0)),
    ],
)
def test_parts_of_a_date(text: str, parts: tuple[int, int, int]) -> None:
    assert [found.parts for found in dates(text)] == [parts]


_NO_DATES = "3년간|2024명|3개월|13월 5일|1.5배|2001.01%|2024.5kg|192.168.0.1|3.1.2"


@pytest.mark.parametrize("text", _NO_DATES.split("|"))
def test_what_is_no_date(text: str) -> None:
    assert list(dates(text)) == []


def test_a_day_covers_its_month_and_not_the_other_way() -> None:
    day, month = next(dates("2024-03-05")), next(dates("2024년 3월"))
    assert day.covers(month)
    assert not month.covers(day)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("오후 6시", "18:00", True),
        ("오후 6시 30분", "18시 30분", True),
        ("6시 반", "18:30", True),
        ("오전 6시", "18:00", False),
        ("6:30 PM", "18:30", True),
        ("오전 12시", "0시", True),
        ("09:00", "9시", True),
        ("09:00", "21:00", False),
    ],
)
def test_times_of_day_are_compared_by_the_clock(one: str, other: str, same: bool) -> None:
    assert next(clocks(one)).same(next(clocks(other))) is same


@pytest.mark.parametrize("text", ["3시간", "24시간", "1:100 축척", "2024-03", "12시장"])
def test_what_is_no_time_of_day(text: str) -> None:
    assert list(clocks(text)) == []
