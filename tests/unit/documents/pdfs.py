"""Writes the small PDFs that tests read: text at places, ruled lines, pictures, and what is wrong with some.

Fonts are named and not in the file, letters are their UTF-16 codes: the least that a reader of text needs.
Source: ISO 32000-1, 7.5 (file structure), 9.7 (composite fonts), 9.10 (extraction of text).
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

WIDTH, HEIGHT = 595, 842


class Text(NamedTuple):
    """A line of text; ``y`` from the foot of the page, all in points. ``scale`` is the matrix's."""

    x: float
    y: float
    text: str
    size: float = 10
    bold: bool = False
    scale: float = 1


class Box(NamedTuple):
    """A ruled rectangle."""

    x: float
    y: float
    width: float
    height: float


class Picture(NamedTuple):
    """A picture over the whole page."""


Item = Text | Box | Picture


def write_pdf(
    path: Path,
    pages: list[list[Item]],
    *,
    title: str = "",
    bookmarks: list[tuple[int, str]] | None = None,
    locked: bool = False,
    letters: bool = True,
) -> Path:
    """Write a PDF. ``bookmarks`` are (page from 1, title); without ``letters`` no sign has a meaning."""
    objects: list[bytes] = [b"", b"", *_fonts(letters), _IMAGE]  # 1 catalog, 2 pages, 3-8 fonts, 9 picture
    kids = []
    for page in pages:
        objects.append(_stream(b"\n".join(map(_draw, page))))
        content = len(objects)
        objects.append(
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 %d %d]/Contents %d 0 R/Resources"
            b"<</Font<</F0 3 0 R/F1 6 0 R>>/XObject<</I0 9 0 R>>>>>>" % (WIDTH, HEIGHT, content)
        )
        kids.append(len(objects))
    objects[1] = b"<</Type/Pages/Count %d/Kids[%s]>>" % (len(kids), b" ".join(b"%d 0 R" % k for k in kids))
    outline = _outline(objects, kids, bookmarks or [])
    objects[0] = b"<</Type/Catalog/Pages 2 0 R%s>>" % outline
    objects.append(b"<</Title<FEFF%s>>>" % title.encode("utf-16-be").hex().encode())
    path.write_bytes(_file(objects, locked=locked))
    return path


def _outline(objects: list[bytes], kids: list[int], bookmarks: list[tuple[int, str]]) -> bytes:
    if not bookmarks:
        return b""
    root = len(objects) + 1
    first, last = root + 1, root + len(bookmarks)
    objects.append(b"<</Type/Outlines/First %d 0 R/Last %d 0 R/Count %d>>" % (first, last, len(bookmarks)))
    for index, (page, title) in enumerate(bookmarks):
        following = b"/Next %d 0 R" % (first + index + 1) if first + index < last else b""
        objects.append(
            b"<</Title<FEFF%s>/Parent %d 0 R/Dest[%d 0 R/Fit]%s>>"
            % (title.encode("utf-16-be").hex().encode(), root, kids[page - 1], following)
        )
    return b"/Outlines %d 0 R" % root


def _draw(item: Item) -> bytes:
    if isinstance(item, Text):
        code = item.text.encode("utf-16-be").hex()
        s = item.scale
        head = f"BT /F{int(item.bold)} {item.size / s} Tf {s} 0 0 {s} {item.x} {item.y} Tm"
        return f"{head} <{code}> Tj ET".encode()
    if isinstance(item, Box):
        return f"{item.x} {item.y} {item.width} {item.height} re S".encode()
    return b"q %d 0 0 %d 0 0 cm /I0 Do Q" % (WIDTH, HEIGHT)


_IMAGE = (
    b"<</Type/XObject/Subtype/Image/Width 1/Height 1/ColorSpace/DeviceGray/BitsPerComponent 8/Length 1>>"
    b"stream\n\x7f\nendstream"
)


def _fonts(letters: bool) -> list[bytes]:
    """Two fonts of three objects each: the font, its outlines' description, what its codes mean."""
    made = []
    for number, name in ((3, b"TestBatang"), (6, b"TestBatang-Bold")):
        unicode = b"/ToUnicode %d 0 R" % (number + 2) if letters else b""
        made += [
            b"<</Type/Font/Subtype/Type0/BaseFont/%s/Encoding/Identity-H/DescendantFonts[%d 0 R]%s>>"
            % (name, number + 1, unicode),
            b"<</Type/Font/Subtype/CIDFontType2/BaseFont/%s/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)"
            b"/Supplement 0>>/DW 1000/W[32 126 500]/FontDescriptor<</Type/FontDescriptor/FontName/%s/Flags 4"
            b"/ItalicAngle 0/Ascent 880/Descent -120/CapHeight 700/StemV 80/FontBBox[0 -120 1000 880]>>>>"
            % (name, name),
            _stream(_MEANING),
        ]
    return made


def _ranges() -> bytes:
    """Each code means itself, told in the portions of at most 100 that the format allows."""
    lines = [b"<%02X00><%02XFF><%02X00>" % (high, high, high) for high in range(256)]
    parts = [lines[start : start + 100] for start in range(0, 256, 100)]
    return b"".join(b"%d beginbfrange\n%s\nendbfrange\n" % (len(p), b"\n".join(p)) for p in parts)


_MEANING = (
    b"/CIDInit/ProcSet findresource begin 12 dict begin begincmap/CMapName/T def/CMapType 2 def\n"
    b"1 begincodespacerange\n<0000><FFFF>\nendcodespacerange\n" + _ranges() + b"endcmap end end"
)


def _stream(content: bytes) -> bytes:
    return b"<</Length %d>>stream\n%s\nendstream" % (len(content), content)


def _file(objects: list[bytes], *, locked: bool) -> bytes:
    made, places = b"%PDF-1.7\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(made))
        made += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    start = len(made)
    made += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    made += b"".join(b"%010d 00000 n \n" % place for place in places)
    # No password opens what was never locked: the two keys do not belong together.
    lock = b"/Encrypt<</Filter/Standard/V 1/R 2/P -4/O<%s>/U<%s>>>/ID[<00><00>]" % (b"11" * 32, b"22" * 32)
    trailer = b"<</Size %d/Root 1 0 R/Info %d 0 R%s>>" % (
        len(objects) + 1,
        len(objects),
        lock if locked else b"",
    )
    return made + b"trailer%s\nstartxref\n%d\n%%%%EOF\n" % (trailer, start)
