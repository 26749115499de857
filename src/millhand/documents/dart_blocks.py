"""Walks DART's BODY: sections, paragraphs, tables with what stands above them, pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millhand.documents.dart_tables import (
    above_lines,
    inline_text,
    is_short,
    read_table,
    split_unit,
    tidy,
)
from millhand.documents.document import ListItem, Paragraph, Picture, Place, Table
from millhand.documents.outline import Outline
from millhand.text.numbering import split_marker, split_number

if TYPE_CHECKING:
    from lxml.etree import _Element

_TITLES = ("TITLE", "COVER-TITLE")
_SILENT = ("PGBRK", "EXTRACTION", "SUMMARY", "DOCUMENT-NAME", "FORMULA-VERSION", "COMPANY-NAME", "COLGROUP")
_DEEPEST = 200
_BOLD = "B"
# Headings below the last TITLE are bold lead-ins of paragraphs: 가. is one level below, (1) two.
_BELOW = {"hangul": 1, "half": 2, "bracket": 2, "circle": 3}
_LONGEST_HEADING = 80  # characters


def fill(outline: Outline, body: _Element) -> None:
    """Put all that stands in ``body`` into ``outline``, in the order of the file."""
    walk = _Walk(outline)
    walk.children(body, level=0, depth=0)
    walk.flush()


class _Walk:
    """Where the walk is: the position of the element, and the lines that wait for a table below them."""

    def __init__(self, outline: Outline) -> None:
        self._outline = outline
        self._position = 0
        self._level = 0  # of the TITLE that stands above
        self._waiting: list[str] = []
        self._waiting_place = Place("element", 1)

    def children(self, element: _Element, level: int, depth: int) -> None:
        """Read an element that holds others. ``level`` is that of the section it stands in."""
        self._loose(element.text)
        for child in element:
            if isinstance(child.tag, str):
                self._position += 1
                self._read(child, level, depth)
            self._loose(child.tail)

    def _read(self, element: _Element, level: int, depth: int) -> None:
        tag = element.tag
        if tag == "TABLE":
            self._table(element)
        elif tag == "P":
            self._paragraph(element)
        elif tag in _TITLES:
            self._title(element, level)
        elif tag == "IMAGE":
            self._picture(element)
        elif tag not in _SILENT:
            self._container(element, level, depth)

    def _container(self, element: _Element, level: int, depth: int) -> None:
        """SECTION-N, LIBRARY, TABLE-GROUP and whatever else holds elements; else it is text."""
        if not len(element) or depth > _DEEPEST:
            self._loose(inline_text(element))
            return
        tag = element.tag
        if tag.startswith("SECTION-") and tag[8:].isdigit():
            level = int(tag[8:])
        elif element.find("TITLE") is not None:
            level += 1
        self.children(element, level, depth + 1)

    def _title(self, element: _Element, level: int) -> None:
        text = inline_text(element).replace("\n", " ")
        if text:
            self.flush()
            self._level = max(1, level)
            self._outline.heading(self._level, text, self._place(), element.get("AASSOCNOTE") or "")

    def _paragraph(self, element: _Element) -> None:
        if not len(element) and not element.text:
            return
        lead, rest = _parts(element)
        numbered = split_number(lead) if lead and len(lead) <= _LONGEST_HEADING else None
        if numbered and numbered.kind in _BELOW and numbered.rest:
            self.flush()
            level = self._level + _BELOW[numbered.kind]
            self._outline.heading(level, lead.replace("\n", " "), self._place())
        elif lead:
            self._text(lead)
        if rest:
            self._text(rest)

    def _loose(self, text: str | None) -> None:
        """Text that stands between elements, as where a heading in angle brackets was taken for a tag."""
        if text and not text.isspace():
            self._text(tidy(text))

    def _text(self, text: str) -> None:
        self.flush()
        marked = split_marker(text) if "\n" not in text else None
        self._outline.add(
            ListItem(marked.rest, self._place(), marked.marker) if marked else Paragraph(text, self._place())
        )

    def _picture(self, element: _Element) -> None:
        self.flush()
        name, caption = element.find("IMG"), element.find("IMG-CAPTION")
        texts = [inline_text(part) if part is not None else "" for part in (caption, name)]
        self._outline.add(Picture(texts[0], self._place(), texts[1]))

    def _table(self, element: _Element) -> None:
        table = read_table(element, self._place())
        lines = above_lines(table, framed=element.get("BORDER", "0") != "0")
        if lines is None:
            self._finish(table)
        elif is_short(lines):
            if not self._waiting:
                self._waiting_place = self._place()
            self._waiting += lines
        else:
            for line in lines:
                self._text(line)

    def _finish(self, table: Table) -> None:
        if not any(map(any, table.rows)):
            return
        caption, unit = split_unit(self._waiting)
        self._waiting = []
        self._outline.add(Table(table.rows, table.place, table.header_rows, caption, unit))

    def flush(self) -> None:
        """Lines that no table followed are paragraphs."""
        for line in self._waiting:
            self._outline.add(Paragraph(line, self._waiting_place))
        self._waiting = []

    def _place(self) -> Place:
        return Place("element", max(1, self._position))


def _parts(paragraph: _Element) -> tuple[str, str]:
    """A paragraph's bold lead-in, where it has one, and the rest of its text.

    The editor writes ``<SPAN USERMARK="F-14 B">가. 개요</SPAN>당사는`` with nothing in between.
    """
    if (paragraph.text or "").strip():
        return "", inline_text(paragraph)
    leads: list[str] = []
    rest = ""
    for index, span in enumerate(paragraph):
        if span.tag != "SPAN" or _BOLD not in (span.get("USERMARK") or "").split():
            rest = _from(paragraph, index)
            break
        leads.append("".join(span.itertext()))
        if (span.tail or "").strip():
            rest = (span.tail or "") + _from(paragraph, index + 1)
            break
    return tidy("".join(leads)), tidy(rest)


def _from(paragraph: _Element, index: int) -> str:
    return "".join(f"{''.join(child.itertext())}{child.tail or ''}" for child in paragraph[index:])
