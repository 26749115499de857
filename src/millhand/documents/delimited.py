"""CSV and TSV, streamed."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from millhand.documents.header import Cells, put_under, take_header
from millhand.documents.rows import SKIP, RowFile
from millhand.errors import Finding
from millhand.text.encoding import Encoding, detect_encoding
from millhand.text.normal import clean_cell

_DELIMITERS = ",\t;|"
_LONGEST_CELL = (1 << 31) - 1


def open_delimited(path: Path, encoding: str | None = None) -> RowFile:
    """Open a CSV or TSV. Its first row with text is the header.

    Raises:
        FindingsError: It is empty, in another encoding, or its header has a fault.
    """
    found = detect_encoding(path, encoding)
    rows = _read(path, found)
    header = take_header(path.name, rows)
    items = put_under(path.name, header, rows, ragged=True)
    return RowFile(
        path.name, "table", header.columns, items, encoding=found.codec, empty="holds a header and no rows"
    )


def _read(path: Path, encoding: Encoding) -> Iterator[Cells]:
    """Number and cells of each record, empty ones too: a spreadsheet shows them as rows."""
    csv.field_size_limit(_LONGEST_CELL)
    with path.open("rb") as binary:
        binary.seek(encoding.skip_bytes)
        delimiter = _delimiter(path, binary.read(1 << 16).decode(encoding.codec, errors="ignore"))
    with path.open(encoding=_with_mark(encoding), newline="") as file:
        reader = csv.reader(file, delimiter=delimiter, strict=True)
        number = 0
        while True:
            number += 1
            try:
                yield number, [clean_cell(cell) for cell in next(reader)]
            except StopIteration:
                return
            except csv.Error as error:
                yield number, _broken(path.name, number, reader.line_num, error)


def _with_mark(encoding: Encoding) -> str:
    """The codec that leaves the byte-order mark out."""
    if not encoding.skip_bytes:
        return encoding.codec
    return "utf-8-sig" if encoding.codec == "utf-8" else "utf-16"


def _delimiter(path: Path, head: str) -> str:
    """The sign that parts most cells of the first line with text; what stands in quotes does not count."""
    if path.suffix.lower() in (".tsv", ".tab"):
        return "\t"
    line = next((line for line in head.splitlines() if line.strip()), "")
    bare = "".join(_outside_quotes(line.split('"')))
    return max(_DELIMITERS, key=bare.count)


def _outside_quotes(parts: Sequence[str]) -> Sequence[str]:
    return parts[::2]


def _broken(file: str, number: int, line: int, error: csv.Error) -> Finding:
    return Finding(
        id="data.broken-row",
        severity="error",
        message=f"cannot be read as CSV (up to line {line} of the file): {error}",
        file=file,
        row=number,
        why="A quote that is not closed takes all that follows into one cell.",
        mend=f'Close the quote, and double a quote inside of a cell (""), {SKIP}',
    )
