"""Expands cells that span rows and columns, by the rules of HTML's tables.

Source: https://html.spec.whatwg.org/multipage/tables.html#algorithm-for-processing-rows
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

# A cell cannot span more than the largest real table is wide or long; beyond it, an attribute is a fault.
_MOST_COLUMNS, _MOST_ROWS = 1000, 65534


class Cell(NamedTuple):
    """A cell as the source gives it; spans below 1 count as 1."""

    text: str
    rows: int = 1
    columns: int = 1


def expand(rows: Iterable[Sequence[Cell]]) -> tuple[tuple[str, ...], ...]:
    """Repeat each spanning cell in all the places that it covers; rows become equally long.

    A cell does not span rows below the last one; a place that two cells claim keeps the upper one.
    """
    made: list[list[str]] = []
    pending: dict[int, tuple[int, str]] = {}  # column -> rows still covered, the text that covers them
    for cells in rows:
        line, pending = _row(cells, pending)
        made.append(line)
    width = max(map(len, made), default=0)
    return tuple((*line, *[""] * (width - len(line))) for line in made)


def _row(
    cells: Sequence[Cell], above: dict[int, tuple[int, str]]
) -> tuple[list[str], dict[int, tuple[int, str]]]:
    if not above and all(cell.rows <= 1 >= cell.columns for cell in cells):
        return [cell.text for cell in cells], above
    placed, below = _carried(above)
    column = 0
    for text, rows, columns in cells:
        while column in placed:
            column += 1
        for place in range(column, column + min(max(columns, 1), _MOST_COLUMNS)):
            if placed.setdefault(place, text) is text and rows > 1:
                below.setdefault(place, (min(rows, _MOST_ROWS) - 1, text))
        column += min(max(columns, 1), _MOST_COLUMNS)
    return [placed.get(place, "") for place in range(max(placed, default=-1) + 1)], below


def _carried(above: dict[int, tuple[int, str]]) -> tuple[dict[int, str], dict[int, tuple[int, str]]]:
    placed = {column: text for column, (_, text) in above.items()}
    below = {column: (left - 1, text) for column, (left, text) in above.items() if left > 1}
    return placed, below


def span(value: str | None) -> int:
    """A span attribute's number: 1 where it is missing or none."""
    return int(value) if value and value.isascii() and value.isdigit() and len(value) < 7 else 1
