"""Numbers of Korean text: whatever form they are written in, value and unit are the same."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millhand.text.numbers import cell_value, figures, quantities


def read(text: str) -> list[tuple[str, str]]:
    return [(str(q.value), q.unit) for q in quantities(text)]


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("1,000명", "1000", "명"),
        ("1000 명", "1000", "명"),
        ("천 명", "1000", "명"),
        ("1천 명", "1000", "명"),
        ("140만 원", "1400000", "원"),
        ("140만원", "1400000", "원"),
        ("3조 2천억 원", "3200000000000", "원"),
        ("1억 2,000만원", "120000000", "원"),
        ("5만 300원", "50300", "원"),
        ("2만 3천 명", "23000", "명"),
        ("1,234백만원", "1234000000", "원"),
        ("5,000천원", "5000000", "원"),
        ("삼천오백만 원", "35000000", "원"),
        ("만 원", "10000", "원"),
        ("십억 원", "1000000000", "원"),
        ("이십 명", "20", "명"),
        ("1.5배", "1.5", "배"),
        ("30퍼센트", "30", "%"),
        ("３０％", "30", "%"),
        ("0.3%p", "0.3", "%p"),
        ("0.3%포인트", "0.3", "%p"),
        ("-5.2%", "-5.2", "%"),
        ("−5.2%", "-5.2", "%"),
        ("△5%", "-5", "%"),
        ("▲1,234원", "-1234", "원"),
        ("$1,200", "1200", "달러"),
        ("₩1,200", "1200", "원"),
        ("1,200달러", "1200", "달러"),
        ("25㎡", "25", "m2"),
        ("25제곱미터", "25", "m2"),
        ("100여 명", "100", "명"),
        ("30분간", "30", "분"),
        ("두 명", "2", "명"),
        ("세 가지", "3", "가지"),
        ("스물네 시간", "24", "시간"),
        ("열두 개", "12", "개"),
        ("5인", "5", "명"),
        ("3달", "3", "개월"),
        ("3곳", "3", "곳"),
        ("3개소", "3", "곳"),
        ("1,234 tCO2eq", "1234", "tCO2eq"),
        ("만 65세", "65", "세"),
        ("24시간", "24", "시간"),
        ("500kWh", "500", "kWh"),
        ("12자리의 비밀번호", "12", "자리"),
    ],
)
def test_a_number_is_read_with_its_unit(text: str, value: str, unit: str) -> None:
    (found,) = quantities(text)
    assert (found.value, found.unit) == (Decimal(value), unit)
    assert text[found.start : found.end] in text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3~5일", [("3", "일"), ("5", "일")]),
        ("3-5일", [("3", "일"), ("5", "일")]),
        ("3∼5명", [("3", "명"), ("5", "명")]),
        ("30%~50%", [("30", "%"), ("50", "%")]),
        ("3~5만 원", [("30000", "원"), ("50000", "원")]),
        ("1억~2억원", [("100000000", "원"), ("200000000", "원")]),
        ("1·2층", [("1", "층"), ("2", "층")]),
        ("3조 2교대", [("3", "조"), ("2", "교대")]),
        ("100 200명", [("100", ""), ("200", "명")]),
    ],
)
def test_ranges_and_lists_share_their_unit(text: str, expected: list[tuple[str, str]]) -> None:
    assert read(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "만일의 사태",
        "천장",
        "이 층",
        "사원",
        "수천 명",
        "백업",
        "5G망",
        "3D 프린터",
        "tCO2eq",
        "CO2",
        "한편",
        "네트워크",
        "두꺼운",
    ],
)
def test_what_is_no_number_is_none(text: str) -> None:
    assert read(text) == []


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("ISO 45001과 GRI 305-5", ["ISO45001", "GRI305-5"]),
        ("Scope 1·2 배출량", ["Scope1·2"]),
        ("제12조의2제1항", ["제12조의2", "제1항"]),
        ("제 3 장", ["제3장"]),
        ("02-123-4567로 전화", ["02-123-4567"]),
        ("대표번호 1588-1234", ["1588-1234"]),
        ("버전 3.1.2", ["3.1.2"]),
        ("근거 [1]", ["[1]"]),
    ],
)
def test_names_made_of_digits_are_labels(text: str, names: list[str]) -> None:
    read_all = figures(text)
    assert [label.name for label in read_all.labels] == names
    assert read_all.quantities == ()


def test_one_may_be_no_number() -> None:
    (once,) = quantities("한 번 더 확인한다")
    assert once.weak
    assert not quantities("두 번 확인한다")[0].weak


@pytest.mark.parametrize(
    ("cell", "value"),
    [("1,234", "1234"), ("(1,234)", "-1234"), ("△12.5", "-12.5"), ("-3", "-3"), (" 5 ", "5")],
)
def test_a_cell_in_brackets_is_negative(cell: str, value: str) -> None:
    assert cell_value(cell) == Decimal(value)


@pytest.mark.parametrize("cell", ["", "-", "12)", "(12", "12명", "합계", "1,23"])
def test_a_cell_that_is_no_number(cell: str) -> None:
    assert cell_value(cell) is None


_UNITS = st.sampled_from(["원", "명", "%", "kg", "시간", "건"])


@given(st.integers(0, 10**12), _UNITS, st.sampled_from(["", " "]))
def test_commas_and_blanks_change_nothing(value: int, unit: str, blank: str) -> None:
    assert read(f"{value:,}{blank}{unit}") == read(f"{value}{blank}{unit}") == [(str(value), unit)]


@given(st.integers(1, 9999), st.integers(1, 9999))
def test_large_numbers_in_parts_are_their_sum(hundred_millions: int, ten_thousands: int) -> None:
    text = f"매출은 {hundred_millions:,}억 {ten_thousands:,}만 원이다"
    (found,) = quantities(text)
    assert found.value == hundred_millions * 10**8 + ten_thousands * 10**4
    assert found.unit == "원"


@given(st.decimals(min_value=0, max_value=10**6, places=2, allow_nan=False), st.booleans())
def test_decimals_and_signs_are_exact(value: Decimal, negative: bool) -> None:
    sign = "-" if negative else ""
    (found,) = quantities(f"증감률은 {sign}{value}%였다")
    assert found.value == (-value if negative else value)


@given(st.text(alphabet="0123456789,.만억조천백십원명%~-△()가나다 ABC월일년시분제조\n\t", max_size=60))
def test_any_text_is_read_and_no_sign_is_taken_twice(text: str) -> None:
    spans = sorted(figures(text).spans)
    assert all(0 <= start < end <= len(text) for start, end in spans)
    assert all(before[1] <= after[0] for before, after in pairwise(spans))


@given(st.text(max_size=200))
def test_any_text_at_all_is_read(text: str) -> None:
    figures(text)
