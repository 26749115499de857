"""What both directions have in common: one session with one root here and one there."""

from __future__ import annotations

import math
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from millhand.errors import Finding, MillhandError
from millhand.pods.sync.crew import Crew
from millhand.pods.sync.folders import Entry, Root
from millhand.pods.sync.hashes import BLOCK
from millhand.pods.sync.lanes import Answer, AnswerError, CutError, Opener
from millhand.pods.sync.names import RefusedError
from millhand.pods.sync.packing import pack
from millhand.pods.sync.remote import fault_of
from millhand.pods.sync.removing import nothing_removed
from millhand.pods.sync.report import Planned, Progress, Quiet, Report
from millhand.pods.sync.store import MismatchError, Store
from millhand.pods.sync.tagging import Tagging
from millhand.pods.sync.tree import refused, shown

FILES_AT_ONCE = 256
TRIES = 5
_FAR_S = 0.015  # a round trip from which one connection's window holds it back
_LANES_A_SECOND = 150  # of round trip: a channel carries 2 MB in one, so all of them 300 MB/s
_MUCH = 16 << 20
_SLOW = 25 << 20  # bytes a second below which compressing is faster than sending


@dataclass(frozen=True, slots=True)
class Choice:
    """How a sync is done.

    Args:
        delete: Remove files that the other side lacks, in the named folders that it has
            (:mod:`millhand.pods.sync.removing`).
        agree: Told all that would be removed before anything is; nothing is unless it agrees. None: it does.
        dry_run: Change nothing; say what would be done.
        durable: Flush each file to the disk before it takes its place.
        lanes: Connections at most; None: as many as the distance asks for.
        compress: None: where the line is slow enough for it to pay.
        exclude: Patterns (:mod:`fnmatch`) of names, at any depth below what is named, that a pull leaves
            and nothing removes.
        skip: Paths below what is named that a push leaves.
    """

    delete: bool = False
    dry_run: bool = False
    durable: bool = False
    lanes: int | None = None
    compress: bool | None = None
    exclude: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    agree: Callable[[Sequence[Entry]], bool] | None = None

    def leaves_out(self, named: str, path: str) -> bool:
        """Whether a part of ``path`` below ``named`` is one of those that stay away."""
        below = path.removeprefix(named).strip("/").split("/")
        return any(fnmatchcase(part, pattern) for part in below for pattern in self.exclude)


