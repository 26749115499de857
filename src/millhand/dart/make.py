"""Makes one filing's files: Markdown, sentences and chunks."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec

from millhand.dart.chunks import Chunk, chunks_of, write_chunks
from millhand.dart.filing import Identity, home_of, identify
from millhand.dart.notes import split_notes
from millhand.dart.sentences import TableFacts, facts_of
from millhand.dart.staging import stage
from millhand.documents.document import Document, Reading
from millhand.documents.read import read_document
from millhand.documents.render import to_markdown
from millhand.errors import Finding
from millhand.files import sha256_file
from millhand.text.normal import nfc, slug

CHUNKS, DOCS, FACTS = "chunks", "docs", "facts"
VERSION = "2"  # of what is made of a filing; raised where the same ZIP gives something else


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

    ``chunks_file`` is relative to ``out``; empty where there are no documents. ``files`` are the SHA-256 of
    all that was made, by their names relative to ``out``; ``source_sha256`` is empty where the source was
    changed while it was read.
    """

    documents: tuple[Built, ...] = ()
    chunks_file: str = ""
    findings: tuple[Finding, ...] = ()
    left_out: dict[str, int] = {}
    source_sha256: str = ""
    files: dict[str, str] = {}


def build_file(staged: Path, budget: int, source: Path, target: Path) -> Outcome:
    """Make one filing's documents and chunks, staged below ``staged``; ``target`` notes what was made."""
    before = sha256_file(source)
    reading = _read(source)
    outcome = _made(staged, budget, source, reading)
    if {before, *(document.sha256 for document in reading.documents)} == {sha256_file(source)}:
        outcome = msgspec.structs.replace(outcome, source_sha256=before)
    else:
        outcome = Outcome(findings=(_changed(source),))
    target.write_bytes(msgspec.json.encode(outcome))
    return outcome


def _made(staged: Path, budget: int, source: Path, reading: Reading) -> Outcome:
    chunks: list[Chunk] = []
    built: list[Built] = []
    left_out: Counter[str] = Counter()
    files: dict[str, str] = {}
    identity = identify(reading.documents) if reading.documents else None
    for document in map(split_notes, reading.documents):
        if identity is not None:
            facts, missing = facts_of(document)
            left_out += missing
            made = list(chunks_of(document, identity, facts, budget))
            files |= _write(staged, document, identity, facts)
            built.append(_built(document, identity, facts, made))
            chunks += made
    name = ""
    if identity is not None:
        name = f"{CHUNKS}/{home_of(identity)}/{identity.rcept_no or slug(nfc(source.stem))}.parquet"
        parquet = io.BytesIO()
        write_chunks(parquet, chunks)
        files[name] = stage(staged, name, parquet.getvalue())
    return Outcome(tuple(built), name, reading.findings, dict(left_out), files=files)


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


def _changed(source: Path) -> Finding:
    return Finding(
        id="dart.changed",
        severity="error",
        message="was changed while it was read",
        file=nfc(source.name),
        why="It is missing from the chunks.",
        mend="Build again when it is written.",
    )


def _places(document: Document, identity: Identity) -> tuple[str, str]:
    """Of the Markdown and of the sentences, relative to ``out``."""
    home, name = home_of(identity), slug(document.id)
    return f"{DOCS}/{home}/{name}.md", f"{FACTS}/{home}/{name}.jsonl"


def _write(
    staged: Path, document: Document, identity: Identity, facts: Sequence[TableFacts]
) -> dict[str, str]:
    markdown, lines = _places(document, identity)
    known = {"year": identity.year, "reprt_code": identity.reprt_code}
    told = msgspec.structs.replace(
        document,
        source=Path(document.source).name,
        facts={**document.facts, **{key: value for key, value in known.items() if value}},
    )
    encoded = b"".join(msgspec.json.encode(fact) + b"\n" for table in facts for fact in table.facts)
    return {
        markdown: stage(staged, markdown, to_markdown(told).encode("utf-8")),
        lines: stage(staged, lines, encoded),
    }


def _built(
    document: Document, identity: Identity, facts: Sequence[TableFacts], chunks: Sequence[Chunk]
) -> Built:
    markdown, lines = _places(document, identity)
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
        sum(len(table.facts) for table in facts),
    )
