"""Every row of a file is read once and judged, in memory that does not grow with the file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from millhand.datasets.info import columns_of
from millhand.documents.rows import BadRow
from millhand.training.check.faults import Tally, note_shape
from millhand.training.check.judges import AlpacaJudge, Use, make_judge
from millhand.training.check.lengths import BUDGET, Ruler
from millhand.training.check.sources import rows_of

_BOM = b"\xef\xbb\xbf"
# A part of a file for one process; below two of them one process is faster than starting another.
_PART = 64 << 20
# The least bytes of JSON that a message takes: {"from":"","value":""}, and the name of a role.
_LEAST_MESSAGE = 30
_NEVER = 1 << 62


@dataclass(frozen=True, slots=True)
class Job:
    """A part of a file of lines, and how to judge it.

    ``end`` is where the next part begins; ``budget`` are the bytes of text whose tokens are counted one by
    one.
    """

    path: Path
    entry: Mapping[str, Any]
    use: Use
    start: int = 0
    end: int | None = None
    budget: int = BUDGET


def scan(path: Path, entry: Mapping[str, Any], use: Use, *, processes: int | None = None) -> Tally:
    """Judge every row of a file.

    Raises:
        FindingsError: The file is broken so that no row, or none behind a break, can be read.
        UsageError: It is of a kind that cannot be read here.
    """
    if not _has_lines(path):
        return _scan_table(path, entry, use)
    parts = _parts(Job(path, entry, use))
    workers = min(len(parts), processes or os.cpu_count() or 1)
    if workers < 2:
        return _merged(map(scan_lines, parts))
    # only for large files: they take as long to import as all else
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    # Not forked: a process that has started threads (a progress bar) may not be copied safely.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        return _merged(pool.map(scan_lines, parts))


def _has_lines(path: Path) -> bool:
    """Whether a file holds one JSON object a line; what it holds tells, not its name."""
    if path.suffix not in (".json", ".jsonl"):
        return False
    with path.open("rb") as file:
        return file.read(1 << 12).removeprefix(_BOM).lstrip()[:1] != b"["


def _parts(whole: Job) -> list[Job]:
    """Cut a file at ends of lines into parts of about the same size."""
    size = whole.path.stat().st_size
    cuts = [0]
    with whole.path.open("rb") as file:
        for wanted in range(_PART, size - _PART // 2, _PART):
            file.seek(wanted)
            file.readline()
            cuts.append(file.tell())
    ends = [*cuts[1:], None]
    budget = BUDGET // len(cuts)
    return [Job(whole.path, whole.entry, whole.use, a, b, budget) for a, b in zip(cuts, ends, strict=True)]


def _merged(tallies: Iterable[Tally]) -> Tally:
    whole, lines = Tally(), 0
    for part in tallies:
        whole.merge(part, lines)
        lines += part.lines
    return whole


def scan_lines(job: Job) -> Tally:
    """Judge the lines of one part; the numbers of rows count from its start."""
    long, tally = _Scan(job.entry, job.use, job.budget), Tally()
    prompt, query, response = long.quick
    limit = long.limit
    loads, number, blank, plain = orjson.loads, 0, 0, False
    for number, line in enumerate(_lines(job), 1):
        try:
            row = loads(line)
        except orjson.JSONDecodeError:
            blank += long.broken(line, number, tally)
            continue
        # Nearly all rows of nearly all files end here: three texts, the first and the last not empty.
        if type(row) is dict and len(row) == 3:
            answer = row.get(response)
            if type(answer) is str is type(row.get(query)) and answer and not answer.isspace():
                asked = row.get(prompt)
                if type(asked) is str and asked:
                    plain = True
                    if len(line) > limit:
                        long.measure(row, number, len(line))
                    continue
        long.judge(row, number, tally, len(line))
    if plain:
        tally.shapes.add((long.quick, (str, str, str)))
    tally.lines, tally.rows = number, number - blank
    return long.measured(tally)


class _Scan:
    """The long way: every row that is not three texts.

    ``quick`` are the columns of question, input and answer where nothing else is read of a row; a row of
    up to ``limit`` bytes cannot be too long.
    """

    def __init__(self, entry: Mapping[str, Any], use: Use, budget: int = BUDGET) -> None:
        self.judge_row, self.thought = make_judge(entry, use), use.thought
        self.answer = _answer_column(entry)
        simple = isinstance(self.judge_row, AlpacaJudge) and self.judge_row.simple and not use.thought
        columns = columns_of(entry)
        names = tuple(columns[member] or "" for member in ("prompt", "query", "response"))
        three = simple and len({name for name in names if name}) == 3
        self.quick = (names[0], names[1], names[2]) if three else ("", "", "")
        self.ruler = Ruler(use.lengths, use.stage, budget) if use.lengths else None
        self.limit = self._limit(entry, use)

    def _limit(self, entry: Mapping[str, Any], use: Use) -> int:
        if use.lengths is None:
            return _NEVER
        columns = columns_of(entry)
        several = entry.get("formatting", "alpaca") != "alpaca" or columns["history"]
        if not several and not columns["tools"]:
            return use.lengths.harmless
        left = use.lengths.cutoff_len - use.lengths.frame_bytes(tools=bool(columns["tools"]))
        return max(int(left / (1 + use.lengths.turn_bytes() / (2 * _LEAST_MESSAGE))), 0)

    def measure(self, row: Any, number: int, size: int) -> None:
        """Count the tokens of a row of ``size`` bytes without a fault."""
        if self.ruler is not None:
            self.ruler.measure(number, size, lambda: self.judge_row.rendered(row))

    def measured(self, tally: Tally) -> Tally:
        """The tally with what was counted."""
        if self.ruler is not None:
            tally.cuts = self.ruler.cuts
        return tally

    def broken(self, line: bytes, number: int, tally: Tally) -> int:
        """Note a line that is no JSON; 1 for a blank one, which is no row."""
        if not line.strip():
            return 1
        tally.add("data.broken-row", number)
        return 0

    def judge(self, row: Any, number: int, tally: Tally, size: int) -> None:
        """Note what is wrong with a row of ``size`` bytes, and the types in it."""
        if type(row) is not dict:
            tally.add("data.broken-row", number)
            return
        note_shape(tally, row)
        fault = self.judge_row(row)
        if fault is not None:
            tally.add(fault, number)
            return
        if self.thought and not _thinks(row, self.answer, self.thought):
            tally.thoughtless += 1
        if size > self.limit:
            self.measure(row, number, size)


def _lines(job: Job) -> Iterator[bytes]:
    with job.path.open("rb", buffering=1 << 20) as file:
        if job.start == 0 and file.read(3) != _BOM:
            file.seek(0)
        elif job.start:
            file.seek(job.start)
        if job.end is None:
            yield from file
            return
        left = job.end - file.tell()
        for line in file:
            yield line
            left -= len(line)
            if left <= 0:
                return


def _scan_table(path: Path, entry: Mapping[str, Any], use: Use) -> Tally:
    """Judge the rows of any other file, one after the other."""
    scanner, tally, is_csv = _Scan(entry, use), Tally(), path.suffix == ".csv"
    numbers = _number_columns(path) if is_csv else frozenset()
    for item in rows_of(path):
        tally.rows += 1
        if isinstance(item, BadRow):
            tally.add("data.broken-row", item.number)
        else:
            row = _as_pandas(item.values, numbers) if is_csv else item.values
            scanner.judge(row, item.number, tally, _size(row) if use.lengths else 0)
    return scanner.measured(tally)


def _size(row: Mapping[str, Any]) -> int:
    return len(orjson.dumps(row, default=str))


def _answer_column(entry: Mapping[str, Any]) -> str:
    columns, conversation = columns_of(entry), entry.get("formatting", "alpaca") != "alpaca"
    return str(columns["messages" if conversation else "response"])


def _thinks(row: Mapping[str, Any], column: str, words: tuple[str, ...]) -> bool:
    answer = row.get(column)
    text = answer if isinstance(answer, str) else str(answer)
    return any(word in text for word in words)


def _number_columns(path: Path) -> frozenset[str]:
    """The columns of a CSV in which only numbers stand: pandas, which datasets reads with, makes numbers."""
    seen: dict[str, bool] = {}
    for item in rows_of(path):
        if not isinstance(item, BadRow):
            for name, value in item.values.items():
                if value not in ("", None):
                    seen[name] = seen.get(name, True) and _is_number(str(value))
    return frozenset(name for name, numeric in seen.items() if numeric)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text


def _as_pandas(row: Mapping[str, Any], numbers: frozenset[str]) -> dict[str, Any]:
    return {
        name: None if value in ("", None) else float(value) if name in numbers else value
        for name, value in row.items()
    }
