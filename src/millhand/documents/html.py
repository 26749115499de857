"""Web pages as documents. lxml reads them (BSD)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from millhand.documents.document import Code, ListItem, Paragraph, Picture, Place, Reading, Table
from millhand.documents.outline import Outline
from millhand.documents.plain import decoded
from millhand.documents.source import Source, broken, make_document
from millhand.documents.spans import Cell, expand, span
from millhand.errors import Finding, FindingsError
from millhand.text.numbering import split_marker

if TYPE_CHECKING:
    from lxml.etree import _Element

_SILENT = frozenset(
    {"head", "script", "style", "template", "noscript", "nav", "svg", "select", "hr", "iframe"}
)
_INLINE = frozenset(
    {
        *(
            "a",
            "abbr",
            "b",
            "bdi",
            "big",
            "cite",
            "code",
            "data",
            "del",
            "dfn",
            "em",
            "font",
            "i",
            "ins",
            "kbd",
        ),
        *(
            "label",
            "mark",
            "q",
            "ruby",
            "s",
            "samp",
            "small",
            "span",
            "strong",
            "sub",
            "sup",
            "time",
            "tt",
            "u",
        ),
        *("var", "wbr"),
    }
)
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_DECLARATION = re.compile(r"\A\s*<\?xml[^>]*\?>")
_DEEPEST = 200  # elements within elements; what is deeper is one paragraph


def read_html(source: Source) -> Reading:
    """Headings, paragraphs, lists, tables, preformatted text and pictures of a page.

    Scripts, styles and navigation (``nav``) are left out. The title is the page's ``title``, else its
    first h1.
    """
    try:
        text = decoded(source)
    except FindingsError as error:
        return Reading((), error.findings)
    root, cut = _parse(text)
    if root is None:
        return Reading((), (broken(source, "is empty", "Check that it is the right file."),))
    walk = _Walk()
    walk.children(root, depth=0)
    walk.flush()
    document = make_document(source, "html", _title(root), walk.outline)
    findings = (_too_deep(source),) if cut else ()
    if not document.blocks and not document.sections:
        what = broken(source, "holds no text", "Check that it is the right file.")
        return Reading((), findings or (what,))
    return Reading((document,), findings)


def _too_deep(source: Source) -> Finding:
    return Finding(
        id="html.too-deep",
        severity="error",
        message="has more than 2,048 elements within each other",
        file=source.name,
        why="What stands in them and behind them is missing from the document.",
        mend="Save the page again with a browser, or as text.",
    )


def text_of(fragment: str) -> str:
    """The text of a piece of HTML on one line."""
    root, _ = _parse(fragment)
    return "" if root is None else _squeeze(_text(root))


def _parse(text: str) -> tuple[_Element | None, bool]:
    """The root element, if there is any, and whether the parser gave up before the end."""
    from lxml import etree, html

    parser = html.HTMLParser(encoding="utf-8", huge_tree=True, no_network=True)
    try:
        root = html.document_fromstring(_DECLARATION.sub("", text).encode("utf-8"), parser=parser)
    except etree.ParserError:  # nothing in it but blanks or comments
        return None, False
    return root, any(entry.level == etree.ErrorLevels.FATAL for entry in parser.error_log)


def _title(root: _Element) -> str:
    found = next(root.iter("title", "h1"), None)
    return "" if found is None else " ".join("".join(found.itertext()).split())


class _Walk:
    """Goes through a page; text that stands in no paragraph is collected until a block ends it."""

    def __init__(self) -> None:
        self.outline = Outline()
        self._loose: list[str] = []
        self._place = Place("line", 1)

    def children(self, element: _Element, depth: int) -> None:
        """Read an element that may hold blocks."""
        self._loose.append(_one_line(element.text))
        for child in element:
            if isinstance(child.tag, str) and child.tag not in _SILENT:
                self._read(child, depth)
            self._loose.append(_one_line(child.tail))

    def _read(self, element: _Element, depth: int) -> None:
        tag = element.tag
        if tag == "br":
            self._loose.append("\n")
        elif tag in _INLINE and not _holds_blocks(element):
            self._loose.append(_text(element))
        else:
            self.flush()
            self._place = Place("line", element.sourceline or 1)
            self._block(element, depth)
            self.flush()

    def _block(self, element: _Element, depth: int) -> None:
        tag = element.tag
        if tag in _HEADINGS:
            text = _squeeze(_text(element)).replace("\n", " ")
            if text:
                self.outline.heading(int(tag[1]), text, self._place)
        elif tag == "table":
            self._table(element)
        elif tag == "pre":
            self.outline.add(Code("".join(element.itertext()).strip("\n"), self._place))
        elif tag == "img":
            self.outline.add(
                Picture(_squeeze(element.get("alt") or ""), self._place, element.get("src") or "")
            )
        elif tag == "li":
            self._item(element, depth)
        elif depth > _DEEPEST:
            self._loose.append(_text(element))
        else:
            self.children(element, depth + 1)

    def _item(self, element: _Element, depth: int) -> None:
        """A list's item: its own text; lists in it are items one deeper."""
        inner = [child for child in element if child.tag in ("ul", "ol")]
        own = [_one_line(element.text)]
        for child in element:
            is_text = isinstance(child.tag, str) and child not in inner
            own += [_break(child.tag), _text(child), _break(child.tag)] if is_text else []
            own.append(_one_line(child.tail))
        text = _squeeze("".join(own))
        if text:
            nesting = sum(1 for _ in element.iterancestors("ul", "ol")) - 1
            self.outline.add(ListItem(text, self._place, _marker(element), max(0, nesting)))
        for child in inner:
            self._read(child, depth + 1)

    def _table(self, element: _Element) -> None:
        caption = element.find("caption")
        rows = [row for row in element.iter("tr") if next(row.iterancestors("table")) is element]
        cells = [[cell for cell in row if cell.tag in ("td", "th")] for row in rows]
        heads = 0
        while heads < len(cells) and cells[heads] and all(cell.tag == "th" for cell in cells[heads]):
            heads += 1
        made = expand([_cell(cell) for cell in row] for row in cells)
        if any(map(any, made)):
            name = "" if caption is None else _squeeze(_text(caption))
            self.outline.add_table(Table(made, self._place, heads if heads < len(made) else 0, name))

    def flush(self) -> None:
        """Make a paragraph of the text collected."""
        text = _squeeze("".join(self._loose))
        self._loose = []
        if text:
            marked = split_marker(text) if "\n" not in text else None
            self.outline.add(
                ListItem(marked.rest, self._place, marked.marker) if marked else Paragraph(text, self._place)
            )


