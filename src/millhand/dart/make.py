"""Makes one filing's files: Markdown, sentences and chunks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec

from millhand.dart.chunks import Chunk, chunks_of, write_chunks
from millhand.dart.filing import Identity, home_of, identify
from millhand.dart.notes import split_notes
from millhand.dart.sentences import TableFacts, facts_of
from millhand.documents.document import Document, Reading
from millhand.documents.read import read_document
from millhand.documents.render import to_markdown
from millhand.errors import Finding
from millhand.files import atomic_writer, write_text
from millhand.text.normal import nfc, slug

CHUNKS, DOCS, FACTS = "chunks", "docs", "facts"
VERSION = "1"  # of what is made of a filing; raised where the same ZIP gives something else


class Built(msgspec.Struct, frozen=True):
    """A document that was made; paths are relative to ``out``, with forward slashes."""

    id: str
    title: str
    kind: str
    identity: Identity
    source_sha256: str
    file: str
    facts_file: str
    sections: int
    passages: int
    facts: int


class Outcome(msgspec.Struct, frozen=True):
    """What became of one file: its documents, findings, and numbers left out of the sentences by reason.

    ``chunks_file`` is relative to ``out``; empty where there are no documents.
    """

    documents: tuple[Built, ...] = ()
    chunks_file: str = ""
    findings: tuple[Finding, ...] = ()
    left_out: dict[str, int] = {}


def build_file(out: Path, budget: int, source: Path, target: Path) -> Outcome:
    """Make one filing's documents and chunks below ``out``; ``target`` notes what was made."""
    reading = _read(source)
    chunks: list[Chunk] = []
    built: list[Built] = []
    left_out: Counter[str] = Counter()
    identity = identify(reading.documents) if reading.documents else None
    for document in map(split_notes, reading.documents):
        if identity is not None:
            facts, missing = facts_of(document)
            left_out += missing
            made = list(chunks_of(document, identity, facts, budget))
            built.append(_write(out, document, identity, facts, made))
            chunks += made
    name = ""
    if identity is not None:
        name = f"{CHUNKS}/{home_of(identity)}/{identity.rcept_no or slug(nfc(source.stem))}.parquet"
        with atomic_writer(out / name) as file:
            write_chunks(file, chunks)
    outcome = Outcome(tuple(built), name, reading.findings, dict(left_out))
    target.write_bytes(msgspec.json.encode(outcome))
    return outcome


def _read(source: Path) -> Reading:
    """The documents of a filing; a finding where the file is one of another kind."""
    reading = read_document(source)
    if all(document.kind.startswith("dart") for document in reading.documents):
        return reading
    return Reading(
        (),
        (
            Finding(
                id="dart.no-filing",
                severity="error",
                message="is no filing of DART",
                file=nfc(source.name),
                why="Nothing of it is in the chunks.",
                mend=f"Read it with `millhand docs read {source.name} --out DIR`.",
            ),
        ),
    )


def _write(
    out: Path, document: Document, identity: Identity, facts: Sequence[TableFacts], chunks: Sequence[Chunk]
) -> Built:
    home, name = str(home_of(identity)), slug(document.id)
    markdown, lines = f"{DOCS}/{home}/{name}.md", f"{FACTS}/{home}/{name}.jsonl"
    known = {"year": identity.year, "reprt_code": identity.reprt_code}
    told = msgspec.structs.replace(
        document,
        source=Path(document.source).name,
        facts={**document.facts, **{key: value for key, value in known.items() if value}},
    )
    write_text(out / markdown, to_markdown(told))
    encoded = [msgspec.json.encode(fact) + b"\n" for table in facts for fact in table.facts]
    with atomic_writer(out / lines) as file:
        file.write(b"".join(encoded))
    sections = sum(chunk.level == "section" for chunk in chunks)
    return Built(
        document.id,
        document.title,
        document.kind,
        identity,
        document.sha256,
        markdown,
        lines,
        sections,
        len(chunks) - sections,
        len(encoded),
    )
