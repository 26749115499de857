"""Connections to agents: messages out, answers in, several at once."""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future
from typing import Any, Literal, Protocol

from millhand.errors import MillhandError
from millhand.pods import wire
from millhand.pods.bundle import bundle
from millhand.pods.ssh.faults import ConnectionLostError

MODULES = (
    "millhand.pods.wire",
    *(
        f"millhand.pods.sync.{name}"
        for name in (
            "names",
            "folders",
            "hashes",
            "tags",
            "intake",
            "parts",
            "store",
            "packing",
            "cutting",
            "compare",
            "remote",
        )
    ),
)
Answer = tuple[dict[str, Any], bytes]


def agent() -> bytes:
    """The bytes that make a sync's agent of a bare Python at the other end of a stream."""
    return bundle(MODULES, "millhand.pods.sync.remote.main()")


class Stream(Protocol):
    """Both ways to a freshly started agent that was sent :func:`agent`."""

    def read(self, size: int) -> bytes:
        """At most ``size`` bytes, at least one; none at the end."""

    def write(self, data: bytes | bytearray) -> Any:
        """Take all of ``data``."""

    def flush(self) -> Any:
        """Send what was taken."""

    def close(self) -> Any:
        """Let go of it; the agent's input ends."""


class Opener(Protocol):
    """Starts an agent, over the connection that is there or over one of its own."""

    def __call__(self, transport: Literal["shared", "new"]) -> Stream:
        """Start it; nothing has been said yet."""


class CutError(MillhandError):
    """The connection broke. What has arrived is kept, and the same sync again goes on from there."""


class AnswerError(Exception):
    """The other side could not do it; ``kind`` is what :func:`millhand.pods.sync.remote.fault_of` says."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind, self.reason = kind, reason


class _Counted:
    """A stream that is counted, and closed once."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.sent = self.received = 0

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self.received += len(data)
        return data

    def write(self, data: bytes | bytearray) -> None:
        self.sent += len(data)
        self._stream.write(data)

    def flush(self) -> None:
        self._stream.flush()

    @property
    def trip_s(self) -> float | None:
        return getattr(self._stream, "trip_s", None)

    def close(self) -> None:
        self._stream.close()


class Lane:
    """One agent. Answers come in the order of the messages; a thread reads them."""

    def __init__(self, stream: Stream) -> None:
        self.line = _Counted(stream)
        self._asked: deque[Future[Answer]] = deque()
        self._lock = threading.Lock()
        self._fault: Exception | None = None
        self._thread = threading.Thread(target=self._listen, name="sync answers", daemon=True)
        self._thread.start()

    def ask(self, header: dict[str, Any], payload: bytes | bytearray = b"") -> Future[Answer]:
        """Send a message; the answer comes later. It may wait until the line takes it."""
        future: Future[Answer] = Future()
        with self._lock:
            if self._fault is not None:
                future.set_exception(self._fault)
                return future
            self._asked.append(future)
            try:
                wire.send(self.line, header, payload)
                self.line.flush()
            except Exception as error:  # noqa: BLE001 - whatever it is, this line is dead
                threading.Thread(target=self._fail, args=(error,)).start()
        return future

    def _listen(self) -> None:
        try:
            while True:
                header, payload = wire.receive(self.line)
                self._heard(header, payload)
        except Exception as error:  # noqa: BLE001 - the same
            self._fail(error)

    def _heard(self, header: dict[str, Any], payload: bytes) -> None:
        if not self._asked:
            raise wire.WireError("an answer to nothing")
        future = self._asked.popleft()
        if "error" in header:
            future.set_exception(AnswerError(str(header.get("kind")), str(header["error"])))
        else:
            future.set_result((header, payload))

    def _fail(self, error: Exception) -> None:
        cut = isinstance(error, ConnectionLostError) or not isinstance(error, MillhandError)
        fault = _cut(error) if cut else error
        with self._lock:
            self._fault = self._fault or fault
            asked, self._asked = self._asked, deque()
        for future in asked:
            future.set_exception(self._fault)

    @property
    def trip_s(self) -> float | None:
        """Seconds of a round trip, where the stream knows."""
        return self.line.trip_s

    @property
    def alive(self) -> bool:
        """Whether nothing is known of its end."""
        return self._fault is None

    def close(self) -> None:
        """Hang up."""
        self.line.close()
        self._thread.join(5)


class Kept:
    """Starts agents, and keeps one of them from one sync to the next: that spares its start.

    It is usable wherever an :class:`Opener` is. Several syncs at once each get an agent of their own; the
    first that is done leaves its own for later.
    """

    def __init__(self, opener: Opener) -> None:
        self._opener = opener
        self._lock = threading.Lock()
        self._lane: Lane | None = None

    def __call__(self, transport: Literal["shared", "new"]) -> Stream:
        return self._opener(transport)

    def take(self) -> Lane | None:
        """The agent that was kept, if it lives; whoever takes it must put it back or close it."""
        with self._lock:
            lane, self._lane = self._lane, None
        if lane is None or lane.alive:
            return lane
        lane.close()
        return None

    def put_back(self, lane: Lane) -> None:
        """Keep an agent whose answers have all arrived, or will be of no interest."""
        with self._lock:
            if self._lane is None:
                self._lane = lane
                return
        lane.close()

    def close(self) -> None:
        """Hang up."""
        lane = self.take()
        if lane is not None:
            lane.close()


def leader(opener: Opener) -> Lane:
    """A lane of the shared connection: the one that was kept, or a new one."""
    lane = opener.take() if isinstance(opener, Kept) else None
    if lane is None:
        return Lane(opener("shared"))
    lane.line.sent = lane.line.received = 0
    return lane


def _cut(error: Exception) -> CutError:
    why = error.message if isinstance(error, MillhandError) else f"The connection broke: {error}."
    return CutError(
        f"The sync is not done. {why}",
        mend="What has arrived is kept. Repeat the command: it goes on from there.",
    )
