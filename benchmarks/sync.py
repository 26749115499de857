"""Bringing files to a pod and back, beside rsync and scp over the same real sshd: interleaved, medians.

    python -m benchmarks.sync [--rounds N] [--large MIB] [--far-ms MS ...] [--no-near] [--folder DIR] [--json]

Run at no distance (loopback) and at 40 ms of round-trip time (:mod:`benchmarks.far`; needs root, else that
part is left out and said so). Millhand's times are of a process that has imported it; each of its runs dials
anew, but where it says "live". rsync's and scp's include the start of ssh. The peers run with their defaults
(`rsync -a`, `scp -rp`). rsync and Millhand count the bytes of their own protocols, before encryption.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import random
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from tests.sshd import Sshd

from benchmarks.far import HOST, UnavailableError, far_host
from millhand.pods.ssh.address import Address
from millhand.pods.ssh.connection import Connection
from millhand.pods.ssh.hostkeys import Pinned
from millhand.pods.sync.lanes import Kept, Opener, agent
from millhand.pods.sync.pull import pull
from millhand.pods.sync.push import push
from millhand.pods.sync.report import Report

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


@dataclass(frozen=True)
class Place:
    """A host with an sshd, and folders here and there."""

    address: Address
    fingerprint: str
    key: Path
    folder: Path
    distance_ms: int

    @property
    def here(self) -> Path:
        """The client's files."""
        return self.folder / "here"

    @property
    def there(self) -> Path:
        """The pod's files: the same disk, reached over the line."""
        return self.folder / "there"

    def connection(self) -> Connection:
        """A connection that is dialled when it is used."""
        pinned = Pinned((self.fingerprint,))
        return Connection("pod", lambda: self.address, lambda _: pinned, python=sys.executable)

    def ssh(self) -> list[str]:
        """The options of ssh and scp."""
        known = self.folder / "known_hosts"
        options = [
            "-F",
            "none",
            "-o",
            "BatchMode=yes",
            "-o",
            "LogLevel=ERROR",
            "-o",
            "StrictHostKeyChecking=no",
        ]
        return [*options, "-o", f"UserKnownHostsFile={known}", "-i", str(self.key)]

    def rsync(self, source: str, target: str) -> int:
        """Run rsync; the bytes both ways."""
        shell = " ".join(["ssh", *self.ssh(), "-p", str(self.address.port)])
        done = subprocess.run(
            ["rsync", "-a", "--stats", "--no-human-readable", "-e", shell, source, target],
            check=True,
            capture_output=True,
            text=True,
        )
        return sum(int(found) for found in re.findall(r"Total bytes (?:sent|received): (\d+)", done.stdout))

    def scp(self, source: str, target: str) -> None:
        """Run scp."""
        command = ["scp", "-q", "-r", "-p", *self.ssh(), "-P", str(self.address.port), source, target]
        subprocess.run(command, check=True)

    def at(self, path: Path) -> str:
        """A path as rsync and scp name it."""
        return f"{self.address.host}:{path}"

    def millhand(self, act: Callable[..., Report], name: str, live: Opener | None = None) -> int:
        """Push or pull a folder; over a connection of its own, if none is given."""
        line = self.connection()
        try:
            report = act(
                live or opener(line),
                self.here / name if act is push else self.folder / "back" / name,
                ["."],
                place=str(self.there / "millhand" / name if act is push else self.here / name),
            )
        finally:
            line.close()
        return report.check().sent + report.received


def opener(connection: Connection) -> Opener:
    """What starts agents over a connection."""
    return lambda transport: connection.open_agent(agent(), transport=transport)


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
    _down(place, measured)
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


def _clear(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def _first(place: Place, measured: Measured, work: str, name: str) -> None:
    there = place.there
    source = f"{place.here / name}"
    measured.add(
        work,
        {
            "rsync": (
                lambda: _clear(there / "rsync"),
                lambda: place.rsync(source, place.at(there / "rsync")),
            ),
            "scp": (lambda: _clear(there / "scp"), lambda: place.scp(source, place.at(there / "scp"))),
            "millhand": (lambda: _clear(there / "millhand"), lambda: place.millhand(push, name)),
        },
    )


def _down(place: Place, measured: Measured) -> None:
    back, source = place.folder / "back", place.at(place.here / "small")
    measured.add(
        "2,000 files of 20 KiB, down",
        {
            "rsync": (lambda: _clear(back), lambda: place.rsync(source, str(back))),
            "scp": (lambda: _clear(back), lambda: place.scp(source, str(back))),
            "millhand": (lambda: _clear(back), lambda: place.millhand(pull, "small")),
        },
    )


def _unchanged(place: Place, measured: Measured) -> None:
    _clear(place.there)
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


@contextmanager
def near(folder: Path) -> Iterator[Place]:
    """An sshd on loopback."""
    sshd = Sshd(folder / "sshd", "Subsystem sftp internal-sftp")
    sshd.start()
    try:
        yield Place(sshd.address, sshd.fingerprint, sshd.folder / "client_key", folder, 0)
    finally:
        sshd.cut()
        sshd.stop()


@contextmanager
def far(folder: Path, distance_ms: int) -> Iterator[Place]:
    """An sshd on a host so far away."""
    with far_host(distance_ms / 1000) as inside:
        sshd = Sshd(folder / "sshd-far")
        command = [
            *inside,
            shutil.which("sshd", path="/usr/sbin:/usr/bin") or "sshd",
            "-D",
            "-e",
            "-f",
            "/dev/null",
        ]
        for option in (
            f"Port={sshd.port}",
            f"ListenAddress={HOST}",
            f"HostKey={sshd.folder / 'host_key'}",
            f"AuthorizedKeysFile={sshd.folder / 'authorized_keys'}",
            f"PidFile={sshd.folder / 'pid'}",
            "StrictModes=no",
            "UsePAM=no",
            "UseDNS=no",
            "MaxStartups=100",
            "Subsystem=sftp internal-sftp",
            "SetEnv=SHLVL=2",  # as near: bash does not read what the user has in ~/.bashrc
        ):
            command += ["-o", option]
        with (sshd.folder / "log").open("wb") as log:
            process = subprocess.Popen(command, stderr=log)
        try:
            _wait_for(HOST, sshd.port)
            address = replace(sshd.address, host=HOST)
            yield Place(address, sshd.fingerprint, sshd.folder / "client_key", folder, distance_ms)
        finally:
            process.terminate()
            process.wait()


def _wait_for(host: str, port: int) -> None:
    for _ in range(100):
        with suppress(OSError), socket.create_connection((host, port), timeout=1):
            return
        time.sleep(0.1)
    raise UnavailableError("the far sshd does not answer")


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
