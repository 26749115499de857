"""Following a job that trains: its log, its end, and what it left behind. The same for every pod."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson

from millhand.errors import StoppedError
from millhand.llamafactory import launch
from millhand.llamafactory.log import FILE_NAME, TrainerLog
from millhand.pods.base import JobHandle, JobStatus, Pod

POLL_S = 0.4
# Saving a checkpoint of an 8B model's adapter takes seconds, of a full fine-tuning a minute.
STOP_GRACE_S = 180.0
_GOES_ON = "Follow it again: the same command. End it: `millhand stop RUN`."
_BAR = re.compile(r"\d+%\|.*\|")
TAIL_LINES = 25


class Watcher(Protocol):
    """Whoever wants to know how a run goes on."""

    def note(self, text: str) -> None:
        """Something happened that a person should know."""

    def progress(self, log: TrainerLog) -> None:
        """The log has grown."""


@dataclass(slots=True)
class Followed:
    """How a followed job ended; ``stopped`` when it ended because this client asked for it."""

    status: JobStatus
    log: TrainerLog
    stopped: bool = False


@dataclass(slots=True)
class _LogReader:
    handle: JobHandle
    path: str
    log: TrainerLog = field(default_factory=TrainerLog)
    offset: int = 0

    def read(self) -> bool:
        """Take what is new; say whether there was anything."""
        data = self.handle.read(self.path, self.offset)
        self.offset += len(data)
        return bool(self.log.feed(data))


def follow(handle: JobHandle, output_dir: str, watcher: Watcher, *, detaches: bool = False) -> Followed:
    """Follow a training job to its end, telling ``watcher`` of its progress.

    Ctrl-C asks the job to save a checkpoint and end, and waits for that; a second one ends it at once.

    Args:
        handle: The job.
        output_dir: Where it writes its log.
        watcher: Whom to tell.
        detaches: Ctrl-C only ends the following: the job runs elsewhere and goes on.

    Raises:
        StoppedError: Ctrl-C ended the following of a job that goes on.
    """
    reader = _LogReader(handle, f"{output_dir}/{FILE_NAME}")
    stopped = False
    try:
        _follow(handle, reader, watcher)
    except KeyboardInterrupt:
        if detaches:
            raise StoppedError("Nobody follows it now; the job goes on.", mend=_GOES_ON) from None
        stopped = True
        watcher.note(
            "Stopping: the trainer saves a checkpoint after the current step (Ctrl-C again: at once)."
        )
        _stop(handle)
    reader.read()
    return Followed(handle.status(), reader.log, stopped)


def _follow(handle: JobHandle, reader: _LogReader, watcher: Watcher) -> None:
    while True:
        alive = handle.status().alive  # asked before reading, so that the last lines are not missed
        if reader.read():
            watcher.progress(reader.log)
        if not alive:
            return
        time.sleep(POLL_S)


def wait(handle: JobHandle) -> JobStatus:
    """Wait for a job that has no steps to show; Ctrl-C ends it.

    Raises:
        StoppedError: It was ended by Ctrl-C.
    """
    try:
        while handle.status().alive:
            time.sleep(POLL_S)
    except KeyboardInterrupt:
        handle.stop(5)
        raise StoppedError("Stopped; nothing was put in place.") from None
    return handle.status()


def _stop(handle: JobHandle) -> None:
    try:
        handle.stop(STOP_GRACE_S)
    except KeyboardInterrupt:
        handle.stop(0)


def inspect_output(pod: Pod, output_dir: str, *, set_aside: bool = False) -> dict[str, Any]:
    """What lies in a run's output folder on the pod (:mod:`millhand.llamafactory.output_state`)."""
    command, script = launch.inspect_output(pod.python, output_dir, set_aside=set_aside)
    state: dict[str, Any] = orjson.loads(pod.run(command, stdin=script).check().stdout)
    return state


def log_tail(handle: JobHandle) -> str:
    """The last lines that a job printed."""
    return told_lines(handle.log_tail())


def told_lines(log: bytes) -> str:
    """The last lines of a job's output without its progress bars."""
    lines = re.split(r"[\r\n]+", log.decode("utf-8", errors="replace"))
    told = [line.rstrip() for line in lines if line.strip() and not _BAR.search(line)]
    return "\n".join(told[-TAIL_LINES:])
