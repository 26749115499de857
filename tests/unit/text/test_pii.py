"""Personal data: what is found, what is left alone, and masks that touch nothing else."""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millhand.text.keyed import keyed
from millhand.text.pii import KINDS, LABELS, PERSONAL, find_pii, mask, veiled
from tests.unit.text.personal import FORMS, planted


def kinds(text: str, context: str = "") -> list[str]:
    return [hit.kind for hit in find_pii(text, KINDS, context=context)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("900101-1234567", ["resident"]),  # no check digit since October 2020
        ("900101 1234568", ["resident"]),
        ("９００１０１－１２３４５６８", ["resident"]),
        ("9001011234568", ["resident"]),
        ("900101-1******", ["resident"]),
        ("주민번호 9001011234567", ["resident"]),
        ("211005 3123456", ["resident"]),
        ("820101-5234567", ["foreigner"]),
        ("삼성전자 130111-0006246", ["corporate"]),
        ("법인등록번호: 1101111912503", ["corporate"]),
        ("1101115282077", ["corporate"]),
        ("010-1234-5678", ["mobile"]),
        ("010 - 1234 - 5678", ["mobile"]),
        ("01012345678로", ["mobile"]),
        ("+82-10-1234-5678", ["mobile"]),
        ("010ㅡ1234ㅡ5678", ["mobile"]),
        ("010‑1234‑5678", ["mobile"]),
        ("①010-1234-5678", ["mobile"]),
        ("010-\u200b1234-5678", ["mobile"]),
        ("02)123-4567/031-123-4567", ["landline", "landline"]),
        ("전화 02 123 4567", ["landline"]),
        ("문의는abc.d@naver.com으로", ["email"]),
        ("abc (at) x.co.kr", ["email"]),
        ("01012345678@naver.com", ["email"]),
        ("4111-1111-1111-1111", ["card"]),
        ("국민은행 123456-04-123456", ["account"]),
        ("계좌번호 1101234567890", ["account"]),
        ("계좌번호: 110 123 456789", ["account"]),
        ("신한 110-123-456789 / 123456-04-123456(국민)", ["account", "account"]),
        ("여권번호 M123A4567", ["passport"]),
        ("11-12-123456-78", ["driver"]),
        ("서울 12-345678-90", ["driver"]),
        ("124-81-00998", ["business"]),
        ("192.168.0.12", ["ip"]),
        ("fe80::1ff:fe23:4567:890a", ["ip"]),
        ("생년월일 1968.03.15, 입사일 2001.01.02", ["birth"]),
        ("(1968년 3월생)", ["birth"]),
        ("홍길동 남 1968.03 대표이사 2021.03 ~ 현재", ["birth"]),
        ("생년월일 : '68. 3. 15.", ["birth"]),
        ("서울특별시 종로구 세종대로 209", ["address"]),
    ],
)
def test_each_kind_in_the_forms_that_people_write(text: str, expected: list[str]) -> None:
    assert kinds(text) == expected
    assert kinds(unicodedata.normalize("NFD", text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "2023-01-15 ~ 2023.12.31",
        "1,234,567 (123,456) 195,936,557",
        "20240312000736",
        "2021 2022 2023 2024 4000 5000 6000 7000",
        "201231 1234567",
        "국민은행 2023-01-15 국민은행 제2023-0012-00123호",
        "2.1.3.1 순찰, 버전 10.12.11.11",
        "1968년생 1999.12.31 생산 12:30:15",
        "010101-9876543",
        "3f01012345678 9c4101012345678ab 01012345678f",
        "경남 2023.01 ~ 2023.12, 남 3.5 여 4.2",
        "8801062636389 8801115114154",
        "우리 회사 2021 2022 2023 입금 1234 5678 9012",
        "M12345678",
        "124-81-00999",
        "1588-1234",
    ],
)
def test_dates_amounts_headings_and_codes_are_nobodys(text: str) -> None:
    assert kinds(text) == []


