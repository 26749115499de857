"""DART's tables: cells, spans, and the little tables above one that hold its caption and its unit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from millhand.documents.document import Place, Table
from millhand.documents.spans import Cell, expand, span
from millhand.text.normal import nfc
from millhand.text.units import unit_of

if TYPE_CHECKING:
    from lxml.etree import _Element

_CELLS = ("TD", "TE", "TU", "TH")
_LONGEST_ABOVE = 150  # characters; what is longer is a paragraph in a frame


def read_table(element: _Element, place: Place) -> Table:
    """A TABLE element with its spans expanded; a table in a cell is that cell's text."""
    rows: list[list[Cell]] = []
    headers = 0
    for row in _rows(element):
        cells = [cell for cell in row if cell.tag in _CELLS]
        in_head = row.getparent().tag == "THEAD" or all(cell.tag == "TH" for cell in cells)
        headers += in_head and headers == len(rows) and bool(cells)
        rows.append(
            [Cell(_text(cell), span(cell.get("ROWSPAN")), span(cell.get("COLSPAN"))) for cell in cells]
        )
    return Table(expand(rows), place, headers if headers < len(rows) else 0)


def inline_text(element: _Element) -> str:
    """All text in an element on lines of its own making: runs of blanks become one."""
    return tidy("".join(element.itertext()))


def tidy(text: str) -> str:
    """Runs of blanks as one, no blanks at the ends of lines, no empty lines; composed."""
    if "\n" not in text:
        return nfc(" ".join(text.split()))
    lines = (" ".join(line.split()) for line in text.split("\n"))
    return nfc("\n".join(line for line in lines if line))


def above_lines(table: Table, *, framed: bool) -> list[str] | None:
    """The lines of a table that only stands above another: one row, or one column. None for any other.

    ``framed`` says that it has borders: then several cells in a row are data.
    """
    if not table.rows:
        return []
    if len(table.rows) == 1:
        cells = _distinct(table.rows[0])
        if framed and len(cells) > 1 and not any(unit_of(cell) for cell in cells):
            return None
        return _joined(cells)
    if len(table.rows[0]) != 1:
        return None
    return [cell for (cell,) in table.rows if cell]


def is_short(lines: list[str]) -> bool:
    """Whether lines can be a caption."""
    return sum(map(len, lines)) <= _LONGEST_ABOVE


def split_unit(lines: list[str]) -> tuple[str, str]:
    """Caption and unit out of the lines above a table; the unit without its brackets."""
    units = [unit for line in lines if (unit := unit_of(line))]
    caption = " ".join(line for line in lines if not unit_of(line))
    return caption, units[-1] if units else ""


def _rows(table: _Element) -> list[_Element]:
    """Its own rows: those of a table inside a cell are not among them."""
    rows = []
    for child in table:
        if child.tag == "TR":
            rows.append(child)
        elif child.tag in ("THEAD", "TBODY", "TFOOT"):
            rows.extend(row for row in child if row.tag == "TR")
    return rows


def _text(cell: _Element) -> str:
    if not len(cell):
        return tidy(cell.text) if cell.text else ""
    if len(cell) == 1 and cell[0].tag == "P" and not len(cell[0]):
        return tidy(f"{cell.text or ''}{cell[0].text or ''}{cell[0].tail or ''}")
    return tidy("".join(_pieces(cell)))


def _pieces(cell: _Element) -> Iterator[str]:
    """The cell's text; a paragraph and a row begin a line, a cell of an inner table is set off by a blank."""
    from lxml import etree

    for event, inner in etree.iterwalk(cell, events=("start", "end")):
        if event == "start":
            yield "\n" if inner.tag in ("P", "TR") else " " if inner.tag in _CELLS else ""
            yield inner.text or ""
        elif inner is not cell:
            yield inner.tail or ""


def _distinct(row: tuple[str, ...]) -> list[str]:
    """A row's texts, each spanning cell once, empty ones left out."""
    return [cell for index, cell in enumerate(row) if cell and (not index or cell != row[index - 1])]


def _joined(cells: list[str]) -> list[str]:
    """Units apart, the rest in one line: ``(기준일 :``, ``2023년``, ``)`` are three cells of one phrase."""
    units = [cell for cell in cells if unit_of(cell)]
    phrase = " ".join(cell for cell in cells if cell not in units).replace(" )", ")")
    return [line for line in (phrase, *units) if line]
