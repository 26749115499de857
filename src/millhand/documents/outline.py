"""Builds nested sections out of headings and blocks as they come."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from millhand.documents.document import Block, Paragraph, Place, Section, Table
from millhand.text.numbering import split_number
from millhand.text.units import is_caption, unit_of


@dataclass
class _Open:
    heading: str
    level: int
    place: Place
    key: str = ""
    blocks: list[Block] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)

    def close(self, level: int) -> Section:
        numbered = split_number(self.heading)
        return Section(
            self.heading,
            level,
            self.place,
            numbered.number if numbered else "",
            self.key,
            tuple(self.blocks),
            tuple(self.sections),
        )


class Outline:
    """Takes headings and blocks in the order of the source; a heading ends what is as deep as it, or deeper.

    The order is kept: what follows an inner section belongs to it, as on paper. ``dense`` counts a section's
    level anew from those that it stands in, where levels given are only an order.
    """

    def __init__(self, *, dense: bool = False) -> None:
        self._dense = dense
        self.blocks: list[Block] = []
        self.sections: list[Section] = []
        self._open: list[_Open] = []

    def heading(self, level: int, text: str, place: Place, key: str = "") -> None:
        """Begin a section; ``level`` counts from 1. Levels may be left out: h1, h3 nests."""
        self._close(level)
        self._open.append(_Open(text, level, place, key))

    def add(self, block: Block) -> None:
        """Put a block into the section that is open."""
        (self._open[-1].blocks if self._open else self.blocks).append(block)

    def add_table(self, table: Table) -> None:
        """Put a table into the section that is open; paragraphs above it may be its caption and unit."""
        blocks = self._open[-1].blocks if self._open else self.blocks
        for _ in range(2):
            last = blocks[-1] if blocks else None
            above = _with_line(table, last.text) if isinstance(last, Paragraph) else None
            if above is None:
                break
            table = above
            blocks.pop()
        blocks.append(table)

    def build(self) -> tuple[tuple[Block, ...], tuple[Section, ...]]:
        """The blocks before the first heading, and the sections."""
        self._close(0)
        return tuple(self.blocks), tuple(self.sections)

    def _close(self, level: int) -> None:
        while self._open and self._open[-1].level >= level:
            last = self._open.pop()
            done = last.close(len(self._open) + 1 if self._dense else last.level)
            (self._open[-1].sections if self._open else self.sections).append(done)


def _with_line(table: Table, line: str) -> Table | None:
    """The table with a line above it as its unit or caption; None where it is neither."""
    unit = unit_of(line)
    if unit and not table.unit:
        return msgspec.structs.replace(table, unit=unit)
    if not table.caption and is_caption(line):
        return msgspec.structs.replace(table, caption=line)
    return None
