"""Build ``bicycle.xlsx`` from ``bicycle.csv``: the same rows give the same bytes, whenever they are built.

Run ``python -m millhand.demo.build`` after an edit of the CSV. Only this needs openpyxl (the ``dev`` extra).
"""

from __future__ import annotations

import csv
import importlib
import io
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any

from millhand.demo import spreadsheet
from millhand.files import atomic_writer

SHEET = "질문과 답변"
WIDTHS = {"A": 8, "B": 14, "C": 48, "D": 60}  # in characters: 번호, 분류, 질문, 답변
SOURCE = Path(__file__).with_name("bicycle.csv")
_FIXED = (2025, 1, 1, 0, 0, 0)  # the date of everything in the workbook


def read_rows(source: Path = SOURCE) -> list[list[str | int]]:
    """The CSV's rows, header first; the numbers of the first column are numbers."""
    with source.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    numbered: list[list[str | int]] = [[int(row[0]), *row[1:]] for row in rows]
    return [[*header], *numbered]


def build(rows: list[list[str | int]]) -> bytes:
    """The workbook of ``rows`` as the bytes of an .xlsx file."""
    openpyxl: Any = importlib.import_module("openpyxl")
    book = openpyxl.Workbook()
    book.properties.creator = "Millhand"
    book.properties.created = book.properties.modified = datetime(*_FIXED)
    book.active.title = SHEET
    for row in rows:
        book.active.append(row)
    _dress(book.active)
    return _with_fixed_dates(_saved(book))


def _dress(sheet: Any) -> None:
    """Make the sheet easy to read: a bold frozen header, wide columns, wrapped text."""
    styles: Any = importlib.import_module("openpyxl.styles")
    for column, width in WIDTHS.items():
        sheet.column_dimensions[column].width = width
    for cell in (cell for row in sheet.iter_rows() for cell in row):
        cell.alignment = styles.Alignment(wrap_text=True, vertical="top")
    for cell in sheet[1]:
        cell.font = styles.Font(bold=True)
    sheet.freeze_panes = "A2"


def _saved(book: Any) -> bytes:
    """The workbook as openpyxl writes it, but for the date of change, which its ``save`` sets to now."""
    excel: Any = importlib.import_module("openpyxl.writer.excel")
    saved = io.BytesIO()
    excel.ExcelWriter(book, zipfile.ZipFile(saved, "w")).save()
    return saved.getvalue()


def _with_fixed_dates(workbook: bytes) -> bytes:
    """The same parts in one order under one date.

    They are stored uncompressed, since what deflate writes differs between versions of zlib.
    """
    settled = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(workbook)) as old, zipfile.ZipFile(settled, "w") as new:
        for name in sorted(old.namelist()):  # [Content_Types].xml first, where readers look for it
            entry = zipfile.ZipInfo(name, _FIXED)
            entry.create_system = 3  # the same byte on every system
            new.writestr(entry, old.read(name))
    return settled.getvalue()


def main() -> None:
    """Write the shipped spreadsheet anew."""
    with atomic_writer(spreadsheet()) as file:
        file.write(build(read_rows()))


if __name__ == "__main__":
    main()
