"""A table as one that can be asked about: named columns, named rows, short cells."""

from __future__ import annotations

import re
from typing import NamedTuple

from millhand.datasets.synthesize.outline_section import Section, tight
from millhand.datasets.synthesize.outline_words import Word
from millhand.documents.document import Table

_LONGEST_CELL, _MOST_COLUMNS, _MOST_ROWS = 80, 8, 60
_NUMBERING = re.compile(r"(?:순서|번호|순번|연번|No\.?|NO\.?|#)\Z")
_CAPTION_NUMBER = re.compile(r"\A[\[<〈《【(]?\s*표\s*\d[\d.-]*\s*[\]>〉》】)]?[.:]?\s*")
_REMARK = re.compile(r"\A\(.*\)\Z|기준일|단위|값임")
_NOTHING = re.compile(r"[-–—·.\s]*\Z")
_BARE = re.compile(r"(?:[\d\s.,~%]|이상|이하|미만|초과)+")
_ONE_UNIT = re.compile(r"단위\s*[:：]\s*(?P<unit>[^,:：]+)\Z")


class Grid(NamedTuple):
    """A table whose head names its columns and whose column ``key`` names its rows.

    ``name`` is its caption, else what its section is about; ``has_name`` says that it is the caption.
    ``unit`` is that of all its numbers, ``remark`` a unit line that names several.
    """

    name: Word
    has_name: bool
    columns: tuple[Word, ...]
    rows: tuple[tuple[str, ...], ...]
    key: int
    unit: str
    remark: str

    @property
    def values(self) -> range:
        """The columns that say something of a row."""
        return range(self.key + 1, len(self.columns))

    def named(self, row: tuple[str, ...]) -> Word:
        """How a row is called: with its column's name where it is a mere number."""
        text, head = row[self.key].rstrip(" :："), self.columns[self.key]
        return Word(f"{head} {text}" if _BARE.fullmatch(text) else text)

    def told(self, row: tuple[str, ...]) -> list[tuple[Word, str]]:
        """The row's cells that say something, with their columns; its name, where it spans them, does not."""
        cells = ((self.columns[n], row[n]) for n in self.values)
        return [
            (column, cell) for column, cell in cells if cell != row[self.key] and not _NOTHING.match(cell)
        ]


def grid_of(section: Section, table: Table) -> Grid | None:
    """Read a table; None where its columns or rows have no names of their own, or a cell is long."""
    if table.header_rows < 1 or len(table.rows) <= table.header_rows + 1:
        return None
    heads = [_joined(column) for column in zip(*table.rows[: table.header_rows], strict=True)]
    rows = [tuple(tight(cell) for cell in row) for row in table.rows[table.header_rows :]]
    rows = [row for row in rows if len(set(row)) > 1]  # what spans all columns parts the table
    key = _key(heads, rows)
    if not _is_plain(heads, rows, key):
        return None
    caption = _CAPTION_NUMBER.sub("", table.caption).strip()
    named = bool(caption) and not _REMARK.search(caption)
    one = _ONE_UNIT.search(table.unit)
    name = Word(caption if named else section.subject)
    unit, remark = (one["unit"].strip(), "") if one else ("", table.unit)
    return Grid(name, named, tuple(map(Word, heads)), tuple(rows), key, unit, remark)


def _joined(cells: tuple[str, ...]) -> str:
    return " ".join(dict.fromkeys(tight(cell) for cell in cells if cell.strip()))


def _key(heads: list[str], rows: list[tuple[str, ...]]) -> int:
    """The column that names the rows: the second where the first only counts them."""
    counts = bool(_NUMBERING.search(heads[0])) or all(row[0].isdigit() for row in rows)
    return int(counts and len(heads) > 2)


def _is_plain(heads: list[str], rows: list[tuple[str, ...]], key: int) -> bool:
    names = [row[key] for row in rows]
    return (
        all(heads)
        and len(set(heads)) == len(heads)
        and 1 < len(heads) <= _MOST_COLUMNS
        and 1 < len(rows) <= _MOST_ROWS
        and all(names)
        and len(set(names)) == len(names)
        and all(len(cell) <= _LONGEST_CELL for row in rows for cell in row)
    )
