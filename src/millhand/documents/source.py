"""A file to read: where it is, and what makes it known again."""

from __future__ import annotations

from pathlib import Path

import msgspec

from millhand.documents.document import Document, Kind
from millhand.documents.outline import Outline
from millhand.errors import Finding
from millhand.files import sha256_file
from millhand.text.language import language_of
from millhand.text.normal import nfc, slug

_SAMPLE_BLOCKS = 400


class Source(msgspec.Struct, frozen=True):
    """A file, its SHA-256 and its size in bytes."""

    path: Path
    sha256: str
    bytes: int

    @property
    def name(self) -> str:
        """The file's name, composed: macOS hands out decomposed Hangul."""
        return nfc(self.path.name)

    @property
    def id(self) -> str:
        """A name for its document: the file's own, and enough of the hash to tell two versions apart."""
        return f"{slug(self.path.stem)}-{self.sha256[:8]}"


def open_source(path: Path) -> Source:
    """Take note of a file.

    Raises:
        OSError: It cannot be read.
    """
    return Source(path, sha256_file(path), path.stat().st_size)


def make_document(
    source: Source,
    kind: Kind,
    title: str,
    outline: Outline,
    *,
    facts: dict[str, str | int] | None = None,
    name: str = "",
) -> Document:
    """A document of what a reader put into ``outline``; ``name`` takes the place of the source's id."""
    blocks, sections = outline.build()
    return with_language(
        Document(
            name or source.id,
            title or nfc(source.path.stem),
            source.path.as_posix(),
            source.sha256,
            source.bytes,
            kind,
            None,
            blocks,
            sections,
            facts or {},
        )
    )


def with_language(document: Document) -> Document:
    """The document with its language, told from its first few hundred blocks."""
    from itertools import islice

    from millhand.documents.document import plain_text

    headings = (path[-1].heading for path in document.paths())
    blocks = (plain_text(block) for _, block in document.walk())
    sample = "\n".join([*islice(headings, _SAMPLE_BLOCKS), *islice(blocks, _SAMPLE_BLOCKS)])
    return msgspec.structs.replace(document, language=language_of(sample))


def broken(source: Source, message: str, mend: str, *, kind: str = "documents.broken-file") -> Finding:
    """The finding of a file of which nothing can be read."""
    return Finding(
        id=kind,
        severity="error",
        message=message,
        file=source.name,
        why="Nothing of it can be read.",
        mend=mend,
    )
