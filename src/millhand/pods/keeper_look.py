"""What goes on in a pod: its jobs, its GPUs, and what would be lost with it. Travels to a pod.

Standard library, Python >= 3.8, Linux.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from millhand.pods.job_processes import gpu_use

TICK_S = 0.25
LOOK_S = 2.0
BUSY_PERCENT = 5
_PROC = Path("/proc")
_PAGES = ("webui-", "tensorboard-")
_WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".gguf")


class Look(NamedTuple):
    """What was seen at one moment; an empty ``undelivered`` means that nothing is lost with the pod."""

    at: float
    active: tuple[str, ...] = ()
    jobs: tuple[str, ...] = ()
    undelivered: tuple[str, ...] = ()


def uptime() -> float:
    """Seconds since the host booted: no clock setting and no container restart changes them."""
    if sys.platform == "win32":
        return time.monotonic()
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def processes(jobs: str) -> tuple[set[str], set[str]]:
    """The folders of jobs that live, and what LLaMA-Factory does outside of any job."""
    live: set[str] = set()
    loose: set[str] = set()
    for place in _PROC.iterdir():
        with contextlib.suppress(OSError):  # gone meanwhile
            if place.name.isdigit():
                marks = [
                    e[13:]
                    for e in (place / "environ").read_bytes().split(b"\0")
                    if e[:13] == b"MILLHAND_JOB="
                ]
                jobs_of = [os.fsdecode(mark) for mark in marks]
                live.update(jobs_of)
                known = marks and not any(is_page(folder) for folder in jobs_of)
                words = [] if known else (place / "cmdline").read_bytes().split(b"\0")
                loose.update(_training(words))
    return {folder for folder in live if Path(jobs) in Path(folder).parents}, loose


def is_page(folder: str) -> bool:
    """Whether a job only shows a page: nobody may look at it, but what is trained on it counts."""
    return Path(folder).name.startswith(_PAGES)


def _training(words: list[bytes]) -> Iterator[str]:
    names = [word.rpartition(b"/")[2] for word in words]
    launched = b"llamafactory.launcher" in names or any(
        w.endswith(b"llamafactory/launcher.py") for w in words
    )
    does = [name for name in names if name in (b"train", b"export", b"eval")]
    if launched:
        yield "llamafactory train"
    elif does and {b"llamafactory-cli", b"llamafactory.cli", b"lmf"} & set(names):
        yield "llamafactory " + does[0].decode()


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object of a file; an empty one where there is none that can be read."""
    with contextlib.suppress(OSError, ValueError):
        value = json.loads(path.read_text(encoding="utf-8"))
        return value if isinstance(value, dict) else {}
    return {}


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Replace a file whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(value, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def undelivered(jobs: Path, live: set[str]) -> list[str]:
    """Jobs that are over, made something, and whose results nobody has said to be elsewhere."""
    names = []
    for path in sorted(jobs.glob("*/state.json")):
        state = read_json(path)
        delivered = read_json(path.parent / "delivered.json")
        safe = delivered and delivered.get("started_s") == state.get("started_s")
        made = state.get("output") and _has_weights(Path(state["output"]))
        if (made or not state) and not safe and str(path.parent) not in live:
            names.append(path.parent.name)
    return names


def _has_weights(folder: Path) -> bool:
    return any(file.suffix in _WEIGHTS for depth in ("*", "*/*") for file in folder.glob(depth))


class Scout(threading.Thread):
    """Looks, listens to orders, asks jobs to stop and writes the state down."""

    def __init__(self, folder: Path, jobs: Path) -> None:
        super().__init__(daemon=True)
        self.look = Look(-math.inf)
        self.orders: list[dict[str, Any]] = []
        self.past: dict[str, Any] | None = None
        self._folder, self._jobs = folder, jobs
        self._story: dict[str, Any] = {}
        self._stopping: tuple[float, str] | None = None
        self._beat = b""
        self._told, self._news = threading.Event(), threading.Event()

    def tell(self, story: dict[str, Any], *, wait_s: float = 0.0) -> None:
        """Have the state written, and wait so long for it."""
        self._told.clear()
        self._story = story
        self._news.set()
        if wait_s:
            self._told.wait(wait_s)

    def stop_jobs(self, grace_s: float, why: str) -> None:
        """Have all live jobs asked to save and end; ``why`` is the limit, for whoever follows them."""
        self._stopping = grace_s, why
        self._news.set()

    def run(self) -> None:
        """Go on for ever; what the disk refuses is tried again."""
        self.past = read_json(self._folder / "lease.json")
        while True:
            with contextlib.suppress(OSError):
                self._listen()
                if uptime() - self.look.at >= LOOK_S or self._stopping is not None:
                    self.look = self._looked()
                self._stop()
                self._write()
            self._news.wait(TICK_S)
            self._news.clear()

    def _write(self) -> None:
        story, self._story = self._story, {}
        if story:
            write_json(self._folder / "lease.json", story)
            self._told.set()

    def _listen(self) -> None:
        taken = self._folder / "lease.order.heard"
        with contextlib.suppress(FileNotFoundError):
            (self._folder / "lease.order.json").replace(taken)
            self.orders.append(read_json(taken))

    def _looked(self) -> Look:
        live, active = processes(str(self._jobs))
        if active:
            write_json(self._folder / "loose.json", {"seen_s": time.time()})
        lost = undelivered(self._jobs, live)
        loose = read_json(self._folder / "loose.json").get("seen_s", 0.0)
        if loose > read_json(self._folder / "delivered.json").get("until_s", 0.0):
            lost.append("what was trained by hand")
        active |= {f"job {Path(folder).name}" for folder in live if not is_page(folder)}
        busy = 0 if active else gpu_use()
        active |= {f"GPU at {busy} %"} if busy > BUSY_PERCENT else set()
        return Look(uptime(), (*sorted(active), *self._client()), tuple(sorted(live)), tuple(lost))

    def _client(self) -> list[str]:
        before, self._beat = self._beat, _bytes(self._folder / "client.beat")
        return ["client"] if self._beat != before else []

    def _stop(self) -> None:
        if self._stopping is None:
            return
        (grace_s, why), self._stopping = self._stopping, None
        for folder in self.look.jobs:
            temporary = Path(folder, f"stop.{os.getpid()}.tmp")
            temporary.write_text(f"{grace_s} {why}", encoding="utf-8")
            temporary.replace(Path(folder, "stop"))


def _bytes(path: Path) -> bytes:
    with contextlib.suppress(OSError):
        return path.read_bytes()
    return b""
