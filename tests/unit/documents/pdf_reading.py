"""PDFs made for a test, and what is read of them."""

from __future__ import annotations

from pathlib import Path

from millhand.documents.document import Document, ListItem, Paragraph, Reading
from millhand.documents.pdf import read_pdf
from millhand.documents.source import open_source
from tests.unit.documents.pdfs import Item, Text, write_pdf

WORDS = "출입문과 비상구를 순찰한다 그리고 근무자는 반드시 보안 일지를 기록한다"


def read(path: Path, *, tables: bool = False) -> Reading:
    return read_pdf(open_source(path), tables=tables)


def read_one(path: Path, *, tables: bool = False) -> Document:
    reading = read(path, tables=tables)
    assert reading.findings == ()
    (document,) = reading.documents
    return document


def lines(*texts: str, top: float = 700, size: float = 10, left: float = 50) -> list[Item]:
    return [Text(left, top - 16 * n, text, size) for n, text in enumerate(texts)]


def told(document: Document) -> list[str]:
    return [block.text for _, block in document.walk() if isinstance(block, Paragraph | ListItem)]


def headings(document: Document) -> list[tuple[int, str]]:
    return [(path[-1].level, path[-1].heading) for path in document.paths()]


def manual(path: Path, count: int = 6) -> Path:
    """A manual with a running header, page numbers, and headings of two sizes and in bold."""
    pages: list[list[Item]] = []
    for n in range(1, count + 1):
        pages.append(
            [
                Text(50, 800, "건물 보안 매뉴얼", 9),
                Text(50, 740, f"제{n}장 순찰 절차", 18),
                Text(50, 710, "1. 목적", 14),
                *lines(WORDS, WORDS, top=690),
                Text(50, 640, "가. 대상 시설", 10, bold=True),
                *lines("근무자 전원", top=620),
                Text(280, 30, f"- {n} -", 9),
            ]
        )
    return write_pdf(path, pages, title="보안 매뉴얼")