class Transfer:
    """A session: the crew, the root here, the report. A context manager.

    Args:
        opener: Starts agents at the other end.
        root: The folder here; made where it is none and something is to be put there.
        place: The folder there.
    """

    def __init__(
        self,
        opener: Opener,
        root: Path,
        place: str,
        choice: Choice,
        progress: Progress | None,
        writes_there: bool,
    ) -> None:
        self.choice, self.root = choice, Root(str(root))
        self.report = Report(dry_run=choice.dry_run)
        session = secrets.token_hex(4)
        self.store = Store(self.root, session, choice.durable)
        self.tagging = Tagging()
        hello = {"do": "hello", "root": place, "session": session, "durable": choice.durable}
        hello |= {"make": writes_there and not choice.dry_run, "key": self.tagging.key.hex()}
        self.crew = Crew(opener, hello)
        self._progress: Progress = progress or Quiet()
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._bytes = self._suspected = 0
        self._trip_s: float | None = None

    def __enter__(self) -> Transfer:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        report = self.report
        report.sent = sum(lane.line.sent for lane in self.crew.lanes)
        report.received = sum(lane.line.received for lane in self.crew.lanes)
        self.crew.close(done=kind is None)
        self.store.close(save=not self.choice.dry_run)
        report.seconds = time.monotonic() - self._began
        report.lines = len(self.crew.lanes)
        if isinstance(error, CutError):
            error.message += f" {report.files} files ({report.size} bytes) were brought before."
        if isinstance(error, AnswerError):
            self.welcome()
            raise MillhandError(f"The other side could not go on: {error.reason}.") from error

    def welcome(self) -> int | None:
        """Wait for the agent; the bytes that are free there.

        Raises:
            MillhandError: It cannot work there.
        """
        try:
            free = self.crew.greeted.result()[0].get("free")
        except AnswerError as error:
            raise MillhandError(f"The folder on the other side cannot be used: {error.reason}.") from error
        return int(free) if free is not None else None

    def goodbye(self) -> None:
        """Let the agent write down what it learned. That is not waited for: it does so at its end, too."""
        self.crew.leader.ask({"do": "bye", "save": not self.choice.dry_run})

    def add(self, action: str, path: str, size: int = 0) -> None:
        """Note what is to be done."""
        if self.choice.dry_run:
            self.report.planned.append(Planned(action, path, size))  # type: ignore[arg-type]
        elif action in ("new", "changed"):
            self._progress.total(1, size)

    def expect(self, size: int) -> None:
        """So many more bytes are to be carried: open more lanes when it is much and the other end is far."""
        self._bytes += size
        if self._bytes < _MUCH or self.choice.dry_run:
            return
        if self._trip_s is None and self.choice.lanes is None:
            self._trip_s = self._measured()
        self._widen(self._trip_s or 0.0)

    def suspect(self, size: int) -> None:
        """So many bytes may have to be carried: open more lanes at once where they will help for certain."""
        self._suspected += size
        trip_s = self.crew.leader.trip_s
        if self._suspected >= 4 * _MUCH and trip_s is not None and not self.choice.dry_run:
            self._widen(trip_s)

    def _measured(self) -> float:
        """A round trip; while nothing is on the way."""
        trip_s = self.crew.leader.trip_s
        trip_s = self._ping() if trip_s is None else trip_s
        if _FAR_S <= trip_s < 2 * _FAR_S:  # or was only somebody busy?
            trip_s = min(trip_s, self._ping())
        return trip_s

    def _ping(self) -> float:
        asked_s = time.monotonic()
        self.crew.call({"do": "ping"})
        return time.monotonic() - asked_s

    def _widen(self, trip_s: float) -> None:
        wanted = 1 if trip_s < _FAR_S else min(8, max(4, math.ceil(trip_s * _LANES_A_SECOND)))
        self.crew.grow(self.choice.lanes or wanted)

    def squeeze(self) -> bool:
        """Whether what is sent now is to be compressed."""
        if self.choice.compress is not None:
            return self.choice.compress
        rate = self.crew.rate
        return rate is not None and rate < _SLOW

    def brought(self, files: int, size: int) -> None:
        """Note files that are whole now."""
        with self._lock:
            self.report.files += files
            self.report.size += size
            self._progress.done(files, 0)

    def moved(self, size: int, reused: bool = False) -> None:
        """Note bytes of content that are there now; ``reused``: they were there before."""
        with self._lock:
            self.report.reused += size if reused else 0
            self._progress.done(0, size)

    def left_out(self, path: str, fault: dict[str, Any] | AnswerError) -> None:
        """Note a file that could not be brought.

        Raises:
            MillhandError: The disk is full: nothing else can be brought either.
        """
        kind = fault.kind if isinstance(fault, AnswerError) else str(fault.get("kind"))
        reason = fault.reason if isinstance(fault, AnswerError) else str(fault.get("error"))
        if kind == "full":
            raise full_disk(path)
        self.found(refused(path, reason, f"sync.{kind}"))

    def tried(self, path: str, act: Callable[[], None], but: type[Exception] | tuple[()] = ()) -> bool:
        """Write something here; say whether it worked. What did not is a finding; ``but`` passes through.

        Raises:
            MillhandError: The disk is full.
        """
        try:
            act()
        except but:
            raise
        except (OSError, RefusedError, MismatchError) as error:
            self.left_out(path, fault_of(error))
            return False
        return True

    def may_remove(self, extras: list[Entry], kept: list[Finding]) -> bool:
        """Note what would be removed and what is kept; say whether it is to be."""
        if any(finding.severity == "error" for finding in self.report.findings):
            self.found(nothing_removed())
            return False
        self.report.findings += kept
        for entry in extras:
            self.add("delete", entry.path, entry.size)
        if self.choice.dry_run or not extras:
            return False
        return self.choice.agree is None or self.choice.agree(extras)

    def found(self, finding: Finding) -> None:
        """Add a finding."""
        with self._lock:
            self.report.findings.append(finding)


def full_disk(path: str) -> MillhandError:
    """The receiving side's disk is full."""
    return MillhandError(
        f"The disk of the receiving side is full: {shown(path)} did not fit. Nothing was left half-written.",
        mend="Make room there and repeat the command: what has arrived is not sent again.",
    )


class Batch:
    """Small files on their way to one message."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.size = 0

    def add(self, entry: Entry) -> bool:
        """Take one; say whether the batch is full."""
        self.entries.append(entry)
        self.size += entry.size
        return self.size >= BLOCK or len(self.entries) >= FILES_AT_ONCE


class Orders:
    """Folders, links, times and deletions on their way to one message, in that order."""

    def __init__(self) -> None:
        self._orders: dict[str, list[list[Any]]] = {"folder": [], "meta": [], "link": [], "delete": []}

    def add(self, name: str, *arguments: Any) -> None:
        """Add one."""
        self._orders[name].append([name, *arguments])

    def messages(self, *names: str) -> Iterator[tuple[dict[str, Any], bytes]]:
        """All of those names, which are not given again."""
        every = [order for name in names for order in self._orders[name]]
        self._orders.update({name: [] for name in names})
        for start in range(0, len(every), 4000):
            yield {"do": "apply"}, pack(every[start : start + 4000])


def in_flight(asked: Iterator[tuple[Any, Future[Answer]]], depth: int) -> Iterator[tuple[Any, Answer]]:
    """Answers in order, with ``depth`` messages on the way ahead of them."""
    waiting: list[tuple[Any, Future[Answer]]] = []
    for item in asked:
        waiting.append(item)
        if len(waiting) > depth:
            about, future = waiting.pop(0)
            yield about, future.result()
    for about, future in waiting:
        yield about, future.result()


def pages(items: Iterator[Any], size: int) -> Iterator[list[Any]]:
    """Lists of ``size`` items."""
    page: list[Any] = []
    for item in items:
        page.append(item)
        if len(page) == size:
            yield page
            page = []
    if page:
        yield page
