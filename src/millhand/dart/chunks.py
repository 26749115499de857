"""Two-level chunks of a filing's documents, and the parquet schema that they are kept in.

A section chunk is all of what stands under one heading, up to the next. Its passages are spans of that
text; beside them stand passages of sentences about the section's tables (kind ``facts``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import msgspec

from millhand.dart.filing import Identity
from millhand.dart.passages import Piece, SectionText, passages, section_text
from millhand.dart.sentences import TableFacts
from millhand.documents.document import Block, Document, Section, Table

if TYPE_CHECKING:
    import pyarrow as pa

SCHEMA = "millhand.dart.chunks/1"


class Chunk(msgspec.Struct, frozen=True):
    """A row of the parquet files; docs/dart.md describes each column.

    ``start`` and ``end`` are a passage's span in its parent's text; of ``facts``, that of their table.
    ``first_place`` and ``last_place`` are positions of XML elements in the file, from 1.
    """

    id: str
    parent_id: str | None
    level: Literal["section", "passage"]
    kind: Literal["text", "table", "facts"]
    text: str
    text_sha256: str
    order: int
    start: int
    end: int
    section: int
    section_key: str
    headings: tuple[str, ...]
    first_place: int
    last_place: int
    document_id: str
    document_kind: str
    title: str
    corp_code: str
    corp_name: str
    year: int | None
    reprt_code: str
    report: str
    rcept_no: str
    rcept_dt: str
    period_from: str
    period_to: str
    source: str
    source_sha256: str


def chunks_of(
    document: Document, identity: Identity, facts: Sequence[TableFacts], budget: int
) -> Iterator[Chunk]:
    """All chunks of a document in its order: each section, then its passages."""
    maker = _Maker(document, identity, budget)
    by_section: dict[int, list[TableFacts]] = {}
    for table in facts:
        by_section.setdefault(table.section, []).append(table)
    for index, (path, blocks) in enumerate(sections_of(document)):
        yield from maker.section(index, path, blocks, by_section.get(index, ()))


def sections_of(document: Document) -> Iterator[tuple[tuple[Section, ...], tuple[Block, ...]]]:
    """Each section's path and own blocks; first the blocks that stand before any heading."""
    yield (), document.blocks
    for path in document.paths():
        yield path, path[-1].blocks


class _Maker:
    def __init__(self, document: Document, identity: Identity, budget: int) -> None:
        self._budget, self._order = budget, 0
        self._document_id = document.id
        self._common: dict[str, Any] = {
            "document_id": document.id,
            "document_kind": document.kind,
            "title": document.title,
            "source": Path(document.source).name,
            "source_sha256": document.sha256,
            **msgspec.structs.asdict(identity),
        }

    def section(
        self,
        index: int,
        path: tuple[Section, ...],
        blocks: Sequence[Block],
        facts: Sequence[TableFacts],
    ) -> Iterator[Chunk]:
        """A section's chunk and its passages; nothing where no text stands under its heading."""
        section = section_text(blocks, self._budget)
        if not section.pieces:
            return
        parent = f"{self._document_id}/{index:04}"
        where = {
            "section": index,
            "section_key": next((step.key for step in reversed(path) if step.key), ""),
            "headings": tuple(step.heading for step in path),
        }
        tables = any(isinstance(block, Table) for block in blocks)
        places = section.pieces[0].place, section.pieces[-1].place
        kind: Literal["text", "table"] = "table" if tables else "text"
        yield self._chunk(parent, None, "section", kind, section.text, (0, len(section.text)), places, where)
        for number, found in enumerate(passages(section, self._budget)):
            yield self._chunk(
                f"{parent}/{number:03}",
                parent,
                "passage",
                "table" if found.is_table else "text",
                found.text,
                (found.start, found.end),
                (found.first_place, found.last_place),
                where,
            )
        yield from self._facts(parent, section, facts, where)

    def _facts(
        self, parent: str, section: SectionText, facts: Sequence[TableFacts], where: dict[str, Any]
    ) -> Iterator[Chunk]:
        number = 0
        for table in facts:
            told = _told([fact.sentence for fact in table.facts], table.facts[0].place)
            for found in passages(told, self._budget):
                place = (found.first_place, found.last_place)
                span = section.blocks[table.block]
                name = f"{parent}/f{number:03}"
                yield self._chunk(name, parent, "passage", "facts", found.text, span, place, where)
                number += 1

    def _chunk(
        self,
        name: str,
        parent: str | None,
        level: Literal["section", "passage"],
        kind: Literal["text", "table", "facts"],
        text: str,
        span: tuple[int, int],
        places: tuple[int, int],
        where: dict[str, Any],
    ) -> Chunk:
        self._order += 1
        return Chunk(
            id=name,
            parent_id=parent,
            level=level,
            kind=kind,
            text=text,
            text_sha256=hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest(),
            order=self._order,
            start=span[0],
            end=span[1],
            first_place=places[0],
            last_place=places[1],
            **where,
            **self._common,
        )


def _told(sentences: Sequence[str], place: int) -> SectionText:
    """Sentences as a text whose pieces they are."""
    pieces: list[Piece] = []
    length = 0
    for sentence in sentences:
        pieces.append(Piece(length, length + len(sentence), place))
        length += len(sentence) + 1
    return SectionText("\n".join(sentences), tuple(pieces), ())


def schema() -> pa.Schema:
    """The columns of a chunks file, in order; the version stands in its metadata as ``schema``."""
    import pyarrow as pa

    integers = ("order", "start", "end", "section", "first_place", "last_place", "year")
    empty = ("parent_id", "year")
    fields = []
    for name in Chunk.__struct_fields__:
        kind = pa.int32() if name in integers else pa.string()
        kind = pa.list_(pa.string()) if name == "headings" else kind
        fields.append(pa.field(name, kind, nullable=name in empty))
    return pa.schema(fields, metadata={"schema": SCHEMA})


def write_chunks(file: BinaryIO, chunks: Sequence[Chunk]) -> None:
    """Write chunks as parquet, compressed with zstd."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = Chunk.__struct_fields__
    columns = {name: [getattr(chunk, name) for chunk in chunks] for name in names}
    pq.write_table(pa.Table.from_pydict(columns, schema=schema()), file, compression="zstd")


def read_chunks(folder: Path, *, level: Literal["section", "passage"] | None = None) -> Iterator[Chunk]:
    """The chunks in all parquet files below ``folder``, file by file in the order of their names."""
    import pyarrow.parquet as pq

    for path in sorted(folder.rglob("*.parquet")):
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=1024):
                for row in batch.to_pylist():
                    if level in (None, row["level"]):
                        yield msgspec.convert({name: row[name] for name in Chunk.__struct_fields__}, Chunk)
