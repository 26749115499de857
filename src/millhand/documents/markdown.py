"""Markdown (CommonMark with tables) as documents. markdown-it-py reads it (MIT)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from millhand.documents.document import Code, ListItem, Paragraph, Picture, Place, Reading, Table
from millhand.documents.frontmatter import split_front_matter
from millhand.documents.outline import Outline
from millhand.documents.plain import decoded
from millhand.documents.source import Source, broken, make_document
from millhand.documents.spans import Cell, expand
from millhand.errors import FindingsError

if TYPE_CHECKING:
    from markdown_it.token import Token

_DEEPEST = 100  # blocks within blocks; what is deeper is one paragraph


def read_markdown(source: Source) -> Reading:
    """Headings, paragraphs, lists, tables, code, pictures; the title is the front matter's or the first h1's.

    A line feed within a paragraph is a blank, as Markdown has it. Links keep their text.
    """
    from markdown_it import MarkdownIt

    try:
        facts, body, skipped = split_front_matter(decoded(source))
    except FindingsError as error:
        return Reading((), error.findings)
    if not body.strip():
        return Reading((), (broken(source, "is empty", "Check that it is the right file."),))
    parser = MarkdownIt("commonmark", {"maxNesting": _DEEPEST}).enable("table")
    walk = _Walk(skipped)
    walk.read(parser.parse(body))
    title = facts.get("title")
    first = next((s.heading for s in walk.outline.build()[1] if s.level == 1), "")
    document = make_document(source, "markdown", str(title) if title else first, walk.outline)
    return Reading((document,))


class _Walk:
    """Goes through the tokens, which come flat, and keeps the lists that are open."""

    def __init__(self, skipped: int) -> None:
        self.outline = Outline()
        self._skipped = skipped
        self._lists: list[str] = []  # markers; of a numbered list the next number
        self._item = ""  # the marker that waits for its text
        self._place = Place("line", skipped + 1)

    def read(self, tokens: Sequence[Token]) -> None:
        """Put all that the tokens say into the outline."""
        at = 0
        while at < len(tokens):
            token = tokens[at]
            if token.map:
                self._place = Place("line", token.map[0] + 1 + self._skipped)
            if token.type == "table_open":
                at = self._table(tokens, at)
            elif token.type == "heading_open":
                text = " ".join(plain(tokens[at + 1]).split())
                self.outline.heading(int(token.tag[1:]), text, self._place)
                at += 1
            else:
                self._block(token)
            at += 1

    def _block(self, token: Token) -> None:
        kind = token.type
        if kind in ("bullet_list_open", "ordered_list_open"):
            self._lists.append(str(token.attrs.get("start", 1)) if kind[0] == "o" else "")
        elif kind in ("bullet_list_close", "ordered_list_close"):
            self._lists.pop()
        elif kind == "list_item_open":
            self._begin_item(token)
        elif kind == "inline":
            self._text(token)
        elif kind in ("fence", "code_block"):
            text = token.content.removesuffix("\n")
            self.outline.add(Code(text, self._place, (token.info.split() or [""])[0]))
        elif kind == "html_block":
            self._html(token.content)

    def _begin_item(self, token: Token) -> None:
        number = self._lists[-1]
        self._item = f"{number}{token.markup}" if number else token.markup
        self._lists[-1] = str(int(number) + 1) if number else ""

    def _text(self, token: Token) -> None:
        pictures = [child for child in token.children or () if child.type == "image"]
        text = plain(token).strip()
        if self._item:
            self.outline.add(ListItem(text, self._place, self._item, len(self._lists) - 1))
            self._item = ""
        elif pictures and len(token.children or ()) == 1:
            self.outline.add(Picture(text, self._place, str(pictures[0].attrs.get("src", ""))))
        elif text:
            self.outline.add(Paragraph(text, self._place))

    def _html(self, content: str) -> None:
        from millhand.documents.html import text_of

        text = text_of(content)
        if text:
            self.outline.add(Paragraph(text, self._place))

    def _table(self, tokens: Sequence[Token], at: int) -> int:
        """Read a table; the position of the token that closes it."""
        rows: list[list[Cell]] = []
        while tokens[at].type != "table_close":
            if tokens[at].type == "tr_open":
                rows.append([])
            elif tokens[at].type == "inline":
                rows[-1].append(Cell(plain(tokens[at]).strip()))
            at += 1
        self.outline.add_table(Table(expand(rows), self._place, 1))
        return at


def plain(token: Token) -> str:
    """An inline token's text: code and links keep their text, a hard break is a line feed."""
    return "".join(_pieces(token.children or ()))


def _pieces(tokens: Sequence[Token]) -> Iterator[str]:
    for token in tokens:
        if token.type == "softbreak":
            yield " "
        elif token.type == "hardbreak" or token.content.lower() in ("<br>", "<br/>", "<br />"):
            yield "\n"
        elif token.type == "image":
            yield plain(token)
        elif token.type != "html_inline":
            yield token.content
