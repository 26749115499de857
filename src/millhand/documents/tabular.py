"""Spreadsheets and CSV as documents: a sheet is a section with a table, merged cells repeated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from zipfile import BadZipFile, ZipFile, is_zipfile

from millhand.documents.delimited import open_delimited
from millhand.documents.document import Paragraph, Place, Reading, Table
from millhand.documents.outline import Outline
from millhand.documents.plain import to_mend
from millhand.documents.rows import BadRow, shorten
from millhand.documents.source import Source, broken, make_document
from millhand.documents.spreadsheet import cell_text, faults_told, open_book, shown_sheets
from millhand.errors import Finding, FindingsError
from millhand.text.normal import nfc

_LONGEST_CELL = 1_000_000  # characters; a spreadsheet's own limit is 32,767
_MOST_UNPACKED_BYTES = 1 << 30

Rows = list[tuple[int, list[str]]]


def read_spreadsheet(source: Source) -> Reading:
    """Every visible sheet that is not empty, in order. Fact: ``sheets``, how many they are.

    Rows above a sheet's table with one cell are paragraphs: its title, its unit.
    """
    fault = _too_large(source)
    if fault:
        return Reading((), (fault,))
    outline, findings = Outline(), list[Finding]()
    try:
        with faults_told(source.path):
            book = open_book(source.path)
            names = [name for name in shown_sheets(book) if _add_sheet(outline, source, book, name, findings)]
    except FindingsError as error:
        return Reading((), error.findings)
    if not names:
        return Reading((), (*findings, broken(source, "is empty", "Check that it is the right file.")))
    document = make_document(source, "table", "", outline, facts={"sheets": len(names)})
    return Reading((document,), tuple(findings))


def read_delimited(source: Source) -> Reading:
    """A CSV or TSV as one table; a broken row is a finding, and the others are read."""
    findings: list[Finding] = []
    try:
        file = open_delimited(source.path)
        rows = [list(file.columns)]
        for item in file.items:
            if isinstance(item, BadRow):
                findings += to_mend([item.finding])
            elif not (fault := _huge(source, item.number, item.values.values())):
                rows.append(list(item.values.values()))
            else:
                findings.append(fault)
    except FindingsError as error:
        return Reading((), to_mend(error.findings))
    outline = Outline()
    outline.add(Table(tuple(map(tuple, rows)), Place("row", 1), 1))
    return Reading((make_document(source, "table", "", outline),), tuple(findings))


def _too_large(source: Source) -> Finding | None:
    """The finding of a spreadsheet that would unpack to more than a gigabyte, as only a bomb does."""
    if not is_zipfile(source.path):
        return None
    try:
        with ZipFile(source.path) as archive:
            unpacked = sum(info.file_size for info in archive.infolist())
    except (BadZipFile, NotImplementedError, OSError, ValueError):
        return None  # the reader tells what is wrong with it
    if unpacked <= _MOST_UNPACKED_BYTES:
        return None
    what = f"would unpack to {unpacked:,} bytes; {_MOST_UNPACKED_BYTES:,} are the most that are read"
    return broken(source, what, "Save it in parts, or as CSV.")


def _add_sheet(outline: Outline, source: Source, book: Any, name: str, findings: list[Finding]) -> bool:
    """Put a sheet into the outline; False where nothing stands in it."""
    sheet = book.get_sheet_by_name(name)
    if sheet.end is None:
        return False
    rows: Rows = []
    for number, cells in _cells(sheet):
        fault = _huge(source, number, cells)
        findings.append(fault) if fault else rows.append((number, cells))
    if not any(map(any, (cells for _, cells in rows))):
        return False
    outline.heading(1, nfc(name), Place("row", 1))
    _add_rows(outline, rows)
    return True


def _cells(sheet: Any) -> Iterator[tuple[int, list[str]]]:
    """Number and cells of each row from the sheet's first on, merged cells repeated."""
    _, left = sheet.start or (0, 0)
    merged = _merged(sheet)
    values: dict[tuple[int, int], str] = {}
    # calamine hands the rows above the first with text out too, but not the columns before it
    for row, raw in enumerate(sheet.iter_rows()):
        cells = [""] * left + [cell_text(value) for value in raw]
        for column in range(len(cells)):
            corner = merged.get((row, column))
            if corner == (row, column):
                values[corner] = cells[column]
            elif corner:
                cells[column] = values.get(corner, "")
        yield row + 1, cells


def _merged(sheet: Any) -> dict[tuple[int, int], tuple[int, int]]:
    """Each place of a merged range -> its upper left corner; none where the format does not say."""
    places: dict[tuple[int, int], tuple[int, int]] = {}
    height, width = sheet.total_height, sheet.total_width
    for (top, left), (bottom, right) in sheet.merged_cell_ranges or ():
        for row in range(top, min(bottom, height) + 1):
            for column in range(left, min(right, width) + 1):
                places[row, column] = (top, left)
    return places


def _add_rows(outline: Outline, rows: Rows) -> None:
    """Tables out of a sheet's rows: an empty row ends one; rows of one text above it are paragraphs."""
    group: Rows = []
    for number, cells in [*rows, (0, [])]:
        if any(cells):
            group.append((number, cells))
            continue
        while group and len({cell for cell in group[0][1] if cell}) == 1 and len(group[0][1]) > 1:
            first, texts = group.pop(0)
            outline.add(Paragraph(next(filter(None, texts)), Place("row", first)))
        if group:
            outline.add_table(_table(group))
        group = []


def _table(rows: Rows) -> Table:
    """A table without the columns that are empty in all of its rows."""
    used = [any(column) for column in zip(*(cells for _, cells in rows), strict=True)]
    kept = (tuple(cell for cell, use in zip(cells, used, strict=True) if use) for _, cells in rows)
    return Table(tuple(kept), Place("row", rows[0][0]), 1 if len(rows) > 1 else 0)


def _huge(source: Source, row: int, cells: Any) -> Finding | None:
    found: Sequence[str] = [str(cell) for cell in cells if len(str(cell)) > _LONGEST_CELL]
    if not found:
        return None
    return Finding(
        id="table.huge-cell",
        severity="error",
        message=f"a cell has {len(found[0]):,} characters ({shorten(found[0], 30)}); the row is left out",
        file=source.name,
        row=row,
        why="No cell that a person filled is so long; a quote that is not closed makes one.",
        mend="Mend the row, and read the file again.",
    )
