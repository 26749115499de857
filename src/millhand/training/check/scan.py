"""Every row of a file is read once and judged, in memory that does not grow with the file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from millhand.training.check.faults import Tally
from millhand.training.check.judges import Use
from millhand.training.check.lengths import BUDGET
from millhand.training.check.scanner import Scanner
from millhand.training.check.tables import scan_table, scan_values

_BOM = b"\xef\xbb\xbf"
# A part of a file for one process; below two of them one process is faster than starting another.
_PART = 64 << 20
_JSON = (".json", ".jsonl")
# datasets hands Arrow this much at once (packaged_modules/json/json.py): within it, lines do not matter.
_BATCH = 10 << 20


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
        return scan_table(path, entry, use)
    tally = _scan_parts(path, entry, use, processes)
    if "data.broken-row" in tally.counts and path.stat().st_size <= _BATCH:
        return scan_values(path, entry, use) or tally
    return tally


def _scan_parts(path: Path, entry: Mapping[str, Any], use: Use, processes: int | None) -> Tally:
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
    if path.suffix not in _JSON:
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
    whole.lines = lines
    return whole


def scan_lines(job: Job) -> Tally:
    """Judge the lines of one part; the numbers of rows count from its start."""
    long, tally = Scanner(job.entry, job.use, job.budget, closely=not job.start), Tally()
    prompt, query, response = long.quick
    limit, look = long.limit, 0
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
                    if number >= look:
                        look = long.look(row, line, number, tally)
                    continue
        keys = long.judge(row, number, tally, len(line))
        if number >= look:
            look = long.look_at_keys(keys, line, number, tally)
    if plain:
        tally.shapes.add((long.quick, (str, str, str)))
    tally.lines, tally.rows = number, number - blank
    return long.measured(tally)


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
