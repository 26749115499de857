"""A real report of 569 pages: its headings, its bookmarks, its time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pypdfium2
import pytest

from millhand.documents.document import Paragraph
from millhand.documents.pdf import read_pdf
from millhand.documents.pdf_layout import squeeze
from millhand.documents.source import open_source
from tests.unit.documents.pdf_reading import headings, read_one
from tests.unit.documents.real import real


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
