"""What the steps of a build work on: passages of documents, and the records that are made of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from millhand.datasets.records import Record, Source
from millhand.documents.document import Block, Code, ListItem, Paragraph, Picture, Table, plain_text
from millhand.files import atomic_writer

Split: TypeAlias = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
Edit: TypeAlias = Callable[[str], str]


class Passage(msgspec.Struct, frozen=True):
    """A section's own text: what stands under one heading, up to the next heading of any level.

    ``title`` is the document's; ``headings`` are those that the section stands in, outermost first,
    its own last; ``key`` names the section the same way in every document of its kind, where one does.
    """

    title: str
    headings: tuple[str, ...]
    blocks: tuple[Block, ...]
    key: str = ""

    @property
    def text(self) -> str:
        """The blocks as plain text, a line feed between them; without the headings."""
        return "\n".join(plain_text(block) for block in self.blocks)


class Piece(msgspec.Struct, frozen=True, omit_defaults=True):
    """One passage or one record on its way through the steps; exactly one of the two is there.

    Args:
        id: The same in every build of the same source: the document's hash and the place in it.
        source: Where it came from. A passage's has no generator yet.
        split: Where it belongs; empty before the step ``split``.
        cluster: Shared by near duplicates that were both kept; empty where there are none.
    """

    id: str
    source: Source
    passage: Passage | None = None
    record: Record | None = None
    split: Split | Literal[""] = ""
    cluster: str = ""

    @property
    def text(self) -> str:
        """All of its text that a model would see, line by line."""
        if self.passage is not None:
            return "\n".join([*self.passage.headings, self.passage.text])
        return "\n".join(self.record.texts()) if self.record else ""


def edited(piece: Piece, edit: Edit) -> Piece:
    """The piece with ``edit`` put to every text in it; its source and id stay."""
    if piece.passage is not None:
        return msgspec.structs.replace(piece, passage=_passage(piece.passage, edit))
    if piece.record is not None:
        return msgspec.structs.replace(piece, record=_record(piece.record, edit))
    return piece


def _passage(passage: Passage, edit: Edit) -> Passage:
    return msgspec.structs.replace(
        passage,
        headings=tuple(edit(heading) for heading in passage.headings),
        blocks=tuple(_block(block, edit) for block in passage.blocks),
    )


def _block(block: Block, edit: Edit) -> Block:
    match block:
        case Table():
            rows = tuple(tuple(edit(cell) for cell in row) for row in block.rows)
            return msgspec.structs.replace(
                block, rows=rows, caption=edit(block.caption), unit=edit(block.unit)
            )
        case Picture():
            return msgspec.structs.replace(block, caption=edit(block.caption))
        case Paragraph() | ListItem() | Code():
            return msgspec.structs.replace(block, text=edit(block.text))


def _record(record: Record, edit: Edit) -> Record:
    return msgspec.structs.replace(
        record,
        instruction=edit(record.instruction),
        input=edit(record.input),
        output=edit(record.output),
        system=edit(record.system),
        history=tuple((edit(asked), edit(answered)) for asked, answered in record.history),
        messages=tuple(msgspec.structs.replace(m, value=edit(m.value)) for m in record.messages),
        chosen=edit(record.chosen),
        rejected=edit(record.rejected),
    )


_decoder = msgspec.json.Decoder(Piece)
_encoder = msgspec.json.Encoder()


def read_pieces(path: Path) -> Iterator[Piece]:
    """The pieces of a shard file, one a line."""
    with path.open("rb") as file:
        for line in file:
            yield _decoder.decode(line)


def write_pieces(path: Path, pieces: Iterator[Piece]) -> int:
    """Write a shard file, whole or not at all; say how many pieces are in it."""
    count = 0
    with atomic_writer(path) as file:
        for piece in pieces:
            file.write(_encoder.encode(piece) + b"\n")
            count += 1
    return count