def _holds_blocks(element: _Element) -> bool:
    return any(
        isinstance(e.tag, str) and e.tag not in _INLINE and e.tag != "br" for e in element.iterdescendants()
    )


def _cell(cell: _Element) -> Cell:
    return Cell(_squeeze(_text(cell)), span(cell.get("rowspan")), span(cell.get("colspan")))


def _marker(item: _Element) -> str:
    """``1.`` in a numbered list, else ``-``."""
    parent = item.getparent()
    if parent is None or parent.tag != "ol":
        return "-"
    start = parent.get("start") or "1"
    first = int(start) if start.isascii() and start.isdigit() and len(start) < 9 else 1
    return f"{first + sum(1 for _ in item.itersiblings('li', preceding=True))}."


def _text(element: _Element) -> str:
    """All text in an element; line breaks and blocks begin a line, cells are set off by a blank."""
    from lxml import etree

    pieces: list[str] = []
    walk = etree.iterwalk(element, events=("start", "end", "comment", "pi"))
    for event, inner in walk:
        is_text = isinstance(inner.tag, str) and inner.tag not in _SILENT
        if event == "start" and not is_text:
            walk.skip_subtree()
        elif event == "start":
            pieces += [_break(inner.tag) if inner is not element else "", _one_line(inner.text)]
        elif inner is not element:
            pieces += [_break(inner.tag) if is_text and inner.tag != "br" else "", _one_line(inner.tail)]
    return "".join(pieces)


def _one_line(text: str | None) -> str:
    return text.replace("\n", " ") if text else ""


def _break(tag: str) -> str:
    if tag in ("td", "th"):
        return " "
    return "" if not isinstance(tag, str) or tag in _INLINE or tag == "img" else "\n"


def _squeeze(text: str) -> str:
    """Runs of blanks as one, no blanks at the ends of lines, no empty lines."""
    lines = (" ".join(line.split()) for line in text.split("\n"))
    return "\n".join(line for line in lines if line)
