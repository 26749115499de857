"""What every reader of tables hands out: rows, numbered as a person sees them, and their faults."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

from millhand.errors import Finding

MORE = "…"
# Ends the mend of a fault that one row has; both commands that read rows are named, as either may tell it.
SKIP = "or leave the row out (`data add` does with --skip-bad, `data build` does so itself)."


class Row(NamedTuple):
    """One row. Of a table all values are text; of JSON and parquet they are what stood there."""

    number: int
    values: dict[str, Any]


class BadRow(NamedTuple):
    """A row that could not be read, as far as it can be shown; the rows after it can."""

    number: int
    raw: str
    finding: Finding


Item: TypeAlias = Row | BadRow


class CellError(str):
    """A cell in which a formula failed: its text is the spreadsheet's sign, as ``#N/A``."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class RowFile:
    """An opened file of rows.

    ``kind`` is ``table`` where a header names the columns and all values are text, ``objects`` where
    each row brings its own names. ``columns`` are the header's, or those that the first rows name.
    ``items`` can be gone through once. It raises FindingsError where no row after a fault can be read.
    ``notes`` are for the person: which sheet was read, and what was not.
    """

    name: str
    kind: Literal["table", "objects"]
    columns: tuple[str, ...]
    items: Iterator[Item]
    encoding: str | None = None
    sheet: str | None = None
    notes: tuple[str, ...] = ()
    empty: str = "holds no rows"


def shorten(text: str, limit: int = 60) -> str:
    """``text`` on one line, cut to ``limit`` characters."""
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else flat[: limit - 1] + MORE
