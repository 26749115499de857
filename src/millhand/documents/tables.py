"""Opens any file of rows with the reader that its name and content ask for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from millhand.documents.header import empty_file
from millhand.documents.rows import BadRow, RowFile
from millhand.errors import Finding, FindingsError, UsageError
from millhand.text.normal import did_you_mean

DELIMITED = (".csv", ".tsv", ".tab")
JSON = (".json", ".jsonl", ".ndjson")
SPREADSHEETS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
PARQUET = (".parquet", ".pq")
# How a zip archive, which an xlsx is, and an old Office file begin.
_BINARY = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")


def open_rows(path: Path, *, encoding: str | None = None, sheet: str | None = None) -> RowFile:
    """Open a file of rows: spreadsheet, CSV, TSV, JSON, JSONL or parquet.

    ``encoding`` (of CSV and JSON) is found out where it is not given; ``sheet`` (of a spreadsheet) is
    then the first with rows.

    Raises:
        UsageError: There is no such file, sheet or encoding, or its kind is none of these.
        FindingsError: It is empty, or broken so that no row can be read.
    """
    check_readable(path)
    suffix = path.suffix.lower()
    if suffix in DELIMITED:
        from millhand.documents.delimited import open_delimited

        return open_delimited(path, encoding)
    if suffix in JSON:
        from millhand.documents.jsonfile import open_json

        return open_json(path, encoding)
    if suffix in PARQUET:
        from millhand.documents.parquet import open_parquet

        return open_parquet(path)
    from millhand.documents.spreadsheet import open_spreadsheet

    return open_spreadsheet(path, sheet)


def check_readable(path: Path) -> None:
    """Check that ``path`` is a file of a kind that can be read and is not empty.

    Raises:
        UsageError: It is not there, no file, or of another kind.
        FindingsError: It is empty.
    """
    if path.is_dir():
        raise UsageError(f"{path} is a folder.", mend="Name one file: `millhand data add FOLDER/FILE`.")
    if not path.is_file():
        there = sorted(other.name for other in path.parent.glob("*")) if path.parent.is_dir() else []
        raise UsageError(f"There is no file {path}. {did_you_mean(path.name, there)}".rstrip())
    known = (*DELIMITED, *JSON, *SPREADSHEETS, *PARQUET)
    if path.suffix.lower() not in known:
        raise UsageError(
            f"{path.name}: files of the kind {path.suffix or 'without an ending'!r} are not read.",
            mend=f"Save it as one of {', '.join(known)}.",
        )
    if path.stat().st_size == 0:
        raise FindingsError([empty_file(path.name)])
    if path.suffix.lower() in (*DELIMITED, *JSON):
        _refuse_spreadsheet(path)


def _refuse_spreadsheet(path: Path) -> None:
    """A spreadsheet with the name of a text file would be told as a wrong encoding."""
    with path.open("rb") as file:
        if not file.read(4).startswith(_BINARY):
            return
    finding = Finding(
        id="data.broken-file",
        severity="error",
        message=f"is a spreadsheet with the name of a {path.suffix} file",
        file=path.name,
        why="It cannot be read as text.",
        mend=f"Rename it to {path.stem}.xlsx (or .xls) and add that.",
    )
    raise FindingsError([finding])


def whole_rows(file: RowFile) -> Iterator[dict[str, Any]]:
    """The rows of a file that must be whole.

    Raises:
        FindingsError: A row cannot be read.
    """
    for item in file.items:
        if isinstance(item, BadRow):
            raise FindingsError([item.finding])
        yield item.values
