"""Files that are no lines of JSON, and values of it that stand over several lines, one after the other."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from millhand.documents.rows import BadRow
from millhand.training.check.csvfile import CsvRows
from millhand.training.check.dates import is_dated_name, is_loose, zone_of
from millhand.training.check.faults import ROW_FAULTS, Tally
from millhand.training.check.judges import Use
from millhand.training.check.scanner import NEVER, Scanner
from millhand.training.check.sources import rows_of
from millhand.training.check.twice import Pairs

_BLANKS = re.compile(r"[ \t\r\n]*")
_BETWEEN = re.compile(r"[ \t\r\n,]*")
_LARGEST = 64 << 20  # bytes of an array that are read at once, to say on which line a fault is


def scan_table(path: Path, entry: Mapping[str, Any], use: Use) -> Tally:
    """Judge the rows of a CSV, an array, a parquet, Arrow or text file, one after the other.

    Raises:
        FindingsError: The file is broken so that no row, or none behind a break, can be read.
        UsageError: It is of a kind that cannot be read here.
    """
    scanner, tally, items = Scanner(entry, use), Tally(), rows_of(path)
    dated, zones = dict[str, bool](), dict[str, str]()
    is_array = path.suffix in (".json", ".jsonl")
    for item in items:
        tally.rows += 1
        tally.at = items.line if isinstance(items, CsvRows) else 0
        if isinstance(item, BadRow):
            tally.add(item.finding.id if item.finding.id in ROW_FAULTS else "data.broken-row", item.number)
            continue
        scanner.judge(item.values, item.number, tally, _size(item.values) if use.lengths else 0)
        if is_array:
            _note_dates(dated, zones, item.values)
    tally.dated = dated
    if is_array:
        _note_lines(path, tally)
    if isinstance(items, CsvRows):
        tally.shapes |= {((name,), (float,)) for name in items.late}
    return scanner.measured(tally)


def _note_lines(path: Path, tally: Tally) -> None:
    """Find the lines of the elements with a fault, which no reader of arrays tells."""
    wanted = {row for rows in tally.faults.values() for row in rows}
    if not wanted or path.stat().st_size > _LARGEST:
        return
    text, decoder = path.read_text(encoding="utf-8-sig"), json.JSONDecoder()
    end = text.index("[") + 1
    for number in range(1, max(wanted) + 1):
        start = end + _blanks(text, end, _BETWEEN)
        if number in wanted:
            tally.places[number] = 1 + text.count("\n", 0, start)
        try:
            end = decoder.raw_decode(text, start)[1]
        except (ValueError, RecursionError):
            return


def broken_line(path: Path) -> int | None:
    """The line on which a JSON file breaks off; None where it is too large to be read at once."""
    try:
        if path.stat().st_size <= _LARGEST:
            json.loads(path.read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError as error:
        return error.lineno
    except (RecursionError, UnicodeDecodeError):
        return None
    return None


def _note_dates(dated: dict[str, bool], zones: dict[str, str], row: Mapping[str, Any]) -> None:
    """Note whether the columns of an array that are named like a date hold nothing else.

    Times of several zones, or of one and of none, stay text; ``zones`` has that of the first of a column.
    """
    for name, value in row.items():
        if type(value) is str and is_dated_name(name):
            alike = not value or zones.setdefault(name, zone_of(value)) == zone_of(value)
            dated[name] = dated.get(name, True) and is_loose(value) and alike


def _size(row: Mapping[str, Any]) -> int:
    try:
        return len(orjson.dumps(row, default=str))
    except orjson.JSONEncodeError:  # nested deeply, or a number too large: it may be too long
        return NEVER


def scan_values(path: Path, entry: Mapping[str, Any], use: Use) -> Tally | None:
    """Judge JSON values that stand one after the other over any number of lines; None where one is broken."""
    scanner, tally = Scanner(entry, use), Tally()
    try:
        for line, size, value, twice in _values(path.read_bytes()):
            tally.rows += 1
            tally.at = line
            if twice:
                tally.add("data.key-twice", tally.rows)
            scanner.judge(value, tally.rows, tally, size)
    except (ValueError, RecursionError):
        return None
    return scanner.measured(tally)


def _values(content: bytes) -> Iterator[tuple[int, int, Any, bool]]:
    """Line, size, value of each, and whether a key stands twice in it."""
    text, end, line = content.decode("utf-8-sig"), 0, 1
    while (start := end + _blanks(text, end)) < len(text):
        line += text.count("\n", end, start)
        pairs = Pairs()
        decoder = json.JSONDecoder(object_pairs_hook=pairs, parse_constant=_no_number)
        value, end = decoder.raw_decode(text, start)
        # refused as Arrow does it: half of a letter, written as \ud83d alone
        size = len(json.dumps(value, ensure_ascii=False).encode())
        yield line, size, value, bool(pairs.twice)
        line += text.count("\n", start, end)


def _blanks(text: str, start: int, which: re.Pattern[str] = _BLANKS) -> int:
    found = which.match(text, start)
    return len(found[0]) if found else 0


def _no_number(word: str) -> None:
    """NaN and Infinity are Python's, and not Arrow's."""
    raise ValueError(word)
