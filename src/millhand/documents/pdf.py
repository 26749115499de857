"""PDFs: text with its headings, told by layout, and its paragraphs; tables where asked for.

PDFium reads the text (BSD and Apache-2.0), pdfplumber finds tables (MIT).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from millhand.documents.document import ListItem, Paragraph, Place, Reading, Table
from millhand.documents.outline import Outline
from millhand.documents.pdf_flow import Flow, measure_flow
from millhand.documents.pdf_layout import Headings, find_headings, reading_order, running_lines, squeeze
from millhand.documents.pdf_lines import Line, page_lines
from millhand.documents.pdf_tables import PageTables, find_tables
from millhand.documents.source import Source, broken, make_document
from millhand.errors import Finding, Severity
from millhand.text.numbering import split_marker, split_step
from millhand.wording import counted

Progress = Callable[[int, int], None]
_HEADING_PAGES = 3  # a title stands on the first pages
_TAIL_BYTES = 2048  # the end mark may have something behind it
_MEANS_NOTHING = re.compile("[\ufffd\ue000-\uf8ff\x00-\x1f]")
_UNREADABLE = 0.3  # the share of signs without a meaning from which a page is not read

_OCR = "Run it through OCR (`ocrmypdf -l kor IN.pdf OUT.pdf`) and read that."
# What can be wrong with single pages: id, what, why, mend.
_SCANNED = (
    "pdf.scanned",
    "a picture and no text",
    "What is written in the picture is missing from the document.",
    _OCR,
)
_GARBLED = (
    "pdf.no-letters",
    "the font does not say what its letters are",
    "Its text would come out as signs without a meaning; it is left out.",
    _OCR,
)
_FAILED = (
    "pdf.broken-page",
    "no text can be read",
    "It is missing from the document.",
    "Export the PDF again.",
)

_NO_TABLES = (
    "pdf.no-tables",
    "tables cannot be read",
    "What stands in them is in the document as lines of text.",
    "Export the PDF again, or read it without --tables.",
)


class _Pages(NamedTuple):
    """What was read of each page, and the numbers of those that hold no text that can be read."""

    lines: list[list[Line]]
    heights: list[float]
    scanned: list[int]
    garbled: list[int]
    failed: list[int]


def read_pdf(source: Source, *, tables: bool = False, progress: Progress | None = None) -> Reading:
    """Read a PDF. ``progress`` is told the pages read and their number. Fact: ``pages``.

    What cannot be read is a finding: a locked or broken file, pages that are pictures of text, pages
    whose font does not say which letters its signs are.
    """
    import pypdfium2 as pdfium

    try:
        pdf = pdfium.PdfDocument(source.path)
    except pdfium.PdfiumError as error:
        return Reading((), (_unopened(source, error),))
    try:
        pages = _read_pages(pdf, progress)
        title = (pdf.get_metadata_value("Title") or "").strip()
        bookmarks = _bookmarks(pdf)
    finally:
        pdf.close()
    found = PageTables({}, [])
    if tables and any(pages.lines):
        found = find_tables(source.path, len(pages.lines), progress)
    return _assemble(source, pages, bookmarks, title, found)


def _unopened(source: Source, error: Any) -> Finding:
    import pypdfium2.raw as raw

    if error.err_code in (raw.FPDF_ERR_PASSWORD, raw.FPDF_ERR_SECURITY):
        mend = "Save it without a password (print it to a new PDF) and read that."
        return broken(source, "is locked by a password", mend, kind="pdf.encrypted")
    what = "ends early" if _is_cut(source) else "is no PDF that can be opened"
    return broken(source, what, "Fetch or export it again.", kind="pdf.broken")


def _is_cut(source: Source) -> bool:
    with source.path.open("rb") as file:
        file.seek(max(0, source.bytes - _TAIL_BYTES))
        return b"%%EOF" not in file.read()


def _read_pages(pdf: Any, progress: Progress | None) -> _Pages:
    import pypdfium2 as pdfium

    pages = _Pages([], [], [], [], [])
    for index in range(len(pdf)):
        lines, height = [], 0.0
        try:
            page = pdf[index]
            height = page.get_height()
            lines = _read_page(page, index + 1, pages)
            page.close()
        except pdfium.PdfiumError:
            pages.failed.append(index + 1)
        pages.lines.append(lines)
        pages.heights.append(height)
        if progress:
            progress(index + 1, len(pdf))
    return pages


def _read_page(page: Any, number: int, pages: _Pages) -> list[Line]:
    import pypdfium2.raw as raw

    lines = page_lines(page, number)
    text = "".join(line.text for line in lines)
    if not text and any(True for _ in page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE])):
        pages.scanned.append(number)
    if text and len(_MEANS_NOTHING.findall(text)) > _UNREADABLE * len(text):
        pages.garbled.append(number)
        return []
    return lines


def _bookmarks(pdf: Any) -> dict[tuple[int, str], int]:
    """(page, title without blanks) -> level from 1, of the PDF's own table of contents."""
    found: dict[tuple[int, str], int] = {}
    for mark in pdf.get_toc():
        target = mark.get_dest()
        index = target.get_index() if target else None
        if index is not None:
            found.setdefault((index + 1, squeeze(mark.get_title())), mark.level + 1)
    return found


