"""What goes wrong with a job while it runs. Travels to a pod: standard library, Python >= 3.8.

The supervisor looks every few seconds and keeps what it saw in state.json: the lengths of log.txt and
trainer_log.jsonl, the last step, and ``faults``, each with an id, a text and the time when it was seen:

    job.diverged     three logged losses in a row are no number, or 0 (what transformers logs for NaN)
    job.stalled      no output, no log line and no work of CPU or GPU for the order's ``stall_s``
    job.disk-full    a write was refused for want of room, or next to nothing is free
    job.gpu-oom      CUDA ran out of memory
    job.oom          the system ran out of memory: it killed a process of this container, or refused one

``job.restarted`` is seen by whoever asks later: the boot in state.json is another one than now.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import shutil
import time
from pathlib import Path
from typing import Any

from millhand.pods.job_processes import cpu_seconds, gpu_use

TRAINER_LOG = "trainer_log.jsonl"
WATCH_S = 2.0
DIVERGED_LOGS = 3
# A loss is logged with four decimals, so one that was learned down to 0 was seen below this before.
SMALL_LOSS = 0.01
LITTLE_BYTES, SMALL_SHARE, ENOUGH_BYTES = 500 * 10**6, 0.01, 5 * 10**9
_AT_ONCE = 1 << 20
_OVERLAP = 100
_BUSY_SHARE = 0.02  # of one core
_GPU_BUSY_PERCENT = 5
_GPU_EVERY_S = 30.0
_WORDS = {
    "job.gpu-oom": re.compile(rb"CUDA out of memory|OutOfMemoryError|CUDA error: out of memory"),
    "job.disk-full": re.compile(rb"No space left on device|Disk quota exceeded|\[Errno (?:28|122)\]"),
    "job.oom": re.compile(rb"can't allocate memory|Cannot allocate memory|(?m:^MemoryError)"),
}
_SAYS = {
    "job.gpu-oom": "CUDA ran out of memory.",
    "job.disk-full": "A write was refused: the disk is full.",
    "job.oom": "A process ran out of memory.",
}


class _Tail:
    """A file read as it grows; one that has become shorter is another file and is read from its start."""

    def __init__(self, path: Path, offset: int = 0) -> None:
        self.path = path
        self.offset = offset

    def new(self) -> bytes:
        """What was written since; of very much the end."""
        try:
            with self.path.open("rb") as file:
                end = file.seek(0, os.SEEK_END)
                begin = 0 if end < self.offset else self.offset
                file.seek(max(begin, end - _AT_ONCE))
                self.offset = end
                return file.read(_AT_ONCE)
        except OSError:
            return b""


class Losses:
    """The trainer's log: how far it is, and how many of the last losses were worth nothing."""

    def __init__(self) -> None:
        self.facts: dict[str, Any] = {}
        self.bad = 0
        self._good: float | None = None
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            with contextlib.suppress(ValueError, TypeError):
                self._take(json.loads(line))

    def _take(self, line: dict[str, Any]) -> None:
        self.facts.update(step=int(line["current_steps"]), total_steps=line.get("total_steps"))
        loss = line.get("loss")
        if isinstance(loss, (int, float)):
            learned = self._good is not None and self._good < SMALL_LOSS
            good = math.isfinite(loss) and (loss != 0 or learned)
            self.bad = 0 if good else self.bad + 1
            self._good = loss if good else self._good

    @property
    def diverged(self) -> bool:
        """Whether it is no accident of one step."""
        return self.bad >= DIVERGED_LOGS


