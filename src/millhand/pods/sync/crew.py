"""Several agents at one work: jobs go to whichever connection is free, what comes back is counted."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from millhand.pods.sync.lanes import Answer, AnswerError, Kept, Lane, Opener, leader

Done = Callable[[Answer | AnswerError], None]
_QUEUE = 4 << 20
_HANDS = 2


@dataclass(slots=True)
class _Job:
    header: dict[str, Any]
    payload: bytes | bytearray
    done: Done
    weight: int
    sent: Callable[[], None] | None = None

    @property
    def size(self) -> int:
        return len(self.payload) + self.weight


@dataclass(slots=True)
class _Carrying:
    size: int = 0


class Crew:
    """One agent that is asked everything, and others that help to carry; jobs go to whoever is free.

    What answers bring is worked on by hands, beside the listening.

    Args:
        opener: Starts agents.
        hello: The first message to each.
        window: Bytes that one lane may have on the way, of jobs that say their weight.
    """

    def __init__(self, opener: Opener, hello: dict[str, Any], window: int = 8 << 20) -> None:
        self._opener, self._hello, self._window = opener, hello, window
        self._lock = threading.RLock()
        # Who waits is woken for what it waits for, and no one else: each change of threads costs.
        self._given, self._room, self._over = (threading.Condition(self._lock) for _ in range(3))
        self._jobs: deque[_Job] = deque()
        self._waiting = self._open = 0
        self._fault: BaseException | None = None
        self._closed = False
        self.leader = leader(opener)
        self.lanes = [self.leader]
        self.greeted = self.leader.ask(hello)
        self._hands = ThreadPoolExecutor(_HANDS, "sync writes")
        self._free = threading.Semaphore(2 * _HANDS)
        self._threads = [self._started(self._work, self.leader)]
        self._began: float | None = None
        self._carried = 0

    def call(self, header: dict[str, Any], payload: bytes = b"") -> Answer:
        """Ask the leader and wait.

        Raises:
            AnswerError: It could not be done.
            CutError: The connection broke.
        """
        return self.leader.ask(header, payload).result()

    def put(
        self,
        header: dict[str, Any],
        payload: bytes | bytearray,
        done: Done,
        weight: int = 0,
        sent: Callable[[], None] | None = None,
    ) -> None:
        """Give a job to whoever is free; waits while there is enough to do.

        Args:
            done: Told the answer, in some thread; what it raises ends the sync.
            weight: Bytes of the answer.
            sent: Told when the payload is on its way, so that its memory may be used again.
        """
        with self._lock:
            while self._waiting >= _QUEUE and self._fault is None:
                self._room.wait()
            self._check()
            self._began = self._began or time.monotonic()
            self._waiting += len(payload) + weight
            self._give(self._jobs.append, _Job(header, payload, done, weight, sent))

    def put_first(self, header: dict[str, Any], done: Done) -> None:
        """Give a small job that goes before all others; never waits."""
        with self._lock:
            self._give(self._jobs.appendleft, _Job(header, b"", done, 0))

    def _give(self, queue: Callable[[_Job], None], job: _Job) -> None:
        queue(job)
        self._open += 1
        self._given.notify_all()

    def drain(self) -> None:
        """Wait until all jobs are done.

        Raises:
            MillhandError: What ended the sync.
        """
        with self._lock:
            while self._open and self._fault is None:
                self._over.wait()
            self._check()

    def grow(self, count: int) -> None:
        """Open more lanes, up to so many, beside the work; one that cannot be had is done without."""
        with self._lock:
            missing = range(count - len(self._threads))
            self._threads += [self._started(self._join) for _ in missing]

    @property
    def rate(self) -> float | None:
        """Bytes a second that were carried so far; None before enough were."""
        if self._began is None or self._carried < 1 << 20:
            return None
        return self._carried / max(1e-6, time.monotonic() - self._began)

    def fail(self, error: BaseException) -> None:
        """End the sync with an error."""
        with self._lock:
            self._fault = self._fault or error
            self._wake_all()

    def close(self, done: bool = False) -> None:
        """Hang up; ``done``: all went well, so the leader may serve the next sync."""
        with self._lock:
            self._closed = True
            self._wake_all()
        self._hands.shutdown()  # what has arrived is kept
        for lane in list(self.lanes):
            if lane is not self.leader:
                lane.close()
        if done and isinstance(self._opener, Kept) and self.leader.alive:
            self._opener.put_back(self.leader)
        else:
            self.leader.close()
        self._threads[0].join(5)  # one that still dials hangs up by itself

    def _wake_all(self) -> None:
        for waited_for in (self._given, self._room, self._over):
            waited_for.notify_all()

    def _check(self) -> None:
        if self._fault is not None:
            raise self._fault

    def _started(self, target: Callable[..., None], *arguments: object) -> threading.Thread:
        thread = threading.Thread(target=target, args=arguments, name="sync", daemon=True)
        thread.start()
        return thread

    def _join(self) -> None:
        try:
            lane = Lane(self._opener("new"))
            lane.ask(self._hello).result()
        except Exception:  # noqa: BLE001 - the others carry it
            return
        with self._lock:
            self.lanes.append(lane)
            closed = self._closed
        lane.close() if closed else self._work(lane)

    def _work(self, lane: Lane) -> None:
        carrying = _Carrying()
        while (job := self._next(carrying)) is not None:
            future = lane.ask(job.header, job.payload)
            if job.sent is not None:
                job.sent()
            heard = partial(self._answered, job, carrying)
            future.add_done_callback(partial(self._handed, heard) if job.weight else heard)

    def _handed(self, heard: Callable[[Future[Answer]], None], future: Future[Answer]) -> None:
        """Let what an answer brings be checked and written while the next one arrives.

        Few may wait: where writing is slower than the line, the line waits.
        """
        self._free.acquire()

        def done() -> None:
            try:
                heard(future)
            finally:
                self._free.release()

        try:
            self._hands.submit(done)
        except RuntimeError as error:  # it is over, or no thread can be had
            self._free.release()
            self.fail(error)

    def _next(self, carrying: _Carrying) -> _Job | None:
        with self._lock:
            while not self._closed and self._fault is None:
                if self._jobs and carrying.size < self._window:
                    return self._taken(carrying)
                self._given.wait()
        return None

    def _taken(self, carrying: _Carrying) -> _Job:
        job = self._jobs.popleft()
        self._waiting -= job.size
        carrying.size += job.weight
        if self._waiting < _QUEUE:
            self._room.notify_all()
        return job

    def _answered(self, job: _Job, carrying: _Carrying, future: Future[Answer]) -> None:
        try:
            job.done(future.result())
        except AnswerError as error:
            self._failed(job, error)
        except Exception as error:  # noqa: BLE001 - the one who waits raises it
            self.fail(error)
        with self._lock:
            carrying.size -= job.weight
            self._carried += job.size
            self._open -= 1
            if job.weight:
                self._given.notify_all()
            if not self._open:
                self._over.notify_all()

    def _failed(self, job: _Job, error: AnswerError) -> None:
        try:
            job.done(error)
        except Exception as fault:  # noqa: BLE001 - the same
            self.fail(fault)
