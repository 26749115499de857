"""Bringing files to a pod and back, beside rsync and scp over the same real sshd: interleaved, medians.

    python -m benchmarks.sync [--rounds N] [--large MIB] [--far-ms MS ...] [--no-near] [--folder DIR] [--json]

Run at no distance (loopback) and at 40 ms of round-trip time (:mod:`benchmarks.far`; needs root, else that
part is left out and said so). Millhand's times are of a process that has imported it; each of its runs dials
anew, but where it says "live": there the connection and the agent on the pod stay from one sync to the next.
rsync's and scp's include the start of ssh. The peers run with their defaults (`rsync -a`, `scp -rp`). rsync
and Millhand count the bytes of their own protocols, before encryption. The disk is at rest before each run.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.far import UnavailableError
from benchmarks.places import Place, far, near, opener
from millhand.pods.sync.lanes import Kept
from millhand.pods.sync.pull import pull
from millhand.pods.sync.push import push

MIB = 1 << 20
Run = Callable[[], int | None]  # does it once; the bytes on the line where they are known
Tools = dict[str, tuple[Callable[[], object], Run]]  # by name: what prepares a run, unmeasured, and the run


@dataclass(frozen=True)
class Row:
    """One thing done by one tool: medians of seconds, of their ratio to rsync's in each round, of bytes."""

    distance_ms: int
    work: str
    tool: str
    seconds: float
    ratio: float
    bytes: int | None


class Measured:
    """Runs tools in turns and keeps medians."""

    def __init__(self, place: Place, rounds: int) -> None:
        self.rows: list[Row] = []
        self._place, self._rounds = place, rounds

    def add(self, work: str, tools: Tools) -> None:
        """Measure one work. scp brings many files only near: afar each waits for several round trips."""
        if self._place.distance_ms and "files" in work:
            tools = {tool: runs for tool, runs in tools.items() if tool != "scp"}
        seconds: dict[str, list[float]] = {tool: [] for tool in tools}
        sizes: dict[str, list[int | None]] = {tool: [] for tool in tools}
        for _ in range(self._rounds):
            for tool, (prepare, run) in tools.items():
                prepare()
                os.sync()  # what was written before is not written now
                began = time.perf_counter()
                sizes[tool].append(run())
                seconds[tool].append(time.perf_counter() - began)
        for tool, times in seconds.items():
            ratio = statistics.median(a / b for a, b in zip(times, seconds["rsync"], strict=True))
            counted = [size for size in sizes[tool] if size is not None]
            size = int(statistics.median(counted)) if counted else None
            self.rows.append(Row(self._place.distance_ms, work, tool, statistics.median(times), ratio, size))
            print(line(self.rows[-1]), file=sys.stderr, flush=True)


def measure(place: Place, rounds: int, large: int) -> list[Row]:
    """Everything at one distance; ``large`` bytes for the first sync of one file."""
    measured = Measured(place, rounds)
    _make_files(place, large)
    _first(place, measured, f"first sync, one file of {large // MIB} MiB", "large")
    _first(place, measured, "2,000 files of 20 KiB, up", "small")
    _down(place, measured, f"one file of {large // MIB} MiB, down", "large")
    _down(place, measured, "2,000 files of 20 KiB, down", "small")
    _unchanged(place, measured)
    _lines(place, measured)
    return measured.rows


