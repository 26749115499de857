"""Requests to the agent on a pod: a few sessions, each used by one thread at a time, made anew when lost.

Every request may be sent twice: those that change something carry a token by which the agent knows them
again. So a request whose connection broke is repeated after reconnecting, and its caller does not notice.
"""

from __future__ import annotations

import itertools
import threading
import time
from contextlib import suppress
from typing import Any

from millhand.errors import MillhandError
from millhand.pods import supervisor, wire
from millhand.pods.bundle import bundle
from millhand.pods.ssh.connection import Connection
from millhand.pods.ssh.faults import AgentError, ConnectionLostError
from millhand.pods.ssh.streams import Stream

Answer = tuple[dict[str, Any], bytes]
MODULES = (
    "millhand.pods.wire",
    *supervisor.MODULES,
    "millhand.pods.agent_io",
    "millhand.pods.agent_files",
    "millhand.pods.agent_run",
    "millhand.pods.agent_jobs",
    "millhand.pods.agent",
)
AT_ONCE = 6  # an sshd allows ten sessions a connection; sync wants some, too
_TRIES = 3  # of an agent that ends though its connection stands
_PAUSE_S = 5.0
_MENDS = {
    "busy": "Wait for it, or stop it first.",
    "path": "Paths are relative to the pod's workspace and stay in it.",
}


def agent() -> bytes:
    """The bundle of the agent that answers requests."""
    return bundle(MODULES, "millhand.pods.agent.main()")


class RefusedError(MillhandError):
    """The agent did not do what was asked; ``kind`` is its word for why."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text, mend=_MENDS.get(kind, ""))
        self.kind = kind


class Session:
    """One agent and the stream to it. The greeting is not waited for: it is read before the first answer."""

    def __init__(self, stream: Stream, root: str) -> None:
        self.stream = stream
        self._hello: dict[str, Any] | None = None
        wire.send(stream, {"op": "hello", "root": root})

    def request(self, header: dict[str, Any], payload: bytes = b"") -> Answer:
        """Ask and wait for the answer.

        Raises:
            ConnectionLostError: The connection broke.
            AgentError: The agent ended.
            RefusedError: The agent did not do it.
        """
        wire.send(self.stream, header, payload)
        self.stream.flush()
        self.hello()
        return self._answer()

    def hello(self) -> dict[str, Any]:
        """What the agent says of itself: ``root``, ``python``, ``pid``."""
        if self._hello is None:
            self.stream.flush()
            try:
                self._hello, _ = self._answer()
            except RefusedError:
                self.stream.close()  # it is of no use without a workspace
                raise
        return self._hello

    def close(self) -> None:
        """Say that the last answer has arrived, and hang up."""
        if self.stream.alive and self._hello is not None:
            with suppress(MillhandError):
                wire.send(self.stream, {"op": "bye"})
                self.stream.flush()
        self.stream.close()

    def _answer(self) -> Answer:
        try:
            header, payload = wire.receive(self.stream)
        except wire.WireError as error:
            raise AgentError(f"The agent on the pod ended: {self.stream.farewell()}") from error
        if "error" in header:
            raise RefusedError(header["error"], header["text"])
        return header, payload


class Agents:
    """The sessions of a connection.

    Args:
        connection: The pod's.
        root: The pod's workspace, as its agent is told it.
    """

    def __init__(self, connection: Connection, root: str) -> None:
        self._connection, self._root = connection, root
        self._idle: list[Session] = []
        self._lock = threading.Lock()
        self._free = threading.BoundedSemaphore(AT_ONCE)
        self._resolved: str | None = None

    def call(self, op: str, payload: bytes = b"", **fields: Any) -> Answer:
        """Send one request and return its answer, whatever becomes of the connection meanwhile.

        Raises:
            ConnectError: The pod cannot be reached any more.
            RefusedError: The agent did not do it.
        """
        with self._free:
            return self._repeated({"op": op, **fields}, payload)

    def root(self) -> str:
        """The pod's workspace as an absolute path, links resolved."""
        if self._resolved is None:
            with self._free:
                self._resolved = str(self._repeated(None, b"")[0]["root"])
        return self._resolved

    def close(self) -> None:
        """End the sessions that nobody uses."""
        with self._lock:
            idle, self._idle = self._idle, []
        for session in idle:
            session.close()

    def _repeated(self, header: dict[str, Any] | None, payload: bytes) -> Answer:
        give_up = time.monotonic() + self._connection.patience.lost_s
        for tried in itertools.count(1):
            try:
                return self._once(header, payload)
            except ConnectionLostError:
                if time.monotonic() > give_up or self._connection.wait_closed(min(_PAUSE_S, tried**2 / 50)):
                    raise
            except AgentError:
                if tried >= _TRIES:
                    raise
        raise AssertionError("counting does not end")

    def _once(self, header: dict[str, Any] | None, payload: bytes) -> Answer:
        session = self._taken()
        try:
            answer = (session.hello(), b"") if header is None else session.request(header, payload)
        except RefusedError:
            self._given_back(session)
            raise
        except BaseException:  # Ctrl-C, too: an answer that nobody waits for would be taken for the next
            session.stream.close()
            raise
        self._given_back(session)
        return answer

    def _taken(self) -> Session:
        with self._lock:
            while self._idle:
                session = self._idle.pop()
                if session.stream.alive:
                    return session
                session.stream.close()
        return Session(self._connection.open_agent(agent()), self._root)

    def _given_back(self, session: Session) -> None:
        with self._lock:
            self._idle.append(session)
