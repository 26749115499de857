"""A table's header and its rows: names checked, cells put under them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import NamedTuple

from millhand.documents.rows import SKIP, BadRow, Item, Row, shorten
from millhand.errors import Finding, FindingsError
from millhand.text.normal import clean_cell

# What a reader makes of a file: a row's number, and its cells or what is wrong with them.
Cells = tuple[int, Sequence[str] | Finding]


class Header(NamedTuple):
    """Where the header stands and the names of the columns, empty where a cell is."""

    row: int
    names: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The names that there are."""
        return tuple(name for name in self.names if name)


def letter(index: int) -> str:
    """The spreadsheet's name of a column: 0 -> A, 26 -> AA."""
    name, index = "", index + 1
    while index:
        index, rest = divmod(index - 1, 26)
        name = chr(ord("A") + rest) + name
    return name


def take_header(file: str, rows: Iterator[Cells]) -> Header:
    """Take the first row that is not empty off ``rows`` as the header.

    Raises:
        FindingsError: There is no row at all, it is broken, or two columns have one name.
    """
    for number, cells in rows:
        if isinstance(cells, Finding):
            raise FindingsError([cells])
        names = tuple(clean_cell(cell) for cell in cells)
        if any(names):
            _check_unique(file, number, names)
            return Header(number, names)
    raise FindingsError([empty_file(file)])


def empty_file(file: str) -> Finding:
    """The finding of a file in which nothing stands."""
    return Finding(
        id="data.empty-file",
        severity="error",
        message="is empty",
        file=file,
        why="There is nothing to train on.",
        mend="Check that the export finished, and name the right file "
        "(or its sheet: `sheet:` in dataset.yaml, or --sheet).",
    )


def _check_unique(file: str, row: int, names: tuple[str, ...]) -> None:
    places = defaultdict(list)
    for index, name in enumerate(names):
        places[name].append(letter(index))
    findings = [
        Finding(
            id="data.duplicate-column",
            severity="error",
            message=f"the name {name!r} stands over columns {' and '.join(where)}",
            file=file,
            row=row,
            column=name,
            why="Which of them is meant cannot be told.",
            mend="Give each column a name of its own in the header, and add the file again.",
        )
        for name, where in places.items()
        if name and len(where) > 1
    ]
    if findings:
        raise FindingsError(findings)


def put_under(file: str, header: Header, rows: Iterable[Cells], *, ragged: bool) -> Iterator[Item]:
    """Put each row's cells under their names; rows without any text are left out.

    ``ragged`` says that a row of another length than the header's is a fault: in CSV a comma or quote
    is missing or too many; a spreadsheet has no such rows.

    Raises:
        FindingsError: A value stands under a header cell that is empty.
    """
    names, width = header.names, len(header.names)
    plain = all(names)
    for number, cells in rows:
        if isinstance(cells, Finding):
            yield BadRow(number, "", cells)
        elif not any(cells) and not any(map(str.strip, cells)):
            continue
        elif len(cells) == width and plain:
            yield Row(number, dict(zip(names, cells, strict=True)))
        elif ragged and len(cells) != width and (len(cells) < width or any(cells[width:])):
            yield BadRow(number, shorten(",".join(cells), 500), _ragged(file, number, len(cells), header))
        else:
            yield Row(number, _spread(file, header, number, cells))


def _spread(file: str, header: Header, number: int, cells: Sequence[str]) -> dict[str, str]:
    values = {}
    for index, (name, cell) in enumerate(zip_longest(header.names, cells, fillvalue="")):
        if name:
            values[name] = cell
        elif cell.strip():
            raise FindingsError([_nameless(file, header, number, index, cell)])
    return values


def _nameless(file: str, header: Header, number: int, index: int, cell: str) -> Finding:
    return Finding(
        id="data.nameless-column",
        severity="error",
        message=f"column {letter(index)} holds {shorten(cell)!r}, and its header (row {header.row}) is empty",
        file=file,
        row=number,
        column=letter(index),
        why="A merged header cell names its first column only; a title above a table is taken for it.",
        mend=f"Unmerge the header, delete rows above it, and name (or empty) column {letter(index)}.",
    )


def _ragged(file: str, number: int, count: int, header: Header) -> Finding:
    return Finding(
        id="data.ragged-row",
        severity="error",
        message=f"has {count} cells where the header has {len(header.names)} ({', '.join(header.names)})",
        file=file,
        row=number,
        why="A comma too many or too few moves every cell after it under a wrong name.",
        mend=f'Put the cell that holds a comma into quotes ("…"), {SKIP}',
    )