def _make_files(place: Place, large: int) -> None:
    for name in ("here", "there", "back"):
        shutil.rmtree(place.folder / name, ignore_errors=True)
    for folder in ("here/large", "here/small", "here/lines", "there", "back"):
        (place.folder / folder).mkdir(parents=True)
    with (place.here / "large" / "model.safetensors").open("wb") as file:
        for _ in range(large // MIB):
            file.write(os.urandom(MIB))
    for number in range(2000):
        path = place.here / "small" / f"{number % 20:02}" / f"{number:04}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(os.urandom(20 << 10))


def _clear(place: Place, folder: Path) -> None:
    """Let a folder be empty. Small files are moved away, not removed: for minutes an ext4 without a journal
    looks past each inode that was freed when it makes a file, and that would be what is measured."""
    for path in folder.rglob("*") if folder.exists() else ():
        if path.is_file() and path.stat().st_size > MIB:
            path.unlink()
    if folder.exists():
        trash = place.folder / "trash"
        trash.mkdir(exist_ok=True)
        folder.rename(trash / str(time.monotonic_ns()))
    folder.mkdir(parents=True)


def _first(place: Place, measured: Measured, work: str, name: str) -> None:
    there = place.there
    source = f"{place.here / name}"
    measured.add(
        work,
        {
            "rsync": (
                lambda: _clear(place, there / "rsync"),
                lambda: place.rsync(source, place.at(there / "rsync")),
            ),
            "scp": (lambda: _clear(place, there / "scp"), lambda: place.scp(source, place.at(there / "scp"))),
            "millhand": (lambda: _clear(place, there / "millhand"), lambda: place.millhand(push, name)),
        },
    )


def _down(place: Place, measured: Measured, work: str, name: str) -> None:
    back, source = place.folder / "back", place.at(place.here / name)
    measured.add(
        work,
        {
            "rsync": (lambda: _clear(place, back), lambda: place.rsync(source, str(back))),
            "scp": (lambda: _clear(place, back), lambda: place.scp(source, str(back))),
            "millhand": (lambda: _clear(place, back), lambda: place.millhand(pull, name)),
        },
    )


def _unchanged(place: Place, measured: Measured) -> None:
    _clear(place, place.there)
    everything = place.here / "all"
    everything.mkdir(exist_ok=True)
    for name in ("large", "small"):
        (place.here / name).rename(everything / name)
    place.rsync(str(everything), place.at(place.there / "rsync"))
    place.millhand(push, "all")
    time.sleep(2.5)  # files just written are read once more: a clock's tick might hide a change
    place.millhand(push, "all")
    connection = place.connection()
    live = Kept(opener(connection))
    place.millhand(push, "all", live)
    measured.add(
        "nothing changed (the above, 2,001 files)",
        {
            "rsync": (lambda: None, lambda: place.rsync(str(everything), place.at(place.there / "rsync"))),
            "millhand, new connection": (lambda: None, lambda: place.millhand(push, "all")),
            "millhand, live connection": (lambda: None, lambda: place.millhand(push, "all", live)),
        },
    )
    live.close()
    connection.close()


def rows_of(size: int, seed: int = 0) -> list[bytes]:
    """JSONL like a Korean instruction dataset: about ``size`` bytes in lines of about 1 kB."""
    draw = random.Random(seed)
    words = [
        "".join(chr(draw.randrange(0xAC00, 0xD7A3)) for _ in range(draw.randrange(1, 5))) for _ in range(5000)
    ]
    lines: list[bytes] = []
    made = 0
    while made < size:
        text = " ".join(draw.choices(words, k=draw.randrange(60, 160)))
        row = {"id": len(lines), "instruction": text[:60], "output": text}
        lines.append(json.dumps(row, ensure_ascii=False).encode() + b"\n")
        made += len(lines[-1])
    return lines


def _lines(place: Place, measured: Measured) -> None:
    old = rows_of(300 * MIB)
    new = list(old)
    other = rows_of(4 * MIB, seed=1)
    for at, number in enumerate(random.Random(2).sample(range(len(new)), len(new) // 100)):
        new[number] = other[at % len(other)]
    path = place.here / "lines" / "rows.jsonl"
    for work, after in (
        ("300 MiB JSONL, 1% of its lines changed", b"".join(new)),
        ("300 MiB JSONL, 1 MiB appended", b"".join(old + other[: len(other) // 4])),
        (
            "300 MiB JSONL, 1 MiB inserted in the middle",
            b"".join(old[:150_000] + other[: len(other) // 4] + old[150_000:]),
        ),
    ):
        _edit(place, measured, work, b"".join(old), after, path)


def _edit(place: Place, measured: Measured, work: str, before: bytes, after: bytes, path: Path) -> None:
    def prepare(tool: str) -> Callable[[], None]:
        def prepared() -> None:
            target = place.there / tool / "lines"
            target.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(place.there / "millhand" / "lines" / ".millhand", ignore_errors=True)
            (target / "rows.jsonl").write_bytes(before)
            path.write_bytes(after)

        return prepared

    source = str(path.parent)
    measured.add(
        work,
        {
            "rsync": (prepare("rsync"), lambda: place.rsync(source, place.at(place.there / "rsync"))),
            "millhand": (prepare("millhand"), lambda: place.millhand(push, "lines")),
        },
    )
    assert (place.there / "millhand" / "lines" / "rows.jsonl").read_bytes() == after


def line(row: Row) -> str:
    """A row of the table."""
    size = "" if row.bytes is None else f"{row.bytes / 1e6:.2f}"
    return (
        f"| {row.distance_ms} ms | {row.work} | {row.tool} | {row.seconds:.2f} | {row.ratio:.2f} | {size} |"
    )


def table(rows: list[Row]) -> str:
    """All rows, with what they were measured on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    day = datetime.datetime.now(tz=datetime.UTC)
    head = f"{day:%Y-%m-%d}, {os.cpu_count()} cores, {memory:.0f} GB of memory."
    titles = "| round trip | work | tool | s | rsync = 1 | MB on the line |"
    return "\n".join([head, "", titles, "| --- | --- | --- | ---: | ---: | ---: |", *map(line, rows)])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--large", type=int, default=1024, help="MiB of the large file; afar a quarter")
    parser.add_argument("--far-ms", type=int, nargs="*", default=[40])
    parser.add_argument("--no-near", action="store_true")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        if not asked.no_near:
            with near(Path(folder)) as place:
                rows += measure(place, asked.rounds, asked.large * MIB)
        for distance_ms in asked.far_ms:
            try:
                with far(Path(folder), distance_ms) as place:
                    rows += measure(place, asked.rounds, asked.large * MIB // 4)
            except UnavailableError as error:
                print(f"{distance_ms} ms was left out: {error}", file=sys.stderr)
    print(json.dumps([vars(row) for row in rows]) if asked.json else table(rows))


if __name__ == "__main__":
    main()
