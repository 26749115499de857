"""PDFs: headings by layout, running lines taken out, lines joined with their blanks, tables, and faults."""

from __future__ import annotations

import random
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pypdfium2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millhand.documents.document import Document, ListItem, Paragraph, Reading, Table
from millhand.documents.pdf import page_ranges, read_pdf
from millhand.documents.pdf_layout import squeeze
from millhand.documents.source import open_source
from tests.unit.documents.pdfs import Box, Item, Picture, Text, write_pdf
from tests.unit.documents.real import real

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


VOCABULARY = (
    "근무자는",
    "출입문을",
    "비상구와",
    "순찰한다",
    "보안실에서",
    "반드시",
    "일지에",
    "기록하고",
    "책임자에게",
    "알린다",
)


def cut(text: str, *, keep_blanks: bool) -> list[str]:
    """Lines of 40 letters' width, cut anywhere; a blank at a cut goes lost unless it is kept."""
    made, line, width = [], "", 0.0
    for sign in text:
        line += sign
        width += 0.5 if sign == " " else 1
        if width > 39:
            made.append(line if keep_blanks else line.strip())
            line, width = "", 0.0
    return [*made, line] if line.strip() else made


@pytest.mark.parametrize("keep_blanks", [True, False])
@pytest.mark.parametrize("seed", range(5))
def test_lines_cut_anywhere_give_the_text_back(tmp_path: Path, seed: int, keep_blanks: bool) -> None:
    text = " ".join(random.Random(seed).choices(VOCABULARY, k=250))
    page = lines(*cut(text, keep_blanks=keep_blanks))
    assert told(read_one(write_pdf(tmp_path / "a.pdf", [page]))) == [text]


def test_lines_cut_between_words_give_the_text_back(tmp_path: Path) -> None:
    text = " ".join(random.Random(1).choices(VOCABULARY, k=100))
    page = lines(*textwrap.wrap(text, 40))
    assert told(read_one(write_pdf(tmp_path / "a.pdf", [page]))) == [text]


def test_a_verb_cut_before_its_last_syllable_begins_no_heading(tmp_path: Path) -> None:
    full = "보안 책임자는 매일 아침 모든 출입문과 창문이 잠겨 있는지 확인하고 그 결과를 알립니"
    made = read_one(
        write_pdf(tmp_path / "a.pdf", [lines(full, "다. 부품은 따로 보관을 합니다", full[:-1] + ".", WORDS)])
    )
    assert told(made)[0] == f"{full}다. 부품은 따로 보관을 합니다"


def test_a_line_that_begins_with_a_chapters_name_goes_on(tmp_path: Path) -> None:
    full = "의심스러운 물품을 발견하면 만지지 말고 주변 사람을 물러나게 한 다음 보안팀장에게 알리고"
    page = lines(full, "제13장에 따라 대응한다.", full[:-1] + ".", WORDS)
    assert told(read_one(write_pdf(tmp_path / "a.pdf", [page])))[0] == f"{full} 제13장에 따라 대응한다."


def test_a_short_word_after_a_line_that_cuts_none_keeps_its_blank(tmp_path: Path) -> None:
    text = " ".join(random.Random(4).choices(VOCABULARY, k=60))
    wrapped = textwrap.wrap(text + " 그 책임자에게 수 있는 " + text, 40)
    (said,) = told(read_one(write_pdf(tmp_path / "a.pdf", [lines(*wrapped)])))
    assert said == " ".join(wrapped)
    (cut,) = [n for n, line in enumerate(wrapped) if line.endswith(" 수")]
    assert wrapped[cut + 1].startswith("있는")


def test_paragraphs_a_little_apart_are_two(tmp_path: Path) -> None:
    texts = [
        (
            f"보안 책임자는 매일 아침 {n}층의 모든 출입문과 창문이 잠겨 있는지 살피고 그 결과를 적으며",
            f"그 밖의 근무자는 매일 저녁 {n}층의 모든 출입문과 창문이 잠겨 있는지 살피고 나서 또 알린다.",
        )
        for n in range(6)
    ]
    page = [item for n, pair in enumerate(texts) for item in lines(*pair, top=740 - 36 * n)]
    assert told(read_one(write_pdf(tmp_path / "a.pdf", [page]))) == [" ".join(pair) for pair in texts]


def test_numbered_sentences_are_items_and_numbered_names_are_not(tmp_path: Path) -> None:
    page = lines("1. 문을 잠근다.", "2. 불을 끈다.", "3. 기타")
    blocks = [block for _, block in read_one(write_pdf(tmp_path / "a.pdf", [page])).walk()]
    assert [(b.marker, b.text) for b in blocks if isinstance(b, ListItem)] == [
        ("1.", "문을 잠근다."),
        ("2.", "불을 끈다."),
    ]
    assert [b.text for b in blocks if isinstance(b, Paragraph)] == ["3. 기타"]


def test_a_heading_of_a_number_and_one_word(tmp_path: Path) -> None:
    page: list[Item] = [Text(50, 740, "1.1 목적", 14), *lines(WORDS, WORDS)]
    assert headings(read_one(write_pdf(tmp_path / "a.pdf", [page]))) == [(1, "1.1 목적")]