def _assemble(
    source: Source,
    pages: _Pages,
    bookmarks: dict[tuple[int, str], int],
    title: str,
    tables: PageTables,
) -> Reading:
    running = running_lines(pages.lines, pages.heights)
    kept = [
        reading_order([line for line in lines if (line.page, line.y) not in running]) for lines in pages.lines
    ]
    every = [line for lines in kept for line in lines]
    findings = tuple(_findings(source, pages, tables.failed, empty=not every))
    if not every:
        return Reading((), findings)
    headings = find_headings(every, bookmarks)
    outline = Outline(dense=True)
    _fill(outline, kept, headings, tables.found)
    document = make_document(
        source, "pdf", title or _title(every, headings), outline, facts={"pages": len(pages.lines)}
    )
    return Reading((document,), findings)


def _fill(
    outline: Outline,
    pages: Sequence[Sequence[Line]],
    headings: Headings,
    tables: dict[int, list[tuple[float, float, Table]]],
) -> None:
    flow = measure_flow([line for lines in pages for line in lines])
    run: list[Line] = []  # may go on over the end of a page
    for number, lines in enumerate(pages, 1):
        for item in _pieces(lines, headings, tables.get(number, [])):
            if isinstance(item, list):
                run += item
                continue
            _add_text(outline, flow, run)
            run = []
            if isinstance(item, Table):
                outline.add_table(item)
            else:
                outline.heading(item[0], item[1], Place("page", number))
    _add_text(outline, flow, run)


def _pieces(
    lines: Sequence[Line], headings: Headings, tables: Sequence[tuple[float, float, Table]]
) -> Iterator[Table | tuple[int, str] | list[Line]]:
    """A page's tables, headings and runs of text; a table stands where its first line stood."""
    waiting = list(tables)
    run: list[Line] = []
    for line in lines:
        inside = next((table for table in tables if table[1] <= line.y <= table[0]), None)
        level = 0 if inside else headings.level(line)
        if not inside and not level:
            run.append(line)
            continue
        if run:
            yield run
            run = []
        if inside in waiting:
            waiting.remove(inside)
            yield inside[2]
        elif level:
            yield level, line.text
    if run:
        yield run
    yield from (table for _, _, table in waiting)


def _add_text(outline: Outline, flow: Flow, lines: Sequence[Line]) -> None:
    for text, first in flow.paragraphs(lines):
        place = Place("page", first.page)
        marked = split_marker(text) or split_step(text)
        outline.add(ListItem(marked.rest, place, marked.marker) if marked else Paragraph(text, place))


def _title(lines: Sequence[Line], headings: Headings) -> str:
    """The largest heading of the first pages; nothing where there is none."""
    first = [line for line in lines if line.page <= _HEADING_PAGES and headings.level(line)]
    return max(first, key=lambda line: line.size).text if first else ""


def _findings(source: Source, pages: _Pages, no_tables: list[int], *, empty: bool) -> Iterator[Finding]:
    for numbers, (kind, what, why, mend) in (
        (pages.scanned, _SCANNED),
        (pages.garbled, _GARBLED),
        (pages.failed, _FAILED),
        (no_tables, _NO_TABLES),
    ):
        if numbers:
            message = f"{page_ranges(numbers)}: {what}"
            severity: Severity = "error" if empty else "warning"
            yield Finding(id=kind, severity=severity, message=message, file=source.name, why=why, mend=mend)
    if empty and not (pages.scanned or pages.garbled or pages.failed):
        yield broken(source, "holds no text", "Check that it is the right file.", kind="pdf.empty")
    if not empty and _is_cut(source):
        yield _cut(source, len(pages.lines))


def _cut(source: Source, pages: int) -> Finding:
    return Finding(
        id="pdf.cut",
        severity="warning",
        message=f"ends early; {counted(pages, 'page')} could be read",
        file=source.name,
        why="Pages behind them may be missing.",
        mend="Fetch it again.",
    )


def page_ranges(numbers: Sequence[int]) -> str:
    """Page numbers in rising order, in short: ``pages 3-5, 9`` or ``page 3``."""
    parts: list[str] = []
    start = previous = numbers[0]
    for number in [*numbers[1:], 0]:
        if number != previous + 1:
            parts.append(str(start) if start == previous else f"{start}-{previous}")
            start = number
        previous = number
    return f"page{'s' if len(numbers) > 1 else ''} {', '.join(parts)}"
