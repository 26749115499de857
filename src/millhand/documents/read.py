"""Reads any document with the reader that its name and content ask for."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from millhand.documents.document import Reading
from millhand.documents.source import Source, broken, open_source
from millhand.documents.tables import DELIMITED, SPREADSHEETS
from millhand.errors import Finding, MissingPackageError
from millhand.text.normal import did_you_mean, nfc

Progress = Callable[[int, int], None]
_PDF = b"%PDF-"


class Format(NamedTuple):
    """A kind of files: its endings and the packages that its reader needs."""

    name: str
    endings: tuple[str, ...]
    packages: tuple[str, ...] = ()


FORMATS = (
    Format("dart", (".zip", ".xml"), ("lxml",)),
    Format("pdf", (".pdf",), ("pypdfium2", "pdfplumber")),
    Format("markdown", (".md", ".markdown"), ("markdown_it", "lxml")),
    Format("html", (".html", ".htm", ".xhtml"), ("lxml",)),
    Format("text", (".txt", ".text")),
    Format("spreadsheet", SPREADSHEETS),
    Format("delimited", DELIMITED),
)
_ENDINGS = tuple(ending for kind in FORMATS for ending in kind.endings)


def read_document(path: Path, *, tables: bool = False, progress: Progress | None = None) -> Reading:
    """Read a file. ``tables`` finds those of PDFs too; ``progress`` is told a PDF's pages, read and all.

    Whatever is wrong with the file is a finding of the answer.

    Raises:
        MissingPackageError: The reader's packages are not installed.
    """
    try:
        source = open_source(path)
    except OSError as error:
        return Reading((), (_absent(path, error),))
    if not source.bytes:
        return Reading((), (broken(source, "is empty", "Check that it is the right file."),))
    found = _format(source)
    if found is None:
        known = ", ".join(_ENDINGS)
        what = f"files of the kind {path.suffix or 'without an ending'!r} are not read"
        return Reading(
            (), (broken(source, what, f"Save it as one of {known}.", kind="documents.unknown-kind"),)
        )
    _require(found)
    return _read(found.name, source, tables=tables, progress=progress)


def readable_files(paths: Iterable[Path]) -> Iterator[Path]:
    """Each file once; a folder stands for the files in it, and below, that a reader knows by their ending."""
    seen: set[Path] = set()
    for path in paths:
        inside = sorted(p for p in path.rglob("*") if p.is_file() and p.suffix.lower() in _ENDINGS)
        for file in inside if path.is_dir() else [path]:
            if file.resolve() not in seen:
                seen.add(file.resolve())
                yield file


def _format(source: Source) -> Format | None:
    with source.path.open("rb") as file:
        head = file.read(1024)
    suffix = ".pdf" if head.startswith(_PDF) else source.path.suffix.lower()
    return next((kind for kind in FORMATS if suffix in kind.endings), None)


def _require(kind: Format) -> None:
    missing = [name for name in kind.packages if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingPackageError(
            f"Reading {kind.endings[0]} files needs {' and '.join(missing)}.",
            mend="pip install 'millhand[documents]'",
        )


def _read(name: str, source: Source, *, tables: bool, progress: Progress | None) -> Reading:
    if name == "pdf":
        from millhand.documents.pdf import read_pdf

        return read_pdf(source, tables=tables, progress=progress)
    if name == "dart":
        from millhand.documents.dart import read_dart

        return read_dart(source)
    return _read_light(name, source)


def _read_light(name: str, source: Source) -> Reading:
    if name == "markdown":
        from millhand.documents.markdown import read_markdown

        return read_markdown(source)
    if name == "html":
        from millhand.documents.html import read_html

        return read_html(source)
    if name == "text":
        from millhand.documents.plain import read_text

        return read_text(source)
    from millhand.documents.tabular import read_delimited, read_spreadsheet

    return read_spreadsheet(source) if name == "spreadsheet" else read_delimited(source)


def _absent(path: Path, error: OSError) -> Finding:
    what, mend = _why_absent(path, error)
    return Finding(
        id="documents.no-file",
        severity="error",
        message=what,
        file=nfc(str(path)),
        why="It is missing from the documents.",
        mend=mend,
    )


def _why_absent(path: Path, error: OSError) -> tuple[str, str]:
    if path.is_symlink() and not path.exists():
        what = f"is a link that leads to nothing: {_target(path)}"
        return what, "Point the link at a file that is there, or put the file itself in its place."
    if not isinstance(error, FileNotFoundError):
        return f"cannot be opened: {error.strerror}", "Check the rights to the file."
    there = sorted(p.name for p in path.parent.glob("*") if p.suffix.lower() in _ENDINGS and p.exists())
    known = did_you_mean(path.name, there)
    return "there is no such file", known or "Check the name, and the folder that it is named from."


def _target(link: Path) -> str:
    """Where a link points, seen from its own folder."""
    target = link.readlink()
    try:
        shown = Path(os.path.relpath(target, link.parent.absolute())) if target.is_absolute() else target
    except ValueError:  # on another drive of Windows
        shown = Path(target.name)
    return nfc(shown.as_posix())
