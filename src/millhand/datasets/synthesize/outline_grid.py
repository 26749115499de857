"""A table as one that can be asked about: named columns, named rows, short cells."""

from __future__ import annotations

import re
from collections import Counter
from typing import NamedTuple

from millhand.datasets.synthesize.outline_section import Section, tight
from millhand.datasets.synthesize.outline_words import Word
from millhand.documents.document import Table

_LONGEST_CELL, _LONGEST_NAME, _MOST_COLUMNS, _MOST_ROWS = 80, 40, 12, 200
_NUMBERING = re.compile(r"(?:순서|번호|순번|연번|No\.?|NO\.?|#)\Z")
_CAPTION_NUMBER = re.compile(r"\A[\[<〈《【(]?\s*표\s*\d[\d.-]*\s*[\]>〉》】)]?[.:]?\s*")
_REMARK = re.compile(r"\A\(.*\)\Z|기준일|단위|값임|다\.")
PERIOD = re.compile(r"(?:제\s?\d+\s?\(?[당전]?\)?\s?기|\d{4}년?|[당전]전?기)(?:말|초|도|\s?\d?[분반]기)?\Z")
_NOTHING = re.compile(r"[-–—·.\s]*\Z")
_BARE = re.compile(r"(?:[\d\s.,~%]|이상|이하|미만|초과)+")
_NOTE = re.compile(r"(?:\s*\((?:주|\*)[\d\s,*]*\)|[\s:：])+\Z")  # 매출채권 (주4,28)
_UNNAMED = "항목"
_ONE_UNIT = re.compile(r"단위\s*[:：]\s*(?P<unit>[^,:：]+)\Z")


class Grid(NamedTuple):
    """A table whose head names its columns and whose column ``key`` names its rows.

    ``name`` is its caption, else what its section is about; ``has_name`` says that it is the caption.
    ``unit`` is that of all its numbers, ``remark`` a unit line that names several. ``is_whole``: every row
    that says something is in it.
    """

    name: Word
    has_name: bool
    columns: tuple[Word, ...]
    rows: tuple[tuple[str, ...], ...]
    key: int
    unit: str
    remark: str
    is_whole: bool

    @property
    def values(self) -> range:
        """The columns that say something of a row."""
        return range(self.key + 1, len(self.columns))

    def named(self, row: tuple[str, ...]) -> Word:
        """How a row is called: with its column's name where it is a mere number."""
        text, head = _NOTE.sub("", row[self.key]), self.columns[self.key]
        return Word(f"{head} {text}" if _BARE.fullmatch(text) else text)

    def told(self, row: tuple[str, ...]) -> list[tuple[Word, str]]:
        """The row's cells that say something, with their columns; its name, where it spans them, does not."""
        cells = ((self.columns[n], row[n]) for n in self.values if row[n] != row[self.key])
        return [(column, cell) for column, cell in cells if _is_short(column, cell)]


def _is_short(column: str, cell: str) -> bool:
    return len(column) <= _LONGEST_NAME and len(cell) <= _LONGEST_CELL and not _NOTHING.match(cell)


def grid_of(section: Section, table: Table) -> Grid | None:
    """Read a table; None where its columns have no names of their own, or fewer than two of its rows.

    Left out are rows that share their name with another, and those that only part the table.
    """
    if table.header_rows < 1 or len(table.rows) <= table.header_rows + 1:
        return None
    heads = [_joined(column) for column in zip(*table.rows[: table.header_rows], strict=True)]
    heads[0] = heads[0] or _UNNAMED
    rows = [tuple(tight(cell) for cell in row) for row in table.rows[table.header_rows :]]
    key = _key(heads, rows)
    saying = [row for row in rows if any(cell and cell != row[key] for cell in row[key + 1 :])]
    rows = _own_rows(saying, key)
    is_plain = all(heads) and len(set(heads)) == len(heads) and 1 < len(heads) <= _MOST_COLUMNS
    if not is_plain or not 1 < len(rows) <= _MOST_ROWS:
        return None
    caption = _CAPTION_NUMBER.sub("", table.caption).strip()
    named = bool(caption) and len(caption) <= _LONGEST_NAME and not _REMARK.search(caption)
    one = _ONE_UNIT.search(table.unit)
    name = Word(caption if named else section.subject)
    if named and PERIOD.match(caption):
        name, named = Word(f"{caption} {section.subject}"), False
    unit, remark = (one["unit"].strip(), "") if one else ("", table.unit)
    return Grid(
        name, named, tuple(map(Word, heads)), tuple(rows), key, unit, remark, len(rows) == len(saying)
    )


def _joined(cells: tuple[str, ...]) -> str:
    return " ".join(dict.fromkeys(tight(cell) for cell in cells if cell.strip()))


def _key(heads: list[str], rows: list[tuple[str, ...]]) -> int:
    """The column that names the rows: the second where the first only counts them."""
    counts = bool(_NUMBERING.search(heads[0])) or all(row[0].isdigit() for row in rows)
    return int(counts and len(heads) > 2)


def _own_rows(rows: list[tuple[str, ...]], key: int) -> list[tuple[str, ...]]:
    """Rows with a name of their own."""
    counts = Counter(row[key] for row in rows)
    return [row for row in rows if counts[row[key]] == 1 and 0 < len(row[key]) <= _LONGEST_NAME]
