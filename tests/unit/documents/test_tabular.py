"""Spreadsheets and CSV as documents: sheets, merged cells, titles and units above tables, faults."""

from __future__ import annotations

import zipfile
from pathlib import Path

import openpyxl
import pytest

from millhand.documents.document import Document, Paragraph, Place, Table
from millhand.documents.read import read_document


def read(path: Path) -> Document:
    reading = read_document(path)
    assert reading.findings == ()
    return reading.documents[0]


def book(
    path: Path, rows: list[list[object]], *merged: str, more: dict[str, list[list[object]]] | None = None
) -> Path:
    made = openpyxl.Workbook()
    made.active.title = "현황"
    for row in rows:
        made.active.append(row)
    for name in merged:
        made.active.merge_cells(name)
    for title, content in (more or {}).items():
        sheet = made.create_sheet(title)
        for row in content:
            sheet.append(row)
    made.save(path)
    return path


def test_title_unit_and_a_header_of_two_rows_with_merged_cells(tmp_path: Path) -> None:
    rows: list[list[object]] = [
        ["점검 현황", None, None],
        [None, None, "(단위 : 건)"],
        ["구분", "2023년", None],
        [None, "상", "하"],
        ["주간", 1.0, 2.5],
    ]
    made = read(
        book(tmp_path / "a.xlsx", rows, "A1:C1", "A3:A4", "B3:C3", more={"빈": [], "둘": [["가", "나"]]})
    )
    first, second = made.sections
    assert (first.heading, second.heading, made.facts["sheets"]) == ("현황", "둘", 2)
    assert first.blocks == (
        Paragraph("점검 현황", Place("row", 1)),
        Table(
            (("구분", "2023년", "2023년"), ("구분", "상", "하"), ("주간", "1", "2.5")),
            Place("row", 3),
            1,
            "",
            "단위 : 건",
        ),
    )
    assert second.blocks == (Table((("가", "나"),), Place("row", 1)),)


def test_empty_rows_part_tables_and_empty_columns_go(tmp_path: Path) -> None:
    rows: list[list[object]] = [
        [None, "a", None, "b"],
        [None, "1", None, "2"],
        [],
        [None, "c", None, "d"],
        [None, None, None, "3"],
    ]
    first, second = read(book(tmp_path / "a.xlsx", rows)).tables()
    assert first == Table((("a", "b"), ("1", "2")), Place("row", 1), 1)
    assert second == Table((("c", "d"), ("", "3")), Place("row", 4), 1)


def test_csv_with_a_broken_row_and_a_huge_cell(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"가,나\n1,2\n3\n{'x' * 1_000_001},5\n6,7\n", encoding="cp949")
    reading = read_document(path)
    (table,) = reading.documents[0].tables()
    assert table.rows == (("가", "나"), ("1", "2"), ("6", "7"))
    assert [(f.id, f.row, f.severity) for f in reading.findings] == [
        ("data.ragged-row", 3, "error"),
        ("table.huge-cell", 4, "error"),
    ]
    assert all(f.mend and "--skip-bad" not in f.mend for f in reading.findings)


@pytest.mark.parametrize(
    ("name", "content", "message", "mend"),
    [
        ("a.xlsx", b"PK\x03\x04no", "is no whole", "Open it in Excel or LibreOffice and save it as .xlsx;"),
        ("a.xls", b"<html>", "is a web page", "Open it in Excel or LibreOffice, save it as .xlsx, and name"),
        ("a.csv", b"\n\n", "is empty", "Mend it"),
    ],
)
def test_files_of_which_nothing_can_be_read(
    tmp_path: Path, name: str, content: bytes, message: str, mend: str
) -> None:
    (tmp_path / name).write_bytes(content)
    reading = read_document(tmp_path / name)
    assert reading.documents == ()
    assert reading.findings[0].message.startswith(message)
    assert reading.findings[0].mend.startswith(mend)


def test_an_empty_book_and_a_bomb_are_findings(tmp_path: Path) -> None:
    reading = read_document(book(tmp_path / "a.xlsx", []))
    assert (reading.documents, reading.findings[0].message) == ((), "is empty")
    with (
        zipfile.ZipFile(tmp_path / "b.xlsx", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("a", "w") as member,
    ):
        for _ in range(1025):
            member.write(bytes(1 << 20))
    assert "would unpack" in read_document(tmp_path / "b.xlsx").findings[0].message
