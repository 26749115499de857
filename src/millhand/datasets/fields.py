"""Every text of a piece by name, with what speaks for it: the heading of its column, the label beside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from msgspec.structs import replace

from millhand.datasets.pieces import Passage, Piece
from millhand.datasets.records import Message, Record, Source, from_messages
from millhand.documents.document import Block, Code, ListItem, Paragraph, Picture, Table
from millhand.text.pii import KINDS, Hit, find_pii, mask


class Field(NamedTuple):
    """A text of a piece: ``output``, ``message 2``, ``block 3, row 2, column 1`` (counted from 1)."""

    name: str
    text: str
    context: str = ""


Edit: TypeAlias = Callable[[Field], str]
Find: TypeAlias = Callable[[Field], list[Hit]]


def personal(one: Field) -> list[Hit]:
    """The personal data in a text, of every kind."""
    return find_pii(one.text, KINDS, context=one.context)


def rewritten(piece: Piece, edit: Edit) -> Piece:
    """The piece with ``edit`` put to each text in it.

    The last exchange of a conversation is one of its messages, and is edited as such. ``title`` is the
    document's, ``section`` are the headings as the source names them: they stand in other pieces too.
    """
    if piece.passage is not None:
        piece = replace(piece, passage=_passage(piece.passage, edit))
    if piece.record is not None:
        piece = replace(piece, record=_record(piece.record, edit))
    return replace(piece, source=_source(piece.source, edit))


def veiled_text(piece: Piece, find: Find = personal) -> str:
    """A piece's text as it may be shown to anyone: each letter and digit of personal data is a star.

    Each text is looked at by itself, since a table's cell as plain text has lost what speaks for it.
    """
    return rewritten(piece, lambda one: mask(one.text, find(one), "shape")).text


def _source(source: Source, edit: Edit) -> Source:
    return replace(source, section=edit(Field("section", source.section))) if source.section else source


def _passage(passage: Passage, edit: Edit) -> Passage:
    return replace(
        passage,
        title=edit(Field("title", passage.title)),
        headings=tuple(edit(Field(f"heading {n}", text)) for n, text in enumerate(passage.headings, 1)),
        blocks=tuple(_block(block, f"block {n}", edit) for n, block in enumerate(passage.blocks, 1)),
    )


def _block(block: Block, name: str, edit: Edit) -> Block:
    match block:
        case Table():
            return _table(block, name, edit)
        case Picture():
            return replace(block, caption=edit(Field(name, block.caption)))
        case Paragraph() | ListItem() | Code():
            return replace(block, text=edit(Field(name, block.text)))


def _table(table: Table, name: str, edit: Edit) -> Table:
    heads = [" ".join(cells) for cells in zip(*table.rows[: max(1, table.header_rows)], strict=True)]
    rows = (
        tuple(
            edit(Field(f"{name}, row {r}, column {c}", cell, _context(heads[c - 1], row[: c - 1])))
            for c, cell in enumerate(row, 1)
        )
        for r, row in enumerate(table.rows, 1)
    )
    return replace(
        table,
        rows=tuple(rows),
        caption=edit(Field(f"{name}, caption", table.caption)),
        unit=edit(Field(f"{name}, unit", table.unit)),
    )


def _context(head: str, left: tuple[str, ...]) -> str:
    """The heading of the column, and the nearest cell to the left that has no digit: a label."""
    label = next((cell for cell in reversed(left) if cell and not any(c.isdigit() for c in cell)), "")
    return f"{head} {label}"


def _record(record: Record, edit: Edit) -> Record:
    def one(name: str, text: str) -> str:
        return edit(Field(name, text)) if text else text

    ends = {name: one(name, getattr(record, name)) for name in ("system", "chosen", "rejected")}
    if record.messages:
        messages = tuple(
            Message(message.role, one(f"message {n}", message.value))
            for n, message in enumerate(record.messages, 1)
        )
        made = from_messages(
            messages, tools=record.tools, source=record.source, kto_tag=record.kto_tag, **ends
        )
    else:
        history = tuple(
            (one(f"history {n}, question", asked), one(f"history {n}, answer", answered))
            for n, (asked, answered) in enumerate(record.history, 1)
        )
        own = {name: one(name, getattr(record, name)) for name in ("instruction", "input", "output")}
        made = replace(record, history=history, **own, **ends)
    source = _source(made.source, edit) if made.source else None
    return replace(made, tools=one("tools", record.tools), source=source)
