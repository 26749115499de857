"""Writes rows.jsonl so that Arrow, which LLaMA-Factory reads with, finds the same keys and types in all.

What Arrow (datasets 4.0.0) does with a JSONL, and what is done about it:

- It takes a column's type from the first 10 MB. A history that is empty in all of these has no type, and
  the first row with one fails as DatasetGenerationError: such a row is then written first.
- A row without a key that others have is null there, and a null text is left out of training: all rows
  get all keys, optional ones only if a row of the file needs them.
- A column in which every text is a date becomes timestamps, which are no text: the person is told.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any

import orjson

ORDER = (
    "instruction",
    "input",
    "output",
    "conversations",
    "chosen",
    "rejected",
    "kto_tag",
    "system",
    "history",
    "tools",
    "source",
)
_EMPTY: Mapping[str, Any] = MappingProxyType({"system": "", "history": [], "tools": ""})
_DATE = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d(:?\d\d(:?\d\d(\.\d+)?)?)?(Z|[+-]\d\d(:?\d\d)?)?)?\Z")
# Below the 10 MB that Arrow takes its types from, with room for a long row.
TYPED_BYTES = 8_000_000


class RowWriter:
    """Writes rows one by one; a context manager. Read ``columns`` and ``rows`` after ``finish``."""

    def __init__(
        self,
        path: Path,
        columns: Sequence[str],
        document: str,
        sha256: str,
        *,
        typed_bytes: int = TYPED_BYTES,
    ) -> None:
        self.path, self.rows = path, 0
        self.columns = _ordered([*columns, "source"])
        self.dates = set() if "conversations" in columns else set(columns) - {"kto_tag"}
        self._document, self._sha256, self._typed_bytes = document, sha256, typed_bytes
        self._grown, self._bytes, self._late_history = False, 0, -1
        self._file = path.open("xb", buffering=1 << 20)

    def __enter__(self) -> RowWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, row: dict[str, Any], number: int) -> None:
        """Write a row that was number ``number`` in its source.

        Raises:
            orjson.JSONEncodeError: A text is no Unicode; nothing was written.
        """
        self.write_sourced(row, {"document": self._document, "sha256": self._sha256, "row": number})

    def write_sourced(self, row: dict[str, Any], source: Mapping[str, Any]) -> None:
        """Write a row with where it came from; the members of ``source`` are the same in all rows.

        Raises:
            orjson.JSONEncodeError: A text is no Unicode; nothing was written.
        """
        row["source"] = source
        line = orjson.dumps(self._uniform(row), option=orjson.OPT_APPEND_NEWLINE)
        if "history" in row:
            self._note_history(row["history"])
        if self.dates:
            self.dates = {name for name in self.dates if _DATE.match(row[name])}
        self._file.write(line)
        self._bytes += len(line)
        self.rows += 1

    def _uniform(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        if not row.keys() <= set(self.columns):
            self.columns = _ordered([*self.columns, *row])
            self._grown = self.rows > 0
        return {name: row[name] if name in row else _EMPTY[name] for name in self.columns}

    def _note_history(self, history: list[list[str]]) -> None:
        if history and self._late_history == -1:
            self._late_history = self.rows if self._bytes > self._typed_bytes else -2

    def finish(self) -> None:
        """Close the file; write it again where rows lack a key or Arrow needs another first row."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        if self._grown or self._late_history >= 0:
            self._write_again()

    def _write_again(self) -> None:
        second = self.path.with_name(f"{self.path.name}.again")
        with self.path.open("rb") as old, second.open("xb", buffering=1 << 20) as new:
            if self._late_history >= 0:
                new.write(self._line(_nth_line(self.path, self._late_history)))
            for number, line in enumerate(old):
                if number != self._late_history:
                    new.write(self._line(line))
        second.replace(self.path)

    def _line(self, line: bytes) -> bytes:
        row = orjson.loads(line)
        whole = {name: row[name] if name in row else _EMPTY[name] for name in self.columns}
        return orjson.dumps(whole, option=orjson.OPT_APPEND_NEWLINE)


def _ordered(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in ORDER if name in names)


def _nth_line(path: Path, index: int) -> bytes:
    with path.open("rb") as file:
        return next(line for number, line in enumerate(file) if number == index)
