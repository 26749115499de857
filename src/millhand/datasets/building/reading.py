"""A source file -> pieces: a document's passages, or a table's rows as records."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import msgspec

from millhand.datasets import info
from millhand.datasets.pieces import Passage, Piece, write_pieces
from millhand.datasets.reading import record_reader
from millhand.datasets.recipe import RecipeSource
from millhand.datasets.records import Source
from millhand.datasets.shapes import make_plan, peek
from millhand.datasets.writer import ORDER
from millhand.documents.document import Document, Section
from millhand.documents.rows import BadRow
from millhand.documents.tables import JSON, PARQUET, SPREADSHEETS
from millhand.errors import Finding, FindingsError, MillhandError, UsageError
from millhand.files import sha256_file
from millhand.text.normal import did_you_mean, nfc, slug
from millhand.text.pii import veiled

REVISION = 1  # goes up when the same files come to give other pieces
_MOST_FINDINGS = 100  # of one file; their number is told


class Read(msgspec.Struct, frozen=True):
    """What came of a file: its hash and size in bytes, its pieces, and what was wrong with it."""

    sha256: str
    bytes: int
    pieces: int
    findings: tuple[Finding, ...] = ()


def read_source(spec: RecipeSource, path: Path, output: Path) -> Read:
    """Write the pieces of ``path`` to ``output``. Whatever is wrong with the file is a finding."""
    found: list[Finding] = []
    try:
        sha256, size = sha256_file(path), path.stat().st_size
        pieces = _records(spec, path, sha256, found) if of_rows(spec, path) else _passages(spec, path, found)
        return Read(sha256, size, write_pieces(output, pieces), _capped(found))
    except (MillhandError, OSError) as error:
        found += _as_findings(error, path)
        return Read("", 0, write_pieces(output, iter(())), _capped(found))


def of_rows(spec: RecipeSource, path: Path) -> bool:
    """Whether the rows of a file are records; a JSONL or parquet has nothing else in it."""
    if spec.rows is not None:
        return spec.rows
    return bool(spec.map) or path.suffix.lower() in (*JSON, *PARQUET)


def _passages(spec: RecipeSource, path: Path, found: list[Finding]) -> Iterator[Piece]:
    from millhand.documents.read import read_document

    reading = read_document(path, tables=spec.tables)
    found += reading.findings
    found += _idle(spec, path)
    for document in reading.documents:
        yield from _of_document(_only_sheet(document, spec.sheet, path), spec.licence)


def _only_sheet(document: Document, sheet: str | None, path: Path) -> Document:
    """The document less the sheets that were not asked for; a sheet is a section."""
    if sheet is None or path.suffix.lower() not in SPREADSHEETS:
        return document
    kept = tuple(section for section in document.sections if section.heading == nfc(sheet))
    if not kept:
        names = [section.heading for section in document.sections]
        mend = did_you_mean(sheet, names) or f"It has: {', '.join(names)}."
        raise UsageError(f"there is no sheet {sheet!r} with something in it", mend=mend)
    return msgspec.structs.replace(document, blocks=(), sections=kept)


def _idle(spec: RecipeSource, path: Path) -> Iterator[Finding]:
    """Words of the recipe that mean nothing for this file: who wrote them expects otherwise."""
    sheet = spec.sheet if path.suffix.lower() not in SPREADSHEETS else None
    for name, value in (("sheet", sheet), ("encoding", spec.encoding), ("system", spec.system)):
        if value:
            yield Finding(
                id="data.idle-word",
                severity="warning",
                message=f"{name}: {value} changes nothing here: it is read as a document, not as rows",
                file=nfc(path.name),
                why="It counts for tables whose rows are records.",
                mend="Take it out, or say `map:` or `rows: true`.",
            )


def _of_document(document: Document, licence: str) -> Iterator[Piece]:
    if document.blocks:
        yield _piece(document, 0, Passage(document.title, (), document.blocks), "", licence)
    for number, path in enumerate(document.paths(), 1):
        if path[-1].blocks:
            headings = tuple(section.heading for section in path)
            passage = Passage(document.title, headings, path[-1].blocks, path[-1].key)
            yield _piece(document, number, passage, _place(path[-1]), licence)


def _place(section: Section) -> str:
    return str(section.blocks[0].place)


def _piece(document: Document, number: int, passage: Passage, place: str, licence: str) -> Piece:
    source = Source(
        document=document.id,
        sha256=document.sha256,
        place=place or str(passage.blocks[0].place),
        section=" > ".join(passage.headings),
        licence=licence,
    )
    return Piece(f"{document.id}:{number:04}", source, passage=passage)


def _records(spec: RecipeSource, path: Path, sha256: str, found: list[Finding]) -> Iterator[Piece]:
    from millhand.documents.tables import open_rows

    file = open_rows(path, encoding=spec.encoding, sheet=spec.sheet)
    first, file = peek(file)
    plan = make_plan(file, first, wanted=spec.map or None, system=spec.system)
    as_record = record_reader(info.make_entry("", plan.format, ORDER, ranking=plan.ranking))
    head = f"{slug(path.stem)}-{sha256[:8]}"
    for item in file.items:
        row = item.finding if isinstance(item, BadRow) else plan.convert(item.values)
        if isinstance(row, dict) and (record := as_record(row)):
            yield Piece(f"{head}:{item.number}", _row_source(path, sha256, item.number, spec), record=record)
        elif isinstance(row, list):
            found += [fault.at(file.name, item.number) for fault in row]
        elif isinstance(row, Finding):
            found.append(row)


def _row_source(path: Path, sha256: str, row: int, spec: RecipeSource) -> Source:
    return Source(nfc(path.name), sha256, row, licence=spec.licence)


def _as_findings(error: MillhandError | OSError, path: Path) -> list[Finding]:
    if isinstance(error, FindingsError):
        return list(error.findings)
    if isinstance(error, MillhandError):
        return [_unreadable(path, error.message, error.mend)]
    return [_unreadable(path, f"cannot be opened: {error.strerror}", "Check the rights to the file.")]


def _unreadable(path: Path, message: str, mend: str) -> Finding:
    return Finding(
        id="documents.unreadable",
        severity="error",
        message=message,
        file=nfc(path.name),
        why="It is missing from the dataset; the other files are in it.",
        mend=mend,
    )


def _capped(every: list[Finding]) -> tuple[Finding, ...]:
    """The first of a file's findings; they are kept with the dataset, so no personal data is in them."""
    found = [dataclasses.replace(one, message=veiled(one.message)) for one in every[: _MOST_FINDINGS + 1]]
    if len(found) <= _MOST_FINDINGS:
        return tuple(found)
    more = Finding(
        id="data.more-faults",
        severity="error",
        message=f"and {len(every) - _MOST_FINDINGS:,} more faults of this file",
        file=found[0].file,
    )
    return (*found[:_MOST_FINDINGS], more)
