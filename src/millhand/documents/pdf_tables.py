"""Tables of a PDF, found by their ruled lines with pdfplumber (MIT)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from millhand.documents.document import Place, Table
from millhand.text.normal import nfc

_SAME = 2.0  # points within which two ruled lines are one


class PageTables(NamedTuple):
    """Page (from 1) -> its tables with their top and bottom (points from the page's foot).

    ``failed`` are the pages whose tables cannot be read; their text may well be.
    """

    found: dict[int, list[tuple[float, float, Table]]]
    failed: list[int]


def find_tables(path: Path, pages: int, progress: Callable[[int, int], None] | None = None) -> PageTables:
    """Find the tables of a PDF of so many ``pages``. Takes about 0.1 s a page.

    Spanning cells are repeated in all the places that they cover.
    """
    import pdfplumber

    tables = PageTables({}, [])
    with _quiet(), path.open("rb") as file:
        try:
            with pdfplumber.open(file) as pdf:
                for number, page in enumerate(pdf.pages, 1):
                    _add_page(tables, page, number)
                    if progress:
                        progress(number, pages)
        except _faults():  # it opens what is broken less willingly than PDFium
            return PageTables({}, list(range(1, pages + 1)))
    return tables


def _add_page(tables: PageTables, page: Any, number: int) -> None:
    try:
        read = [_read(table, page, number) for table in page.find_tables()]
    except _faults():
        tables.failed.append(number)
        return
    kept = [table for table in read if _is_table(table[2])]
    if kept:
        tables.found[number] = kept
    page.close()  # a page keeps all of its letters until then


def _faults() -> tuple[type[Exception], ...]:
    """What pdfplumber raises where a PDF is broken.

    Whatever pdfminer raises comes as the first; boxes of a wrong length or kind raise the built-in ones.
    """
    from pdfplumber.utils.exceptions import MalformedPDFException, PdfminerException

    return PdfminerException, MalformedPDFException, LookupError, TypeError, ValueError


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep pdfminer from telling each oddity of a font: what matters becomes a finding."""
    logger = logging.getLogger("pdfminer")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def _read(table: Any, page: Any, number: int) -> tuple[float, float, Table]:
    _, top, _, bottom = table.bbox
    columns = _edges(x for cell in table.cells for x in (cell[0], cell[2]))
    lines = _edges(y for cell in table.cells for y in (cell[1], cell[3]))
    grid = [[""] * max(1, len(columns) - 1) for _ in range(max(1, len(lines) - 1))]
    for row, texts in zip(table.rows, table.extract(), strict=True):
        for cell, text in zip(row.cells, texts, strict=True):
            if cell is not None:
                _put(grid, cell, nfc(text or ""), columns, lines)
    rows = tuple(tuple(row) for row in grid)
    return page.height - top, page.height - bottom, Table(rows, Place("page", number), 1)


def _put(
    grid: list[list[str]], cell: Sequence[float], text: str, columns: list[float], lines: list[float]
) -> None:
    left, top, right, bottom = cell
    for row in range(_at(lines, top), max(_at(lines, bottom), _at(lines, top) + 1)):
        for column in range(_at(columns, left), max(_at(columns, right), _at(columns, left) + 1)):
            if row < len(grid) and column < len(grid[0]):
                grid[row][column] = text


def _edges(values: Any) -> list[float]:
    """Rising positions of ruled lines; those that are next to each other count as one."""
    edges: list[float] = []
    for value in sorted(values):
        if not edges or value - edges[-1] > _SAME:
            edges.append(value)
    return edges


def _at(edges: Sequence[float], value: float) -> int:
    return min(range(len(edges)), key=lambda index: abs(edges[index] - value))


def _is_table(table: Table) -> bool:
    """Whether it has several cells with text: a frame around a paragraph is none."""
    return len(table.rows[0]) > 1 and sum(bool(cell) for row in table.rows for cell in row) > 1
