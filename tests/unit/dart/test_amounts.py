import re
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millhand.dart.amounts import (
    Number,
    in_won,
    in_words,
    is_won,
    percent,
    read_number,
    shown,
    unit_in_label,
    units_of,
    without_unit,
)
from millhand.dart.korean import by, together, topic

integers = st.integers(-(10**18), 10**18)
STYLES = {
    "brackets": "({})",
    "triangle": "△{}",
    "blank": "△ {}",
    "minus": "-{}",
    "sign": "−{}",
    "wide": "（{}）",
}


@given(st.decimals(0, 10**15, places=3, allow_nan=False), st.sampled_from(sorted(STYLES)), st.booleans())
def test_a_number_is_read_as_it_was_written(value: Decimal, style: str, negative: bool) -> None:
    text = f"{value:,f}"
    read = read_number(STYLES[style].format(text) if negative else text)
    assert read == Number(-value if negative else value)


@given(integers, st.sampled_from(["%", "원", "백만원", "주", "천주", "개", "배", "%p", "명"]))
def test_a_unit_behind_a_number_is_kept(value: int, unit: str) -> None:
    told = f"△{-value:,}{unit}" if value < 0 else f"{value:,}{unit}"
    assert read_number(told) == Number(Decimal(value), unit)


@given(st.text(alphabet="0123456789,.()△- %원주년\n제기", max_size=12))
def test_whatever_is_read_says_the_same_digits(text: str) -> None:
    read = read_number(text)
    if isinstance(read, Number):
        assert re.sub(r"\D", "", shown(abs(read.value))) == re.sub(r"[^\d]", "", text).lstrip("0").zfill(
            1
        ) or ("." in text or text.translate(str.maketrans("", "", "(),△-. %원주년\n제기")).startswith("0"))
        assert Decimal(re.sub(r"[^\d.]", "", text).strip(".")) == abs(read.value)


@pytest.mark.parametrize("text", ["", " ", "-", "－", "–", "—", "　"])
def test_a_dash_is_absent(text: str) -> None:
    assert read_number(text) == "absent"


@pytest.mark.parametrize(
    "text",
    [
        "1,23", "1,2345", "12,34,567", "1 234", "(1,234", "1,234)", "(△1,234)", "(-5)", "△△5", "1.2.3",
        "2023.12.31", "5년 ~ 10년", "15, 30 년", "9명 (3명)", "1,234,", "제55기", "원가법", "1:2", "100/200",
        "A1", "1" * 30, "△", "()", "%",
    ],
)  # fmt: skip
def test_what_is_not_sure_is_no_number(text: str) -> None:
    assert read_number(text) is None


@pytest.mark.parametrize("text", ["1,234(*1)", "1,234 (*)", "1,234(주2)", "1,234*", "１,２３４"])
def test_a_footnote_is_no_part_of_a_number(text: str) -> None:
    assert read_number(text) == Number(Decimal(1234))


def _said(words: str) -> int:
    """The won that words say, read back by another way."""
    total = 0
    for count, name in re.findall(r"([\d,]+)(조|억|만|원)", words.replace(" ", "")):
        total += int(count.replace(",", "")) * {"조": 10**12, "억": 10**8, "만": 10**4, "원": 1}[name]
    return -total if words.startswith("-") else total


@given(integers, st.sampled_from(["원", "천원", "백만원", "억원", "조원"]))
def test_words_say_the_same_amount(value: int, unit: str) -> None:
    words = in_words(Decimal(value), unit)
    won = in_won(Decimal(value), unit)
    if words:
        assert _said(words) == won
    else:
        assert (
            abs(won) < 10**4 or f"{value:,}{unit}" == words or _said(f"{value:,}{unit}".replace("천원", "원"))
        )


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        ("69080893", "백만원", "69조 808억 9,300만원"),
        ("-11526297", "백만원", "-11조 5,262억 9,700만원"),
        ("1234.5", "백만원", "12억 3,450만원"),
        ("12345", "원", "1만 2,345원"),
        ("100", "억원", ""),
        ("2131", "원", ""),
        ("0", "백만원", ""),
        ("0.5", "원", ""),
        ("12345.5", "원", ""),
        ("65.7", "%", ""),
    ],
)
def test_words_of_amounts(value: str, unit: str, words: str) -> None:
    assert in_words(Decimal(value), unit) == words


@given(integers.filter(bool), integers.filter(bool))
def test_a_percentage_is_rounded_half_up(part: int, whole: int) -> None:
    told = percent(Decimal(part), Decimal(whole))
    exact = Fraction(abs(part) * 100, abs(whole))
    if told == "0.1% 미만":
        assert exact < Fraction(5, 100)
    else:
        shown_ = Fraction(Decimal(told.rstrip("%").replace(",", "")))
        assert -Fraction(5, 100) <= exact - shown_ < Fraction(5, 100)


def test_percentages() -> None:
    assert percent(Decimal(19400183), Decimal(49680710)) == "39.0%"
    assert percent(Decimal(5), Decimal(-1000)) == "0.5%"
    assert percent(Decimal(25), Decimal(10000)) == "0.3%"
    assert percent(Decimal(0), Decimal(7)) == "0.0%"


@pytest.mark.parametrize(
    ("line", "units"),
    [
        ("단위 : 백만원", ("백만원",)),
        ("(단위: 억원, %)", ("억원", "%")),
        ("단위 : 백만 원", ("백만원",)),
        ("단위 : 만톤(tCO2-eq", ("만톤(tCO2-eq)",)),
        ("[단위：천US$, %]", ("천US$", "%")),
        ("백만원", ()),
        ("", ()),
    ],
)
def test_a_unit_line_names_its_units(line: str, units: tuple[str, ...]) -> None:
    assert units_of(line) == units


def test_an_account_may_name_its_unit() -> None:
    assert unit_in_label("기본주당이익(손실) (단위 : 원)") == "원"
    assert unit_in_label("가중평균유통보통주식수(천주)") == "천주"
    assert unit_in_label("당기순이익(손실)") == ""
    assert without_unit("기본주당이익(손실) (단위 : 원)") == "기본주당이익(손실)"
    assert is_won("백만원")
    assert not is_won("천US$")


@pytest.mark.parametrize(
    ("word", "particles"),
    [
        ("매출액", ("은", "과", "으로")),
        ("자산총계", ("는", "와", "로")),
        ("영업이익(손실)", ("은", "과", "으로")),
        ("장부금액(합계)", ("은", "과", "으로")),
        ("비율", ("은", "과", "로")),
        ("65.7%", ("는", "와", "로")),
        ("1,234백만원(12억 3,400만원)", ("은", "과", "으로")),
        ("수준 2", ("는", "와", "로")),
        ("수준 3", ("은", "과", "으로")),
        ("수준 1", ("은", "과", "로")),
        ("233개", ("는", "와", "로")),
        ("", ("는", "와", "로")),
    ],
)
def test_particles_agree_with_the_last_sound(word: str, particles: tuple[str, str, str]) -> None:
    assert (topic(word), together(word), by(word)) == particles