class Watch:
    """The faults of one job.

    Args:
        folder: The job's folder.
        order: What the supervisor was told.
        pid: The job's process.
    """

    def __init__(self, folder: Path, order: dict[str, Any], pid: int) -> None:
        self._output = Path(order["output"]) if order.get("output") else None
        self._places = [folder, *([self._output] if self._output else [])]
        self._stall_s = float(order.get("stall_s") or 0) if self._output else 0.0
        self._stops = order.get("on_diverged") == "stop"
        self._pid = pid
        self._log, self._said = _Tail(folder / "log.txt"), b""
        trainer_log = (self._output or folder) / TRAINER_LOG
        self._trainer_log = _Tail(trainer_log, _size(trainer_log))  # an earlier attempt's is judged already
        self._losses = Losses()
        self._kills = oom_kills()
        self._cpu_s, self._sign_at, self._next, self._gpu_at = 0.0, time.monotonic(), 0.0, 0.0
        self._faults: dict[str, dict[str, Any]] = {}
        self._is_low = False

    def due(self) -> bool:
        """Whether it is time to look."""
        return time.monotonic() >= self._next

    def look(self) -> dict[str, Any]:
        """Look once; what is new for state.json."""
        self._next = time.monotonic() + WATCH_S
        said, logged = self._log.new(), self._trainer_log.new()
        self._read(said)
        self._losses.feed(logged)
        self._set("job.diverged", self._losses.diverged, "The loss is no number, or 0.")
        self._set("job.oom", oom_kills() > self._kills, "The system killed a process for want of memory.")
        self._disk()
        self._stall(bool(said or logged))
        return {
            **self._losses.facts,
            "log_bytes": self._log.offset,
            "trainer_log_bytes": self._trainer_log.offset,
            "faults": list(self._faults.values()),
        }

    @property
    def ends_it(self) -> bool:
        """Whether the job is to be ended: its weights are worth nothing, and so is what it would save."""
        return self._stops and self._losses.diverged

    def _set(self, fault: str, there: bool, text: str) -> None:
        if there and fault not in self._faults:
            self._faults[fault] = {"id": fault, "text": text, "at_s": time.time()}

    def _read(self, said: bytes) -> None:
        text, self._said = self._said + said, (self._said + said)[-_OVERLAP:]
        for fault, words in _WORDS.items():
            self._set(fault, bool(said and words.search(text)), _SAYS[fault])

    def _disk(self) -> None:
        room = [_room(place) for place in self._places]
        if any(little for _, little in room):
            self._is_low = self._is_low or "job.disk-full" not in self._faults
            self._set("job.disk-full", True, f"{min(free for free, _ in room) / 1e6:.0f} MB are free.")
        elif self._is_low:  # somebody made room before a write was refused
            self._is_low = False
            self._faults.pop("job.disk-full", None)

    def _stall(self, sign: bool) -> None:
        now = time.monotonic()
        if sign or not self._stall_s or self._works(now):
            self._sign_at = now
            self._faults.pop("job.stalled", None)
            return
        quiet_s = now - self._sign_at
        self._set("job.stalled", quiet_s >= self._stall_s, f"No sign of work for {quiet_s:.0f} s.")

    def _works(self, now: float) -> bool:
        before, self._cpu_s = self._cpu_s, cpu_seconds(self._pid)
        if abs(self._cpu_s - before) > _BUSY_SHARE * WATCH_S:
            return True
        if now - self._gpu_at < _GPU_EVERY_S:
            return False
        self._gpu_at = now
        return gpu_use() > _GPU_BUSY_PERCENT


def oom_kills(root: str = "/sys/fs/cgroup", own: str = "/proc/self/cgroup") -> int:
    """How many processes of this container the system has killed for want of memory (cgroup v2 and v1)."""
    with contextlib.suppress(OSError):
        groups = [line.split(":", 2)[-1].strip("/") for line in Path(own).read_text().splitlines()]
        names = ("memory.events", "memory/memory.oom_control")
        files = {Path(root, group, name) for group in ["", *groups] for name in names}
        return sum(_oom_kill(file) for file in files)
    return 0


def _oom_kill(file: Path) -> int:
    with contextlib.suppress(OSError, ValueError, KeyError):
        return int(dict(line.split() for line in file.read_text().splitlines())["oom_kill"])
    return 0


def _room(place: Path) -> tuple[float, bool]:
    """Bytes that are free, and whether that is next to nothing."""
    try:
        usage = shutil.disk_usage(place)
    except OSError:  # not made yet
        return math.inf, False
    share = usage.free < usage.total * SMALL_SHARE and usage.free < ENOUGH_BYTES
    return usage.free, usage.free < LITTLE_BYTES or share


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
