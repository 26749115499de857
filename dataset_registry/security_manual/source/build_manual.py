"""Makes manual.pdf of manual.md, the same bytes each time. A maintainer's tool: the rows are made of the PDF.

    python dataset_registry/security_manual/source/build_manual.py

Needs reportlab (BSD; part of the extra `dev`) and the font NanumGothic (SIL Open Font License 1.1) of the
package fonts-nanum 20200506-1 (Debian, Ubuntu): `apt-get install fonts-nanum`. MANUAL_FONTS names another
folder that holds it. The fonts are pinned by hash, since a glyph drawn otherwise is another PDF. What is
embedded is the part of the font that the text needs. Nothing is compressed: zlib's bytes differ between its
builds.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

import yaml
from reportlab import rl_config
from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import (
    BaseDocTemplate,
    Flowable,
    Frame,
    KeepTogether,
    NextPageTemplate,
    PageBreak,
    PageTemplate,
    Paragraph,
    Spacer,
    Table,
)
from reportlab.platypus.tableofcontents import TableOfContents

HERE = Path(__file__).parent
SOURCE, PDF = HERE / "manual.md", HERE / "manual.pdf"
FONTS = Path(os.environ.get("MANUAL_FONTS", "/usr/share/fonts/truetype/nanum"))
FONT_SHA256 = {
    "NanumGothic.ttf": "48a28e97b34fc8e5b157657633670cd1b7de126cfc414da65ce9c3d5bc8be733",
    "NanumGothicBold.ttf": "454eb3f503f377782a99eb84fc4bb7dde22a0f075d41b47427737f2985053bc9",
}
MARGIN = 24 * mm
WIDTH = A4[0] - 2 * MARGIN
INK, RULE, SHADE = HexColor("#1b1f24"), HexColor("#8a929b"), HexColor("#e9edf1")

_CELL_PADDING = 4
_PARTS = re.compile(r"^(?P<marks>#{1,2}) (?P<heading>.+)$|^(?P<step>\d+\.) (?P<told>.+)$|^- (?P<item>.+)$")


def _style(name: str, size: float, *, bold: bool = False, **more: Any) -> ParagraphStyle:
    font = "NanumGothicBold" if bold else "NanumGothic"
    return ParagraphStyle(
        name, fontName=font, fontSize=size, textColor=INK, **{"leading": 1.65 * size, **more}
    )


STYLES = {
    "title": _style("title", 32, bold=True, leading=44),
    "subtitle": _style("subtitle", 14),
    "chapter": _style("chapter", 20, bold=True, spaceAfter=14),
    "section": _style("section", 13, bold=True, spaceBefore=14, spaceAfter=6, keepWithNext=1),
    "text": _style("text", 10.5, spaceAfter=5),
    "step": _style("step", 10.5, leftIndent=15, firstLineIndent=-15, spaceAfter=5),
    "item": _style("item", 10.5, leftIndent=8, firstLineIndent=-8, spaceAfter=3),
    "caption": _style("caption", 9.5, spaceAfter=4, keepWithNext=1),
    "head": _style("head", 9, bold=True, leading=13),
    "cell": _style("cell", 9, leading=13),
    "contents": _style("contents", 11, leading=24),
}


class Manual(NamedTuple):
    """The source: what its front matter says, and its lines."""

    facts: dict[str, str]
    lines: list[str]


class Pages(BaseDocTemplate):
    """Lays the pages out; tells the table of contents and the bookmarks of each chapter."""

    def __init__(self, path: Path, facts: dict[str, str]) -> None:
        about = {
            "title": facts["title"],
            "author": "",
            "subject": facts["licence"],
            "creator": "build_manual.py",
        }
        super().__init__(str(path), pagesize=A4, invariant=1, pageCompression=0, lang="ko", **about)
        frame = Frame(MARGIN, MARGIN, WIDTH, A4[1] - 2 * MARGIN, 0, 0, 0, 0)
        running = partial(_running, f"{facts['title']} {facts['edition']}")
        cover = PageTemplate("cover", [frame], pagesize=A4)
        self.addPageTemplates([cover, PageTemplate("inner", [frame], onPage=running, pagesize=A4)])

    def afterFlowable(self, flowable: Flowable) -> None:  # noqa: N802  the name is reportlab's
        """Take a chapter's heading into the contents and the bookmarks."""
        if getattr(flowable, "style", None) is STYLES["chapter"]:
            text = flowable.getPlainText()
            key = hashlib.sha256(text.encode()).hexdigest()[:12]
            self.canv.bookmarkPage(key)
            self.canv.addOutlineEntry(text, key, 0)
            self.notify("TOCEntry", (0, text, self.page, key))


