"""A document as Millhand sees any source: nested sections of blocks, each with the place it came from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypeAlias

import msgspec

from millhand.errors import Finding

Kind = Literal["dart", "dart-audit", "dart-audit-consolidated", "pdf", "markdown", "html", "text", "table"]


class Place(msgspec.Struct, frozen=True):
    """Where in its source a block stands, counted from 1 as a person counts.

    ``element`` is the position of an XML or HTML element in the order of the file.
    """

    unit: Literal["page", "line", "row", "element"]
    number: int

    def __str__(self) -> str:
        return f"{self.unit} {self.number}"


class Paragraph(msgspec.Struct, frozen=True, tag="paragraph"):
    """Running text. Line feeds in it are breaks that the source made on purpose."""

    text: str
    place: Place


class ListItem(msgspec.Struct, frozen=True, tag="item"):
    """An item of a list; ``marker`` as it stood (``1.``, ``①``, ``-``), ``depth`` from 0."""

    text: str
    place: Place
    marker: str = "-"
    depth: int = 0


class Table(msgspec.Struct, frozen=True, tag="table"):
    """A table in which each cell that spanned others is repeated in all of them, so rows are equally long.

    ``unit`` is the line that says in what the numbers are counted, without its brackets
    (``단위 : 백만원``).
    """

    rows: tuple[tuple[str, ...], ...]
    place: Place
    header_rows: int = 0
    caption: str = ""
    unit: str = ""


class Code(msgspec.Struct, frozen=True, tag="code"):
    """Preformatted text, kept sign by sign."""

    text: str
    place: Place
    language: str = ""


class Picture(msgspec.Struct, frozen=True, tag="picture"):
    """A picture that stands in the source; only its caption and file name are text."""

    caption: str
    place: Place
    name: str = ""


Block: TypeAlias = Paragraph | ListItem | Table | Code | Picture


class Section(msgspec.Struct, frozen=True):
    """A heading and what stands under it, up to the next heading of its level or a higher one.

    ``heading`` is whole, with its number; ``number`` is that number alone. ``key`` names the section
    the same way in every document of its kind (DART's ``D-0-2-0-0``), where there is such a name.
    """

    heading: str
    level: int
    place: Place
    number: str = ""
    key: str = ""
    blocks: tuple[Block, ...] = ()
    sections: tuple[Section, ...] = ()


class Document(msgspec.Struct, frozen=True):
    """One source, read.

    ``sha256`` and ``bytes`` are of the file at ``source``. ``blocks`` stand before the first heading.
    ``facts`` are what the source says of itself, by the names that the reader documents.
    """

    id: str
    title: str
    source: str
    sha256: str
    bytes: int
    kind: Kind
    language: str | None = None
    blocks: tuple[Block, ...] = ()
    sections: tuple[Section, ...] = ()
    facts: dict[str, str | int] = {}

    def walk(self) -> Iterator[tuple[tuple[Section, ...], Block]]:
        """Every block in the order of the source, with the sections that it stands in, outermost first."""
        for block in self.blocks:
            yield (), block
        for path in self.paths():
            for block in path[-1].blocks:
                yield path, block

    def paths(self) -> Iterator[tuple[Section, ...]]:
        """Every section in the order of the source, behind those that it stands in."""
        stack: list[tuple[Section, ...]] = [(section,) for section in reversed(self.sections)]
        while stack:
            path = stack.pop()
            yield path
            stack.extend((*path, inner) for inner in reversed(path[-1].sections))

    def tables(self) -> Iterator[Table]:
        """Every table in the order of the source."""
        return (block for _, block in self.walk() if isinstance(block, Table))

    def text(self) -> str:
        """All of its text without markup: headings, and each block's text, a line each."""
        lines = [plain_text(block) for block in self.blocks]
        for path in self.paths():
            lines.append(path[-1].heading)
            lines.extend(plain_text(block) for block in path[-1].blocks)
        return "\n".join(lines)


class Reading(msgspec.Struct, frozen=True):
    """What came of reading a file: its documents, and findings of what could not be read.

    A DART filing holds several documents. There is none where a finding is an error of the whole file.
    """

    documents: tuple[Document, ...] = ()
    findings: tuple[Finding, ...] = ()


def plain_text(block: Block) -> str:
    """A block's text without markup; a table's cells are parted by tabs, its rows by line feeds."""
    if isinstance(block, Table):
        above = [line for line in (block.caption, block.unit) if line]
        return "\n".join([*above, *("\t".join(row) for row in block.rows)])
    if isinstance(block, ListItem):
        return f"{block.marker} {block.text}"
    return block.caption if isinstance(block, Picture) else block.text
