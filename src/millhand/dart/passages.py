"""Cuts a section's text into passages: at sentences, paragraphs and table rows, within a budget.

No text is lost or moved: each passage is a span of its section's text, the spans follow each other, and
between them stand only blanks. A passage that begins inside a table repeats the table's unit and header in
front of its span.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from millhand.documents.document import Block, Table, plain_text

BUDGET = 1000  # characters of a passage, with what it repeats: about 500 to 700 tokens of Korean
LEAST_BUDGET = 200
_PARTING = " | "
# Where a text may be cut, best first: lines, sentences (also "…습니다.당사는"), cells, words.
_CUTS = (
    re.compile(r"\n"),
    re.compile(r"[.!?。][\"'”’)\]]*(?=\s)|(?<=[다요음함임됨])\.(?=\S)"),
    re.compile(r" \|(?= )"),
    re.compile(r"\s"),
)


class Piece(NamedTuple):
    """What is not cut unless it is longer than the budget: a paragraph, an item, a row of a table.

    ``start`` and ``end`` are its span in the section's text; ``head`` is what a passage that begins with
    it repeats; ``place`` is the position of its block.
    """

    start: int
    end: int
    place: int
    is_table: bool = False
    head: str = ""


class SectionText(NamedTuple):
    """A section's own text, and its pieces in order. ``blocks`` gives each block's span."""

    text: str
    pieces: tuple[Piece, ...]
    blocks: tuple[tuple[int, int], ...]


class Passage(NamedTuple):
    """A span of a section's text; ``text`` is ``head`` and that span."""

    text: str
    start: int
    end: int
    first_place: int
    last_place: int
    is_table: bool


def section_text(blocks: Sequence[Block], budget: int = BUDGET) -> SectionText:
    """The text of a section's blocks, a line feed between pieces; blocks without text are left out."""
    lines: list[str] = []
    pieces: list[Piece] = []
    spans: list[tuple[int, int]] = []
    length = 0
    for block in blocks:
        begin = length
        for line, head, is_table in _lines(block, budget):
            if line.strip():
                pieces.append(Piece(length, length + len(line), block.place.number, is_table, head))
                lines.append(line)
                length += len(line) + 1
        spans.append((begin, max(begin, length - 1)))
    return SectionText("\n".join(lines), tuple(pieces), tuple(spans))


def passages(section: SectionText, budget: int = BUDGET) -> Iterator[Passage]:
    """A section's passages, in order; none is longer than ``budget``."""
    open_ = _Open(section.text, budget)
    for piece in section.pieces:
        if piece.end - piece.start + _headed(piece) > budget:
            yield from open_.close()
            yield from _cut(section.text, piece, budget)
        else:
            if not open_.has_room(piece):
                yield from open_.close()
            open_.pieces.append(piece)
    yield from open_.close()


@dataclass
class _Open:
    """The passage that is being filled."""

    text: str
    budget: int
    pieces: list[Piece] = field(default_factory=list)

    def has_room(self, piece: Piece) -> bool:
        """Whether a piece still fits; one always fits in an empty passage."""
        if not self.pieces:
            return True
        first = self.pieces[0]
        return piece.end - first.start + _headed(first) <= self.budget

    def close(self) -> Iterator[Passage]:
        """The passage, if there is anything in it."""
        if self.pieces:
            first, last = self.pieces[0], self.pieces[-1]
            own = self.text[first.start : last.end]
            told = f"{first.head}\n{own}" if first.head else own
            tables = any(piece.is_table for piece in self.pieces)
            yield Passage(told, first.start, last.end, first.place, last.place, tables)
            self.pieces = []


def _headed(piece: Piece) -> int:
    return len(piece.head) + 1 if piece.head else 0


def _cut(text: str, piece: Piece, budget: int) -> Iterator[Passage]:
    """The parts of a piece that is longer than the budget."""
    room = budget - _headed(piece)
    for start, end in cuts(text, piece.start, piece.end, room):
        own = text[start:end]
        told = f"{piece.head}\n{own}" if piece.head else own
        yield Passage(told, start, end, piece.place, piece.place, piece.is_table)


def cuts(text: str, start: int, end: int, room: int) -> Iterator[tuple[int, int]]:
    """Spans of ``text[start:end]``, none longer than ``room``; between them stand only blanks.

    They are about equally long, so that no crumb is left at the end.
    """
    while start < end:
        while start < end and text[start].isspace():
            start += 1
        stop = end if end - start <= room else _best_cut(text, start, start + _share(end - start, room))
        last = stop
        while last > start and text[last - 1].isspace():
            last -= 1
        if last > start:
            yield start, last
        start = stop


def _share(length: int, room: int) -> int:
    """How much of a text is for the next part: an equal share of as few parts as can be, and some room."""
    parts = -(-length // room)
    return min(room, length // parts + room // 8)


def _best_cut(text: str, start: int, limit: int) -> int:
    """Where to end a part that begins at ``start``: at the best kind of cut in the window's second half."""
    least = start + (limit - start) // 2
    for pattern in _CUTS:
        found = [match.end() for match in pattern.finditer(text, least, limit)]
        if found:
            return found[-1]
    return limit


def _lines(block: Block, budget: int) -> Iterator[tuple[str, str, bool]]:
    """A block's pieces: text, what a passage that begins with it repeats, whether it is a table's."""
    if isinstance(block, Table):
        yield from _table_lines(block, budget)
    else:
        yield plain_text(block), "", False


def _table_lines(table: Table, budget: int) -> Iterator[tuple[str, str, bool]]:
    """A table's rows, the first with caption, unit and header before it; the others repeat these."""
    rows, count = table.rows, table.header_rows
    if len(_line(header(rows[:count]))) > budget // 2 and len(rows[0]) > len(rows):
        rows, count = turned(rows, count), 1
    unit = f"({table.unit})" if table.unit else ""
    top = _line(header(rows[:count])) if count else ""
    head = _shortened("\n".join(line for line in (unit, top) if line), budget // 2)
    first = [line for line in (table.caption, unit, top) if line]
    body = [line for row in rows[count:] if (line := _line(row)).strip(" |")]
    opening = "\n".join([*first, *body[:1]])
    if len(opening) <= budget:
        yield opening, "", True
    else:
        yield from ((line, "", True) for line in first)
        yield from ((line, head, True) for line in body[:1])
    yield from ((line, head, True) for line in body[1:])


def header(rows: Sequence[Sequence[str]]) -> list[str]:
    """One header of several rows: ``2023년 / 금액``."""
    joined = []
    for column in zip(*rows, strict=True):
        joined.append(" / ".join(dict.fromkeys(name for cell in column if (name := _one_line(cell)))))
    return joined


def turned(rows: Sequence[Sequence[str]], head: int) -> tuple[tuple[str, ...], ...]:
    """A table on its side, for one that is wider than long: its header becomes the first column."""
    lines = [header(rows[:head]), *(list(map(_one_line, row)) for row in rows[head:])]
    return tuple(zip(*lines, strict=True))


def _line(row: Sequence[str]) -> str:
    return _PARTING.join(map(_one_line, row))


def _one_line(cell: str) -> str:
    return " ".join(cell.split()) if "\n" in cell else cell.strip()


def _shortened(head: str, most: int) -> str:
    """A header that is repeated: cut at a cell where it would take more than half of the budget."""
    if len(head) <= most:
        return head
    cut = head.rfind(_PARTING, 0, most - 2)
    return f"{head[: cut if cut > 0 else most - 2]} …"
