"""The lines of a PDF page with what layout says of them: place, size, weight. Read with PDFium."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from millhand.text.normal import nfc

_BOLD_FROM = 600  # font weight; 400 is regular
_BOLD_NAME = re.compile(rb"bold|heavy|black", re.IGNORECASE)
_NAME_BYTES = 128
_LINE_END = "\r\n"  # PDFium ends each line with it


class Line(NamedTuple):
    """A line of text. Lengths are in points; ``y`` is its baseline's, and grows upwards.

    ``open`` says that a blank stands at its end: the next line begins a word.
    """

    page: int
    text: str
    size: float
    bold: bool
    left: float
    right: float
    y: float
    open: bool


def page_lines(page: Any, number: int) -> list[Line]:
    """The lines of a page in the order in which the PDF draws them; ``number`` counts from 1."""
    textpage = page.get_textpage()
    try:
        text = textpage.get_text_range()
        return list(_lines(_Measure(textpage.raw, text, textpage.count_chars()), text, number))
    finally:
        textpage.close()


def _lines(measure: _Measure, text: str, page: int) -> Iterator[Line]:
    start = 0
    raws = text.split(_LINE_END)
    for raw, following in zip(raws, [*raws[1:], ""], strict=True):
        words = raw.split()
        if words:
            first = start + len(raw) - len(raw.lstrip())
            last = start + len(raw.rstrip()) - 1
            size, bold = measure.font(first)
            left, y = measure.origin(first)
            is_open = raw[-1:].isspace() or following[:1].isspace()
            yield Line(page, nfc(" ".join(words)), size, bold, left, measure.right(last), y, is_open)
        start += len(raw) + len(_LINE_END)


class _Measure:
    """Asks PDFium about single characters of a page; the buffers are made once."""

    def __init__(self, textpage: Any, text: str, characters: int) -> None:
        import pypdfium2.raw as pdfium

        self._pdfium, self._textpage, self._text = pdfium, textpage, text
        # PDFium leaves out of the text what has no meaning in Unicode; then positions differ.
        self._same = len(text) == characters
        self._doubles = [ctypes.c_double() for _ in range(4)]
        self._name = ctypes.create_string_buffer(_NAME_BYTES)
        self._flags = ctypes.c_int()

    def font(self, position: int) -> tuple[float, bool]:
        """Size in points, to a tenth, and whether the font is bold."""
        index = self._index(position)
        size = self._pdfium.FPDFText_GetFontSize(self._textpage, index)
        return round(size * self._scale(index), 1), self._bold(index)

    def origin(self, position: int) -> tuple[float, float]:
        """Where a character begins on its baseline."""
        x, y, *_ = self._doubles
        self._pdfium.FPDFText_GetCharOrigin(self._textpage, self._index(position), x, y)
        return x.value, y.value

    def right(self, position: int) -> float:
        """Where a character ends."""
        left, right, bottom, top = self._doubles
        self._pdfium.FPDFText_GetCharBox(self._textpage, self._index(position), left, right, bottom, top)
        return right.value

    def _index(self, position: int) -> int:
        if self._same:
            return position
        units = len(self._text[:position].encode("utf-16-le", "surrogatepass")) // 2
        index: int = self._pdfium.FPDFText_GetCharIndexFromTextIndex(self._textpage, units)
        return index if index >= 0 else position

    def _scale(self, index: int) -> float:
        """What the page's matrix makes of a size: some programs write size 1 and scale the text."""
        matrix = self._pdfium.FS_MATRIX()
        if not self._pdfium.FPDFText_GetMatrix(self._textpage, index, matrix):
            return 1.0
        scale: float = (matrix.c**2 + matrix.d**2) ** 0.5
        return scale or 1.0

    def _bold(self, index: int) -> bool:
        if self._pdfium.FPDFText_GetFontWeight(self._textpage, index) >= _BOLD_FROM:
            return True
        length = self._pdfium.FPDFText_GetFontInfo(
            self._textpage, index, self._name, _NAME_BYTES, self._flags
        )
        return bool(_BOLD_NAME.search(self._name.raw[: min(length, _NAME_BYTES)]))
