"""PDFs: headings by layout, running lines taken out, tables, and faults."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millhand.documents.document import Paragraph, Table
from millhand.documents.pdf import page_ranges, read_pdf
from millhand.documents.source import open_source
from tests.unit.documents.pdf_reading import WORDS, headings, lines, manual, read, read_one, told
from tests.unit.documents.pdfs import Box, Item, Picture, Text, write_pdf


def test_headings_by_size_and_weight_and_no_running_lines(tmp_path: Path) -> None:
    made = read_one(manual(tmp_path / "a.pdf"))
    assert made.title == "보안 매뉴얼"
    assert made.facts == {"pages": 6}
    assert headings(made)[:4] == [
        (1, "제1장 순찰 절차"),
        (2, "1. 목적"),
        (3, "가. 대상 시설"),
        (1, "제2장 순찰 절차"),
    ]
    assert len(headings(made)) == 18
    assert "매뉴얼" not in made.text()
    assert "- 3 -" not in made.text()
    assert [str(s.place) for s in made.sections] == [f"page {n}" for n in range(1, 7)]
    assert made.sections[0].number == "제1장"
    assert made.language == "ko"


def test_a_size_that_the_matrix_makes_counts(tmp_path: Path) -> None:
    page: list[Item] = [Text(50, 740, "큰 제목", 18, scale=18), *lines(WORDS, WORDS)]
    assert headings(read_one(write_pdf(tmp_path / "a.pdf", [page]))) == [(1, "큰 제목")]


def test_bookmarks_are_headings_whatever_their_size(tmp_path: Path) -> None:
    page: list[Item] = [Text(50, 740, "작은 제목"), *lines(WORDS, WORDS)]
    made = read_one(write_pdf(tmp_path / "a.pdf", [page], bookmarks=[(1, "작은제목"), (1, "없는 제목")]))
    assert headings(made) == [(1, "작은 제목")]


def test_kinds_of_numbers_nest_within_one_size(tmp_path: Path) -> None:
    texts = ["I. 총칙", "1. 목적", "가. 범위", "2. 용어", "II. 절차", "1. 순찰"]
    page: list[Item] = []
    for n, text in enumerate(texts):
        page += [Text(50, 760 - 60 * n, text, 14), *lines(WORDS, top=740 - 60 * n)]
    made = read_one(write_pdf(tmp_path / "a.pdf", [page]))
    assert headings(made) == list(zip([1, 2, 3, 2, 1, 2], texts, strict=True))


def test_the_title_of_the_document_does_not_push_its_chapters_deeper(tmp_path: Path) -> None:
    page: list[Item] = [Text(50, 790, "건물 보안 매뉴얼", 24)]
    for n, text in enumerate(("순찰", "출입")):
        page += [Text(50, 740 - 60 * n, text, 16), *lines(WORDS, top=720 - 60 * n)]
    made = read_one(write_pdf(tmp_path / "a.pdf", [page]))
    assert headings(made) == [(1, "건물 보안 매뉴얼"), (1, "순찰"), (1, "출입")]
    assert made.title == "건물 보안 매뉴얼"


def test_what_is_large_and_no_heading(tmp_path: Path) -> None:
    page: list[Item] = [Text(50, 780, "1,234", 20), Text(50, 750, "이것은 크게 쓴 문장입니다.", 16)]
    page += [Text(50, 720, "1. 목적 .......... 3", 14), *lines(WORDS, WORDS)]
    assert headings(read_one(write_pdf(tmp_path / "a.pdf", [page]))) == []


def table_page() -> list[Item]:
    """구분 | 시간 over two columns, and a cell over two rows."""
    boxes: list[Item] = [Box(50, 660, 100, 20), Box(150, 660, 200, 20), Box(50, 620, 100, 40)]
    boxes += [Box(x, y, 100, 20) for x in (150, 250) for y in (640, 620)]
    texts = [(55, 666, "구분"), (155, 666, "시간"), (55, 636, "주간"), (155, 646, "09시"), (255, 646, "10시")]
    texts += [(155, 626, "13시"), (255, 626, "14시")]
    return [*boxes, *(Text(x, y, text) for x, y, text in texts)]


def test_tables_are_read_where_asked_for_with_their_spans(tmp_path: Path) -> None:
    page = [*lines("앞 문단이다."), *table_page(), *lines("뒤 문단이다.", top=560)]
    path = write_pdf(tmp_path / "a.pdf", [page])
    made = read_one(path, tables=True)
    blocks = [block for _, block in made.walk()]
    assert [type(block) for block in blocks] == [Paragraph, Table, Paragraph]
    (table,) = made.tables()
    assert table.rows == (("구분", "시간", "시간"), ("주간", "09시", "10시"), ("주간", "13시", "14시"))
    assert "구분" in read_one(path).text()
    assert list(read_one(path).tables()) == []


def test_tables_that_cannot_be_read_are_told_and_the_text_is_there(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "a.pdf", [lines(WORDS), table_page()])
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"/MediaBox[0 0 595 842]", b"/MediaBox[0 0 595    ]"))
    reading = read(path, tables=True)
    assert [(f.id, f.severity) for f in reading.findings] == [("pdf.no-tables", "warning")]
    assert told(reading.documents[0])[0].startswith(WORDS)


def test_a_frame_around_a_paragraph_is_no_table(tmp_path: Path) -> None:
    page = [Box(40, 650, 500, 80), *lines("앞 문단이다.")]
    assert told(read_one(write_pdf(tmp_path / "a.pdf", [page]), tables=True)) == ["앞 문단이다."]


def fault(path: Path) -> tuple[str, str, str]:
    reading = read(path)
    (finding,) = reading.findings
    assert finding.file == path.name
    assert finding.why
    assert finding.mend
    assert bool(reading.documents) == (finding.severity != "error")
    return finding.id, finding.severity, finding.message


def test_scanned_pages_are_told_and_the_others_read(tmp_path: Path) -> None:
    pages: list[list[Item]] = [lines(WORDS), [Picture()], [Picture()], [], [Picture()]]
    path = write_pdf(tmp_path / "a.pdf", pages)
    assert fault(path) == ("pdf.scanned", "warning", "pages 2-3, 5: a picture and no text")
    assert fault(write_pdf(path, [[Picture()]])) == (
        "pdf.scanned",
        "error",
        "page 1: a picture and no text",
    )


def test_files_of_which_nothing_can_be_read(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "a.pdf", [lines(WORDS)], locked=True)
    assert fault(path)[0] == "pdf.encrypted"
    assert fault(write_pdf(path, [[]]))[::2] == ("pdf.empty", "holds no text")
    path.write_bytes(b"%PDF-1.7\nno such thing\n%%EOF")
    assert fault(path)[::2] == ("pdf.broken", "is no PDF that can be opened")


def test_a_cut_file_is_told_whether_it_opens_or_not(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "a.pdf", [lines(WORDS)])
    whole = path.read_bytes()
    path.write_bytes(whole[:400])
    assert fault(path)[::2] == ("pdf.broken", "ends early")
    path.write_bytes(whole[: whole.index(b"startxref")])
    assert fault(path) == ("pdf.cut", "warning", "ends early; 1 page could be read")


@pytest.mark.parametrize("cut", range(0, 100, 7))
def test_no_cut_or_broken_file_is_silently_empty(tmp_path: Path, cut: int) -> None:
    whole = manual(tmp_path / "a.pdf").read_bytes()
    path = tmp_path / "b.pdf"
    path.write_bytes(whole[: len(whole) * cut // 100])
    reading = read(path)
    assert reading.findings
    path.write_bytes(whole[: len(whole) * cut // 100] + b"\x00" * 50 + whole[len(whole) * cut // 100 + 50 :])
    reading = read(path)
    assert reading.findings or reading.documents


def test_signs_without_a_meaning_are_left_out_and_told(tmp_path: Path) -> None:
    garbled: list[Item] = [Text(50, 700, "\ue000\ue001\ue002\ue003")]
    path = write_pdf(tmp_path / "a.pdf", [lines(WORDS), garbled])
    assert fault(path)[:2] == ("pdf.no-letters", "warning")
    assert told(read(path).documents[0]) == [WORDS]


def test_progress_is_told(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    read_pdf(open_source(manual(tmp_path / "a.pdf", 3)), progress=lambda done, of: seen.append((done, of)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


@given(st.sets(st.integers(1, 30), min_size=1))
def test_page_ranges_name_every_page_once(numbers: set[int]) -> None:
    shown = page_ranges(sorted(numbers)).removeprefix("pages ").removeprefix("page ")
    parts = [[int(n) for n in part.split("-")] for part in shown.split(", ")]
    assert [n for part in parts for n in range(part[0], part[-1] + 1)] == sorted(numbers)