def test_a_columns_heading_speaks_for_its_cells() -> None:
    assert kinds("1968.03", "출생연월") == ["birth"]
    assert kinds("1101234567890", "계좌번호") == ["account"]
    assert kinds("1968.03", "등기일") == []


def test_companies_numbers_are_found_only_where_asked_for() -> None:
    assert find_pii("110111-0006246 124-81-00998 서울특별시 종로구 세종대로 209") == []
    assert "resident" in PERSONAL


def test_a_masks_words_speak_for_nothing() -> None:
    text = "900101-1234567 201231 1234567"
    once = mask(text, find_pii(text))
    assert once == "[주민등록번호] 201231 1234567"
    assert find_pii(once) == []


def test_every_kind_has_a_label() -> None:
    assert set(LABELS) == set(KINDS)


_KOREAN = st.text(
    st.sampled_from("가나다 한국은행 문의 ㆍ①㈜㎡…“”\n\tabcXYZ.,()-%０１½é\u0301ﾞ\u1100\u1161"), max_size=30
)


@pytest.mark.parametrize("kind", FORMS)
@given(before=_KOREAN, data=st.data(), after=_KOREAN)
def test_no_planted_value_survives_and_nothing_else_is_touched(
    kind: str, before: str, data: st.DataObject, after: str
) -> None:
    value, lead = data.draw(planted(kind))
    head, tail = f"{before} {lead}", f" {after}"
    text = f"{head}{value}{tail}"
    hits = find_pii(text, KINDS)
    assert any(hit.start <= len(head) and hit.end >= len(head) + len(value) for hit in hits)
    masked, at = mask(text, hits), 0
    for hit, label in zip(hits, re.findall("|".join(map(re.escape, LABELS.values())), masked), strict=True):
        assert label == LABELS[hit.kind]
        at = max(at, hit.end)
    assert value not in masked
    outside = [text[a:b] for a, b in _gaps(text, [(hit.start, hit.end) for hit in hits])]
    assert re.split("|".join(map(re.escape, LABELS.values())), masked) == outside
    shape = mask(text, hits, "shape")
    assert len(shape) == len(text)
    assert [shape[a:b] for a, b in _gaps(text, [(hit.start, hit.end) for hit in hits])] == outside


def _gaps(text: str, spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    edges = [0, *(edge for span in spans for edge in span), len(text)]
    return list(zip(edges[::2], edges[1::2], strict=True))


_AMOUNT = st.integers(0, 10**15).map(lambda n: f"{n:,}")
_DATE = st.dates().map(lambda day: day.isoformat()) | st.dates().map(lambda day: f"{day:%Y.%m.%d}")
_RATIO = st.floats(0, 1000).map(lambda x: f"{x:.2f}%")
_CELL = (
    _AMOUNT
    | _AMOUNT.map(lambda text: f"({text})")
    | _DATE
    | _RATIO
    | st.sampled_from(["-", "매출액", "유동자산"])
)


@given(st.lists(st.lists(_CELL, min_size=1, max_size=6), min_size=1, max_size=6), st.sampled_from("\t "))
def test_tables_of_amounts_and_dates_give_no_hits(rows: list[list[str]], between: str) -> None:
    assert find_pii("\n".join(between.join(row) for row in rows)) == []


@given(st.text(max_size=60))
def test_any_text_can_be_veiled(text: str) -> None:
    assert len(veiled(text)) == len(text)


@given(_KOREAN)
def test_a_span_of_the_key_maps_to_what_it_was_made_of(text: str) -> None:
    key = keyed(text)
    spans = [key.span(at, at + 1) for at in range(len(key.text))]
    assert all(0 <= a < b <= len(text) for a, b in spans)
    assert all(one[0] <= other[0] for one, other in pairwise(spans))
    for sign, (a, b) in zip(key.text, spans, strict=True):
        assert sign in keyed(text[a:b]).text


def test_a_long_text_without_personal_data_takes_linear_time() -> None:
    assert find_pii("a" * 300_000 + "@") == []
    assert find_pii("1-" * 150_000) == []
    assert find_pii("0" * 300_000) == []
