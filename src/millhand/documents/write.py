"""Reads many files and writes each document as Markdown; a faulty file is listed, the others go on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal, NamedTuple

from millhand.documents.document import Document, Table
from millhand.documents.frontmatter import split_front_matter
from millhand.documents.read import read_document, readable_files
from millhand.documents.render import to_markdown
from millhand.errors import Finding, UsageError
from millhand.files import write_text
from millhand.text.normal import nfc, slug

Progress = Callable[[Path, int, int], None]


class Written(NamedTuple):
    """A document, the Markdown file made of it, and whether that had to be written."""

    id: str
    title: str
    kind: str
    source: str
    file: str
    status: Literal["written", "unchanged"]
    sections: int
    blocks: int
    tables: int


class Result(NamedTuple):
    """What was written, and the findings of all files."""

    documents: tuple[Written, ...]
    findings: tuple[Finding, ...]


def write_documents(
    paths: Iterable[Path], out: Path, *, tables: bool = False, progress: Progress | None = None
) -> Result:
    """Read ``paths`` and write each document to ``out``.

    ``progress`` is told a file, its pages read, and how many it has (0 where it has none). A file is
    written whole or not at all; one that holds the same already is left alone.

    Raises:
        UsageError: ``out`` is a file.
        MissingPackageError: A reader's packages are not installed.
    """
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file.", mend="Name a folder: --out DIR.")
    written: list[Written] = []
    findings: list[Finding] = []
    taken: dict[str, str] = {}
    for path in readable_files(paths):
        told = _telling(path, progress)
        reading = read_document(path, tables=tables, progress=told)
        findings += reading.findings
        for document in reading.documents:
            made = _write(document, out / _name(document, taken))
            written.append(made) if isinstance(made, Written) else findings.append(made)
    return Result(tuple(written), tuple(findings))


def _telling(path: Path, progress: Progress | None) -> Callable[[int, int], None] | None:
    if progress is None:
        return None
    progress(path, 0, 0)
    return lambda done, of: progress(path, done, of)


def _name(document: Document, taken: dict[str, str]) -> str:
    """A filing's receipt number, else the source's own name; where two are alike, with the hash.

    ``taken`` maps names of this call, in lower case, to the hash that has them.
    """
    stem = document.id if "rcept_no" in document.facts else slug(nfc(Path(document.source).stem))
    if taken.setdefault(stem.casefold(), document.sha256) != document.sha256:
        stem = f"{stem}-{document.sha256[:8]}"
    return f"{stem}.md"


def _write(document: Document, file: Path) -> Written | Finding:
    text = to_markdown(document)
    before = file.read_bytes() if file.is_file() else None
    if before is not None and not _is_ours(before):
        return _in_the_way(document, file)
    changed = before != text.encode("utf-8")
    if changed:
        write_text(file, text)
    blocks = [block for _, block in document.walk()]
    return Written(
        document.id,
        document.title,
        document.kind,
        document.source,
        file.as_posix(),
        "written" if changed else "unchanged",
        sum(1 for _ in document.paths()),
        len(blocks),
        sum(isinstance(block, Table) for block in blocks),
    )


def _is_ours(content: bytes) -> bool:
    """Whether a Markdown file was made here: its front matter names its source's hash."""
    return "sha256" in split_front_matter(content.decode("utf-8", errors="replace"))[0]


def _in_the_way(document: Document, file: Path) -> Finding:
    return Finding(
        id="documents.in-the-way",
        severity="error",
        message=f"{file} is there and was not made by `millhand docs read`; it was left as it is",
        file=document.source,
        why="Writing over it would lose what a person wrote.",
        mend="Name another folder with --out, or move that file.",
    )
