"""Dates to one form, and nothing else taken for one."""

from __future__ import annotations

import datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millhand.text.dates import DateForm, find_dates, one_form, written_as

_DAYS = st.dates(datetime.date(1970, 1, 1), datetime.date(2068, 12, 31))
_WRITINGS = [
    "{y}.{m}.{d}.",
    "{y}. {m}. {d}.",
    "{y}. {m}. {d}",
    "{y}.{m:02}.{d:02}",
    "{y}.{m:02}.{d:02}.",
    "{y}-{m:02}-{d:02}",
    "{y}-{m}-{d}",
    "{y}/{m:02}/{d:02}",
    "{y}년 {m:02}월 {d:02}일",
    "{y}년 {m}월 {d}일",
    "{y}년{m}월{d}일",
    "{y}년  {m}월 {d}일".replace("  ", " "),
    "'{s:02}.{m}.{d}.",
    "’{s:02}. {m}. {d}.",
    "'{s:02}년 {m}월 {d}일",
    "({s:02}년 {m}월 {d}일",
]


def _write(writing: str, day: datetime.date) -> str:
    return writing.format(y=day.year, s=day.year % 100, m=day.month, d=day.day)


@given(_DAYS, st.sampled_from(_WRITINGS), st.sampled_from(["korean", "iso"]))
def test_every_writing_becomes_one(day: datetime.date, writing: str, form: DateForm) -> None:
    lead = "(" if writing.startswith("(") else ""
    text = f"이 규정은 {_write(writing, day)} 시행한다"
    assert one_form(text, form) == f"이 규정은 {lead}{written_as(day, form)} 시행한다"


@given(_DAYS, _DAYS, st.sampled_from(_WRITINGS[:12]), st.sampled_from(["~", " ~ ", ", ", "부터 "]))
def test_two_dates_side_by_side(one: datetime.date, two: datetime.date, writing: str, between: str) -> None:
    text = f"{_write(writing, one)}{between}{_write(writing, two)}까지"
    assert [written.date for written in find_dates(text)] == [one, two]
    assert one_form(text, "iso") == f"{one}{between}{two}까지"


@given(
    st.text(alphabet="0123456789년월일.-/~ '()가기호제:,\n", max_size=40), st.sampled_from(["korean", "iso"])
)
def test_twice_is_once(text: str, form: DateForm) -> None:
    assert one_form(one_form(text, form), form) == one_form(text, form)


@given(st.text(max_size=60))
def test_nothing_but_the_dates_changes(text: str) -> None:
    found = find_dates(text)
    assert all(a.end <= b.start for a, b in pairwise(found))
    if not found:
        assert one_form(text, "korean") == text


_NUMBER = st.integers(0, 99)
_NOT_DATES = st.one_of(
    st.lists(st.integers(1, 30), min_size=2, max_size=5).map(lambda parts: ".".join(map(str, parts))),
    st.tuples(_NUMBER, _NUMBER, _NUMBER).map(lambda v: "v{}.{}.{}".format(*v)),
    st.tuples(st.integers(2000, 2030), st.integers(1, 4), st.integers(1, 9)).map(
        lambda v: "버전 {}.{}.{}".format(*v)
    ),
    st.tuples(st.integers(2000, 2030), st.integers(1, 4), st.integers(1, 9)).map(
        lambda v: "PyCharm {}.{}.{}".format(*v)
    ),
    st.integers(0, 10**15).map("{:,}".format),
    st.integers(0, 10**9).map(str),
    st.tuples(st.integers(1000, 2100), st.integers(1, 99)).map(lambda v: "{}:{}".format(*v)),
    st.tuples(st.integers(1000, 2100), st.integers(1, 99)).map(lambda v: "{}/{}".format(*v)),
    st.tuples(_NUMBER, st.integers(1000, 2100), st.integers(1000, 2100)).map(
        lambda v: "0{}-{}-{}".format(*v)
    ),
    st.tuples(st.integers(1900, 2099), st.integers(1, 12)).map(lambda v: "{}.{:02}".format(*v)),
    st.tuples(st.integers(1900, 2099), st.integers(1, 12)).map(lambda v: "{}년 {}월말".format(*v)),
    st.tuples(st.integers(1900, 2099), st.integers(1, 4)).map(lambda v: "{}년 {}분기".format(*v)),
    st.tuples(st.integers(1, 70), st.integers(1, 4)).map(lambda v: "제{}기 {}분기".format(*v)),
    st.tuples(st.integers(1900, 2099), st.integers(1, 12), st.integers(1, 28)).map(
        lambda v: "제{}-{}-{}호".format(*v)
    ),
    st.tuples(st.integers(1900, 2099), st.integers(1, 12), st.integers(1, 28)).map(
        lambda v: "세종 {}년 {}월 {}일".format(v[0] % 100, *v[1:])
    ),
    st.tuples(*[st.integers(0, 255)] * 4).map(lambda v: "{}.{}.{}.{}".format(*v)),
    st.tuples(st.integers(1900, 2099), st.integers(1, 12), st.integers(1, 28)).map(
        lambda v: "https://a.kr/b?d={}-{}-{}".format(*v)
    ),
)


@given(_NOT_DATES, st.sampled_from(["", "은", " 항목", "%", "원", ".", ")"]))
def test_numbers_that_are_no_dates_stay(number: str, after: str) -> None:
    text = f"수치 {number}{after} 끝"
    assert one_form(text, "korean") == text
    assert one_form(text, "iso") == text


@pytest.mark.parametrize(
    "text",
    [
        "2024.2.30.",
        "2024.13.1",
        "2024.3.1.5",
        "2024. 3.1 매출",
        "접수번호 20240312000736",
        "계좌 20240301-01-123456",
        "금액 20240301원",
        "20240301",
        "2024년 3월 10일간 점검",
        "입사 후 24년 3월 1일",
        "'24년 3월 1일' 표기",
        "KR-2024-03-01",
        "보고서_2024-03-01.pdf",
        "/기록/2024/03/01/a.log",
        "2024-03-01T09:00:00",
        "고시 제2024-3-1호",
        "2024.3.1항",
        "1999.12",
    ],
)
def test_what_stays(text: str) -> None:
    assert one_form(text, "iso") == text
    assert one_form(text, "korean") == text


@pytest.mark.parametrize(
    ("text", "one"),
    [
        ("시행일은 2024.3.1.이다", "시행일은 2024년 3월 1일이다"),
        ("2024.3.1일부터", "2024년 3월 1일부터"),
        ("일자: 20240301", "일자: 2024년 3월 1일"),
        ("기간: 20240301 ~ 20240305까지", "기간: 2024년 3월 1일 ~ 2024년 3월 5일까지"),
        ("작성일 20240301에", "작성일 2024년 3월 1일에"),
        ("24년 3월 1일", "2024년 3월 1일"),
        ("점검(97년 12월 3일)", "점검(1997년 12월 3일)"),
        ("2024.3.1 개정, 2024. 3. 2. 조치", "2024년 3월 1일 개정, 2024년 3월 2일 조치"),
        ("있다.2024년 03월 01일 시행", "있다.2024년 3월 1일 시행"),
        ("2024-03-01 09:00", "2024년 3월 1일 09:00"),
        ("2023.01.01 ~ 2023.12.31", "2023년 1월 1일 ~ 2023년 12월 31일"),
        ("2024년\u00a003월 01일자", "2024년 3월 1일자"),
    ],
)
def test_korean(text: str, one: str) -> None:
    assert one_form(text, "korean") == one


def test_kept() -> None:
    assert one_form("2024.3.1.", "keep") == "2024.3.1."