def build(path: Path) -> None:
    """Write the PDF to ``path``.

    Raises:
        SystemExit: The fonts are not there, or not those that are pinned.
    """
    rl_config.invariant = 1
    for name, sha256 in FONT_SHA256.items():
        _register(FONTS / name, sha256)
    manual = read_source()
    Pages(path, manual.facts).multiBuild([*_front(manual.facts), *_body(manual.lines)])


def read_source(path: Path = SOURCE) -> Manual:
    """Read the Markdown and its front matter."""
    _, facts, body = path.read_text(encoding="utf-8").split("---\n", 2)
    return Manual(yaml.safe_load(facts), body.splitlines())


def _register(font: Path, sha256: str) -> None:
    if not font.is_file():
        sys.exit(f"{font} is not there. apt-get install fonts-nanum, or name its folder with MANUAL_FONTS.")
    if hashlib.sha256(font.read_bytes()).hexdigest() != sha256:
        sys.exit(f"{font} is another version than the pinned one of fonts-nanum 20200506-1.")
    pdfmetrics.registerFont(TTFont(font.stem, str(font)))


def _running(text: str, canvas: Any, document: Any) -> None:
    canvas.setFont("NanumGothic", 8.5)
    canvas.setFillColor(INK)
    canvas.drawString(MARGIN, A4[1] - 15 * mm, text)
    canvas.drawCentredString(A4[0] / 2, 12 * mm, f"- {document.page} -")
    canvas.setStrokeColor(RULE)
    canvas.line(MARGIN, A4[1] - 17 * mm, A4[0] - MARGIN, A4[1] - 17 * mm)


def _front(facts: dict[str, str]) -> Iterator[Flowable]:
    yield Spacer(0, 70 * mm)
    yield Paragraph(facts["title"], STYLES["title"])
    yield Paragraph(facts["subtitle"], STYLES["subtitle"])
    yield Spacer(0, 100 * mm)
    yield Paragraph(f"{facts['edition']} · {facts['licence']}", STYLES["text"])
    yield NextPageTemplate("inner")


def _body(lines: list[str]) -> Iterator[Flowable]:
    rows: list[list[str]] = []
    caption = ""
    for line in [*lines, ""]:
        if line.startswith("|"):
            rows.append([cell.strip() for cell in line.strip("|").split("|")])
        elif line.startswith("["):
            caption = line
        elif rows:
            yield KeepTogether([Paragraph(escape(caption), STYLES["caption"]), _table(rows)])
            rows = []
        if line and not line.startswith(("|", "[")):
            yield from _part(line)


def _part(line: str) -> Iterator[Flowable]:
    found = _PARTS.match(line)
    if found is None:
        yield Paragraph(escape(line), STYLES["text"])
    elif found["marks"] == "#":
        yield PageBreak()
        if found["heading"].startswith("제1장"):
            yield from _contents()
        yield Paragraph(escape(found["heading"]), STYLES["chapter"])
    elif found["marks"]:
        yield Paragraph(escape(found["heading"]), STYLES["section"])
    elif found["step"]:
        yield Paragraph(escape(line), STYLES["step"])
    else:
        yield Paragraph(f"• {escape(found['item'])}", STYLES["item"])


def _contents() -> Iterator[Flowable]:
    contents = TableOfContents(dotsMinLevel=0, levelStyles=[STYLES["contents"]])
    yield Paragraph("목차", _style("contents-heading", 20, bold=True, spaceAfter=14))
    yield contents
    yield PageBreak()


def _table(rows: list[list[str]]) -> Table:
    cells = [
        [Paragraph(escape(cell), STYLES["cell" if n else "head"]) for cell in row]
        for n, row in enumerate(row for row in rows if set(row[0]) != {"-"})
    ]
    grid = [("GRID", (0, 0), (-1, -1), 0.5, RULE), ("BACKGROUND", (0, 0), (-1, 0), SHADE)]
    padding = [
        (f"{side}PADDING", (0, 0), (-1, -1), _CELL_PADDING) for side in ("LEFT", "RIGHT", "TOP", "BOTTOM")
    ]
    return Table(
        cells, colWidths=_widths(rows), style=[*grid, *padding, ("VALIGN", (0, 0), (-1, -1), "MIDDLE")]
    )


def _widths(rows: list[list[str]]) -> list[float]:
    """Each column's widest cell, shrunk or stretched to the width of the page."""
    wide = [
        max(pdfmetrics.stringWidth(cell, "NanumGothicBold", 9) for cell in column)
        for column in zip(*rows, strict=True)
    ]
    wanted = [width + 2 * _CELL_PADDING + 1 for width in wide]
    return [width * WIDTH / sum(wanted) for width in wanted]


if __name__ == "__main__":
    build(PDF)
    print(f"{PDF.name}: {PDF.stat().st_size:,} bytes")
