import pytest
from hypothesis import given
from hypothesis import strategies as st

from millhand.dart.periods import dates_of, read_period


@pytest.mark.parametrize(
    ("label", "text", "order"),
    [
        ("제55기", "제55기", 55),
        ("제 55 (당) 기", "제55기", 55),
        ("제 55 기(당기)", "제55기", 55),
        ("제 56 기 1분기말", "제56기 1분기말", 56),
        ("제55기말", "제55기말", 55),
        ("당기", "당기", 0),
        ("전 기 말", "전 기 말", -1),
        ("전전기", "전전기", -2),
        ("당분기", "당분기", 0),
        ("2023년", "2023년", 2023),
        ("2023년 12월말", "2023년 12월말", 2023),
        ("2023년 1월~12월", "2023년 1월~12월", 2023),
        ("2023.12.31", "2023.12.31", 2023),
    ],
)
def test_labels_that_are_periods(label: str, text: str, order: int) -> None:
    period = read_period(label)
    assert period is not None
    assert (period.text, period.order) == (text, order)


@pytest.mark.parametrize(
    "label",
    [
        "제54기 정기주주총회(2023.03.15)",
        "2024년 이후",
        "2023",
        "증감",
        "",
        "기말",
        "당기순이익",
        "제5조",
        "전체",
        "12월",
    ],
)
def test_labels_that_are_none(label: str) -> None:
    assert read_period(label) is None


@given(st.text(max_size=20))
def test_any_text_is_a_period_or_not(label: str) -> None:
    read_period(label)
    dates_of(label)


@given(st.integers(2, 200), st.sampled_from(["제{}기", "제 {} 기", "제{}기말", "제 {} 기 반기", "20{:02}년"]))
def test_only_the_one_before_precedes_and_only_if_named_alike(order: int, form: str) -> None:
    number = order % 98 + 1
    now, before = read_period(form.format(number + 1)), read_period(form.format(number))
    assert now is not None
    assert before is not None
    assert now.follows(before)
    assert not before.follows(now)
    assert not now.follows(now)
    other = read_period("전기")
    assert other is not None
    assert not now.follows(other)


def test_a_quarters_end_follows_the_last_years_end() -> None:
    quarter, year, term = map(read_period, ("제 56 기 1분기말", "제 55 기말", "제 55 기"))
    assert quarter is not None
    assert year is not None
    assert term is not None
    assert quarter.follows(year)
    assert not quarter.follows(term)


def test_a_caption_dates_terms() -> None:
    told = "연결 손익계산서 제 55 기 2023.01.01 부터 2023.12.31 까지 제 54 기 2022.01.01 부터 2022.12.31 까지"
    assert dates_of(told) == {55: "2023.01.01~2023.12.31", 54: "2022.01.01~2022.12.31"}
    assert dates_of("제 55 기 : 2023년 12월 31일 현재") == {55: "2023.12.31 현재"}
    assert dates_of("제 55 기 2023.12.31 현재 제 55 기 2022.12.31 현재") == {}
    assert dates_of("제 55 기 2023.12.31") == {}