def test_items_notes_and_short_lines_begin_anew(tmp_path: Path) -> None:
    made = read_one(
        write_pdf(
            tmp_path / "a.pdf", [lines(WORDS, "① 문을 잠근다", "② 불을 끈다", "※ 주의", "짧은", "줄이다")]
        )
    )
    assert told(made) == [WORDS, "문을 잠근다", "불을 끈다", "※ 주의", "짧은", "줄이다"]
    assert [b.marker for _, b in made.walk() if isinstance(b, ListItem)] == ["①", "②"]


def test_a_paragraph_goes_on_over_the_end_of_a_page(tmp_path: Path) -> None:
    long = WORDS + " " + WORDS[:20]
    made = read_one(write_pdf(tmp_path / "a.pdf", [lines(long), lines("마지막 줄이다.")]))
    (text,) = told(made)
    assert text.endswith("마지막 줄이다.")


def test_what_is_drawn_last_stands_where_a_reader_sees_it(tmp_path: Path) -> None:
    page: list[Item] = [*lines("첫 문단이다.", top=700), *lines("셋째 문단이다.", top=500)]
    page += [*lines("둘째 문단이다.", top=600), *lines("맨 위에 있다.", top=730)]
    made = read_one(write_pdf(tmp_path / "a.pdf", [page]))
    assert told(made) == ["맨 위에 있다.", "첫 문단이다.", "둘째 문단이다.", "셋째 문단이다."]


def test_columns_are_read_one_after_the_other(tmp_path: Path) -> None:
    page: list[Item] = [Text(50, 760, "두 단으로 쓴 글의 아주 긴 제목이 여기에 있다", 18)]
    texts = [
        f"{side} 단에 쓴 {n}째 줄의 글이다." for side in ("왼쪽", "오른쪽") for n in "첫둘셋넷다섯여섯일곱"
    ]
    page += [*lines(*texts[:9]), *lines(*texts[9:], left=320)]
    made = read_one(write_pdf(tmp_path / "a.pdf", [page]))
    assert "\n".join(told(made)).split() == " ".join(texts).split()


def test_a_bracket_goes_on_with_a_sentence(tmp_path: Path) -> None:
    full = "보안 책임자는 매일 아침 모든 출입문과 창문이 잠겨 있는지 스물네 번 확인을"
    made = read_one(write_pdf(tmp_path / "a.pdf", [lines(full, "(상세) 합니다.", "(주의) 따로 본다.", full)]))
    assert told(made)[:2] == [f"{full} (상세) 합니다.", "(주의) 따로 본다."]


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
    assert fault(path) == ("pdf.cut", "warning", "ends early; 1 page(s) could be read")


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


def bare_seconds(path: Path) -> float:
    began = time.process_time()
    with pypdfium2.PdfDocument(path) as pdf:
        for page in pdf:
            text = page.get_textpage()
            text.get_text_range()
            text.close()
            page.close()
    return time.process_time() - began


def test_the_real_report_and_its_headings() -> None:
    path = real("pdf/samsung_2021_business_report.pdf")
    made = read_one(path)
    assert made.facts == {"pages": 569}
    parts = [heading for level, heading in headings(made) if level == 1]
    for wanted in ("I. 회사의 개요", "II. 사업의 내용", "III. 재무에 관한 사항", "XII. 상세표"):
        assert wanted in parts
    business = next(s for s in made.sections if s.heading == "II. 사업의 내용")
    assert [s.number for s in business.sections] == [f"{n}." for n in range(1, 8)]
    assert business.sections[0].place.number == 26
    first = business.sections[0].blocks[0]
    assert isinstance(first, Paragraph)
    assert first.text.endswith(
        "해외 5개 지역총괄의 생산ㆍ판매법인, Harman 부문 산하 종속기업 등 "
        "228개의 종속기업으로 구성된 글로벌 전자 기업입니다."
    )
    assert "dart.fss.or.kr Page" not in made.text()


def test_layout_alone_finds_every_bookmark_of_the_real_report_at_its_level(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = real("pdf/samsung_2021_business_report.pdf")
    with pypdfium2.PdfDocument(path) as pdf:
        marks = {(mark.dest_page, squeeze(mark.title), mark.depth) for mark in bookmarks(pdf)}
    monkeypatch.setattr("millhand.documents.pdf._bookmarks", lambda pdf: {})
    made = read_one(path)
    found = {(path[-1].place.number, squeeze(path[-1].heading), path[-1].level) for path in made.paths()}
    assert len(marks) == 54
    assert marks <= found


class Mark(NamedTuple):
    """A bookmark of a PDF: its page and depth count from 1."""

    dest_page: int
    title: str
    depth: int


def bookmarks(pdf: pypdfium2.PdfDocument) -> Iterator[Mark]:
    for mark in pdf.get_toc():
        yield Mark(mark.get_dest().get_index() + 1, mark.get_title(), mark.level + 1)


def times_the_bare_text(path: Path) -> float:
    source = open_source(path)
    bare = bare_seconds(path)
    began = time.process_time()
    read_pdf(source)
    return (time.process_time() - began) / bare


def test_the_real_report_takes_less_than_twice_the_time_of_its_bare_text() -> None:
    path = real("pdf/samsung_2021_business_report.pdf")
    assert any(times_the_bare_text(path) < 2 for _ in range(3))
