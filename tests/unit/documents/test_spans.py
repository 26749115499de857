"""Spanning cells: what HTML's rules say, and what holds for any table."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from millhand.documents.spans import Cell, expand, span


def test_a_header_of_two_rows() -> None:
    made = expand(
        [[Cell("구분", rows=2), Cell("2023년", columns=2)], [Cell("금액"), Cell("비율")], [Cell("매출")]]
    )
    assert made == (("구분", "2023년", "2023년"), ("구분", "금액", "비율"), ("매출", "", ""))


def test_a_cell_goes_behind_those_that_come_down_from_above() -> None:
    made = expand([[Cell("a"), Cell("b", rows=2), Cell("c")], [Cell("d"), Cell("e")]])
    assert made == (("a", "b", "c"), ("d", "b", "e"))


def test_spans_end_with_the_table_and_the_upper_cell_stays() -> None:
    assert expand([[Cell("a", rows=9)]]) == (("a",),)
    assert expand([[Cell("a"), Cell("b", rows=2)], [Cell("c", columns=2)]]) == (("a", "b"), ("c", "b"))
    assert expand([]) == ()


def test_a_span_that_no_table_has_takes_no_memory() -> None:
    assert len(expand([[Cell("a", rows=10**6, columns=10**6)]])[0]) == 1000
    assert [span(text) for text in (None, "", "2", "-1", "x", "²", "9" * 9)] == [1, 1, 2, 1, 1, 1, 1]


cells = st.builds(Cell, st.text("abc", max_size=2), st.integers(-1, 4), st.integers(-1, 4))


@given(st.lists(st.lists(cells, max_size=4), max_size=5))
def test_rows_are_equally_long_and_no_text_is_lost_or_made_up(rows: list[list[Cell]]) -> None:
    made = expand(rows)
    assert len(made) == len(rows)
    assert len({len(row) for row in made}) <= 1
    told = {text for row in made for text in row} - {""}
    assert told <= {cell.text for row in rows for cell in row}
    for given_row, row in zip(rows, made, strict=True):
        assert [cell.text for cell in given_row[:1] if cell.text] == [] or given_row[0].text in row


@given(st.integers(1, 4), st.integers(1, 4))
def test_a_cell_fills_its_rectangle(rows: int, columns: int) -> None:
    made = expand([[Cell("x", rows, columns)], *[[] for _ in range(rows)]])
    assert made == (*[("x",) * columns] * rows, ("",) * columns)


@given(st.lists(st.lists(st.text("abc"), min_size=2, max_size=2), min_size=1))
def test_a_table_without_spans_is_itself(rows: list[list[str]]) -> None:
    assert expand([[Cell(text) for text in row] for row in rows]) == tuple(map(tuple, rows))
