"""CSV as LLaMA-Factory has it: read by pandas with its defaults, 10,000 rows at a time.

Commas and UTF-8 alone; names and cells keep their blanks; some words are nothing; a column of numbers, or of
true and false, is no text; and the first rows settle what a column is (pandas/_libs/parsers.pyx,
datasets/packaged_modules/csv/csv.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from millhand.documents.header import empty_file
from millhand.documents.rows import BadRow, Row
from millhand.errors import Finding, FindingsError

_CHUNK = 10_000
_LONGEST_CELL = (1 << 31) - 1
# pandas/_libs/parsers.pyx, STR_NA_VALUES
_NOTHING = frozenset(
    (
        *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>"),
        *("N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
    )
)
_NUMBER = re.compile(r"\s*[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|inf|infinity)\s*", re.I | re.A)
_TRUTH = {"True": True, "TRUE": True, "true": True, "False": False, "FALSE": False, "false": False}
_END = "\ue000"  # a line behind the last one: a quote that is still open swallows it
Maker = Callable[[str], Any]


class _Record(NamedTuple):
    number: int
    line: int
    cells: Sequence[str]


class CsvRows:
    """The rows of a file, to be gone through once; numbers count its records, of which the header is one.

    ``line`` is where the row at hand begins, ``late`` are the columns with nothing in the first rows and text
    in later ones: they are numbers by then.

    Raises:
        FindingsError: There is no header.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.line, self.late = path, 0, set[str]()
        self._first: dict[str, Maker | None] = {}

    def __iter__(self) -> Iterator[Row | BadRow]:
        with self.path.open(encoding="utf-8-sig", newline="") as file:
            records = _records(file)
            header = next(records, None)
            if header is None:
                raise FindingsError([empty_file(self.path.name)])
            yield from self._rows(_names(header.cells), records)

    def _rows(self, names: Sequence[str], records: Iterator[_Record]) -> Iterator[Row | BadRow]:
        chunk = list(islice(records, _CHUNK))
        width = max(len(chunk[0].cells), len(names)) if chunk else 0
        while chunk:
            # pandas takes the first columns for an index where the first row has more cells than the header
            cells = [record.cells[width - len(names) : width] for record in chunk]
            makers = self._makers(names, cells)
            for record, own in zip(chunk, cells, strict=True):
                self.line = record.line
                filled = [*own, *[""] * (len(names) - len(own))]
                values = {name: make(cell) for (name, make), cell in zip(makers, filled, strict=True)}
                yield _row(record, width, values)
            chunk = list(islice(records, _CHUNK))

    def _makers(self, names: Sequence[str], rows: Sequence[Sequence[str]]) -> list[tuple[str, Maker]]:
        """What makes each column's values of its cells."""
        found = []
        for index, name in enumerate(names):
            made = _maker({row[index] for row in rows if len(row) > index} - _NOTHING)
            first = self._first.setdefault(name, made)
            if made is _text and first is None:
                self.late.add(name)
            found.append((name, _text if first is _text else made or _text))
        return found


def _records(file: TextIO) -> Iterator[_Record]:
    """Every record, the blank ones apart; a quote that is never closed is the finding of the last."""
    import csv  # most datasets are no CSV

    csv.field_size_limit(_LONGEST_CELL)
    reader, line = csv.reader(_lines(file)), 1
    for number, cells in enumerate(reader, 1):
        if cells == [_END]:
            return
        if any(cell.strip() for cell in cells) or len(cells) > 1:
            yield _Record(number, line, cells)
        line = reader.line_num + 1


def _lines(file: Iterable[str]) -> Iterator[str]:
    for line in file:
        yield line if line.endswith(("\n", "\r")) else f"{line}\n"
    yield _END


def _names(cells: Sequence[str]) -> list[str]:
    """The names that pandas gives columns; one that stands twice gets a number."""
    names: list[str] = []
    for index, cell in enumerate(cells):
        name, times = cell or f"Unnamed: {index}", 0
        while name in names:
            times += 1
            name = f"{cell}.{times}"
        names.append(name)
    return names


def _row(record: _Record, width: int, values: dict[str, Any]) -> Row | BadRow:
    if record.cells and record.cells[-1].endswith(_END):
        return _bad(record.number, "data.open-quote")
    if len(record.cells) > width:
        return _bad(record.number, "data.ragged-row")
    return Row(record.number, values)


def _bad(number: int, name: str) -> BadRow:
    return BadRow(number, "", Finding(id=name, severity="error", message=name, row=number))


def _maker(cells: set[str]) -> Maker | None:
    """What makes values of the cells of a column; None where there is nothing in any."""
    if not cells:
        return None
    if all(map(_NUMBER.fullmatch, cells)):
        whole = [int(cell) for cell in cells if cell.strip().lstrip("+-").isdecimal()]
        fits = len(whole) < len(cells) or all(-(1 << 63) <= number < 1 << 64 for number in whole)
        return _number if fits else _text
    return _truth if cells <= _TRUTH.keys() else _text


def _text(cell: str) -> str | None:
    return None if cell in _NOTHING else cell


def _number(cell: str) -> float | None:
    return None if cell in _NOTHING else float(cell)


def _truth(cell: str) -> bool | None:
    return None if cell in _NOTHING else _TRUTH[cell]
