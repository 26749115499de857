"""Every figure that is told is one that stands there: in a real report, and in any table."""

from __future__ import annotations

from decimal import Decimal

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from millhand.dart.korean import topic
from millhand.dart.sentences import Fact, facts_of
from millhand.documents.dart import read_dart
from millhand.documents.document import Table
from millhand.documents.source import open_source
from tests.unit.dart.tables import CAPTION, PLACE, facts
from tests.unit.documents.real import real


def test_the_real_report_gives_the_figures_that_it_states() -> None:
    reading = read_dart(open_source(real("dart/20240312000736.zip")))
    found, left = facts_of(reading.documents[0])
    every = [fact for each in found for fact in each.facts]
    assert len(every) > 3_500
    assert left["number"] == 0
    by = {(fact.source, fact.account, fact.period): fact for fact in every}
    assets = by["연결 재무상태표", "자산총계", "제55기"]
    assert (assets.value, assets.unit, assets.before, assets.change) == (
        "455905980",
        "백만원",
        "448424507",
        "7481473",
    )
    assert "455조 9,059억 8,000만원" in assets.sentence  # the report's own prose: 455조 9,060억원, 1.7%
    assert "(1.7%) 증가하였습니다" in assets.sentence
    sales = by["영업실적", "매출액", "제55기"]
    assert sales.sentence.endswith("302,231,360백만원보다 43,295,866백만원(14.3%) 감소하였습니다.")
    loss = by["별도 손익계산서", "영업이익", "제55기"]
    assert loss.value == "-11526297"
    assert by["요약연결재무정보", "기본주당순이익", "제55기"].unit == "원"
    tables = {each.place.number: each for each in reading.documents[0].tables()}
    for fact in every:
        cells = {cell.replace(",", "") for cell in tables[fact.place].rows[fact.row]}
        digits = str(abs(Decimal(fact.value)))
        assert any(digits in cell for cell in cells)
        if fact.before:
            assert Decimal(fact.value) - Decimal(fact.before) == Decimal(fact.change)
    assert msgspec.json.decode(msgspec.json.encode(assets), type=Fact) == assets


AMOUNTS = st.one_of(st.none(), st.integers(-(10**12), 10**12))
FORMS = ("({:,})", "△{:,}", "-{:,}", "△ {:,}")


@st.composite
def statements(draw: st.DrawFn) -> tuple[Table, dict[tuple[str, str], int]]:
    """A table of periods in any order among other columns, and what stands in it."""
    terms = draw(st.lists(st.integers(30, 60), min_size=1, max_size=4, unique=True))
    names = draw(st.lists(st.sampled_from("가나다라마바사아"), min_size=1, max_size=6, unique=True))
    others = draw(st.sampled_from(["", "주석", "비고", "증감"]))
    truth: dict[tuple[str, str], int] = {}
    head = ["과목", *([others] if others == "주석" else []), *(f"제 {term} 기" for term in terms)]
    rows = [tuple([*head, others] if others in ("비고", "증감") else head)]
    for name in names:
        cells = [f"{name}자산", *(["4, 28"] if others == "주석" else [])]
        for term in terms:
            value = draw(AMOUNTS)
            form = draw(st.sampled_from(FORMS))
            cells.append("-" if value is None else form.format(-value) if value < 0 else f"{value:,}")
            if value is not None:
                truth[f"{name}자산", f"제{term}기"] = value
        rows.append(tuple([*cells, "12,345"] if others in ("비고", "증감") else cells))
    return Table(tuple(rows), PLACE, 1, "", "단위 : 천원"), truth


@given(statements())
def test_every_number_that_is_told_is_the_one_that_stands_there(
    made: tuple[Table, dict[tuple[str, str], int]],
) -> None:
    one, truth = made
    told = {(fact.account, fact.period): fact for fact in facts(one)}
    assert {key: Decimal(fact.value) for key, fact in told.items()} == truth
    for (account, period), fact in told.items():
        before = truth.get((account, f"제{int(period[1:-1]) - 1}기"))
        assert fact.before == ("" if before is None else str(before))
        assert f"{account}{topic(account)} {period} {truth[account, period]:,}천원" in fact.sentence
        if before is not None:
            assert Decimal(fact.change) == truth[account, period] - before
            assert f"의 {before:,}천원" in fact.sentence
            assert ("증가" in fact.sentence or "줄었" in fact.sentence) == (truth[account, period] > before)


@given(
    st.lists(
        st.lists(st.text(alphabet="제55기말당전분 2023년1,()△-%원\n가", max_size=9), min_size=3, max_size=3),
        min_size=1,
        max_size=6,
    ),
    st.integers(0, 3),
    st.sampled_from(["", "당기", "전기", CAPTION]),
    st.sampled_from(["단위 : 백만원", "단위 : 원, %", "단위 : 주"]),
)
def test_any_table_is_told_or_left_out(rows: list[list[str]], head: int, caption: str, unit: str) -> None:
    one = Table(tuple(map(tuple, rows)), PLACE, head, caption, unit)
    for fact in facts(one, one):
        assert any(digits(fact.value) in digits(cell) for cell in rows[fact.row])


def digits(text: str) -> str:
    return "".join(c for c in text if c.isdigit()).lstrip("0") or "0"
