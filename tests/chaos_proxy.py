"""A TCP proxy on 127.0.0.1 that does to a connection what networks do: cut, freeze, delay, throttle.

::

    with ChaosProxy(sshd.port) as line:
        ...connect to 127.0.0.1:line.port...
        line.freeze()          # connections stand, nothing passes: a half-open connection
        line.freeze(only_answers=True)
        line.thaw()
        line.cut()             # reset all connections
        line.cut_after(10_000) # and those that are made later, once so many bytes have passed, once
        line.refuse()          # nobody is let in until
        line.allow()
        line.delay_s = 0.1     # each way; the round trip is twice that
        line.bytes_per_s = 1e6 # each way, each connection
        line.target = port     # for connections made from now on
"""

from __future__ import annotations

import contextlib
import queue
import socket
import struct
import threading
import time
from typing import Any

_PART = 16384
_RESET = struct.pack("ii", 1, 0)


class ChaosProxy:
    """Passes TCP connections on to a port of 127.0.0.1; a context manager."""

    def __init__(self, target: int, *, delay_s: float = 0.0, bytes_per_s: float = 0.0) -> None:
        self.target, self.delay_s, self.bytes_per_s = target, delay_s, bytes_per_s
        self.passed = 0  # bytes, both ways, all connections
        self.connections = 0  # that were let in
        self.may_ask, self.may_answer = threading.Event(), threading.Event()
        self.thaw()
        self._limit: int | None = None
        self._allowed = True
        self._lines: set[_Line] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def freeze(self, *, only_answers: bool = False) -> None:
        """Let nothing pass any more; connections stand, new ones too."""
        self.may_answer.clear()
        if not only_answers:
            self.may_ask.clear()

    def thaw(self) -> None:
        """Let pass what waits."""
        self.may_ask.set()
        self.may_answer.set()

    def cut(self) -> int:
        """Reset all connections; how many."""
        with self._lock:
            lines = list(self._lines)
        for line in lines:
            line.reset()
        return len(lines)

    def cut_after(self, size: int) -> None:
        """Reset all connections when so many bytes more have passed; after that all is well again."""
        with self._lock:
            self._limit = self.passed + size

    def refuse(self) -> None:
        """Reset all connections and whoever comes."""
        self._allowed = False
        self.cut()

    def allow(self) -> None:
        """Let connections in again."""
        self._allowed = True

    def close(self) -> None:
        """End it all."""
        self._allowed = False
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.thaw()
        self.cut()

    def __enter__(self) -> ChaosProxy:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def count(self, size: int) -> bool:
        """Count bytes that are about to pass; False where they must not."""
        with self._lock:
            if self._limit is not None and self.passed + size > self._limit:
                self._limit = None
                over = True
            else:
                self.passed += size
                over = False
        if over:
            self.cut()
        return not over

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            self._let_in(near)

    def _let_in(self, near: socket.socket) -> None:
        try:
            if not self._allowed:
                raise ConnectionRefusedError
            far = socket.create_connection(("127.0.0.1", self.target), timeout=5)
        except OSError:
            _reset(near)
            return
        self.connections += 1
        line = _Line(self, near, far)
        with self._lock:
            self._lines.add(line)
        line.start()

    def gone(self, line: _Line) -> None:
        """A connection has ended."""
        with self._lock:
            self._lines.discard(line)


class _Line:
    """One connection: two ways, each with a reader, a queue in which bytes grow old, and a writer."""

    def __init__(self, proxy: ChaosProxy, near: socket.socket, far: socket.socket) -> None:
        self._proxy, self._near, self._far = proxy, near, far
        self._open_ways = 2
        self._lock = threading.Lock()
        self._cut = False

    def start(self) -> None:
        for end in (self._near, self._far):
            end.settimeout(None)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        there = (self._near, self._far, self._proxy.may_ask)
        back = (self._far, self._near, self._proxy.may_answer)
        for source, sink, may_pass in (there, back):
            waiting: queue.Queue[tuple[float, bytes]] = queue.Queue(maxsize=4096)
            threading.Thread(target=self._read, args=(source, waiting), daemon=True).start()
            threading.Thread(target=self._write, args=(sink, waiting, may_pass), daemon=True).start()

    def reset(self) -> None:
        self._cut = True
        for end in (self._near, self._far):
            _reset(end)
        self._proxy.gone(self)

    def _read(self, source: socket.socket, waiting: queue.Queue[tuple[float, bytes]]) -> None:
        data = b"?"
        while data:
            try:
                data = source.recv(_PART)
            except OSError:
                data = b""
            waiting.put((time.monotonic() + self._proxy.delay_s, data))

    def _write(
        self, sink: socket.socket, waiting: queue.Queue[tuple[float, bytes]], may_pass: threading.Event
    ) -> None:
        while True:
            due, data = waiting.get()
            time.sleep(max(0.0, due - time.monotonic()))
            may_pass.wait()
            if not data or self._cut or not self._pass(sink, data):
                break
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)
        self._way_ended()
        while data:  # let the reader end
            data = waiting.get()[1]

    def _pass(self, sink: socket.socket, data: bytes) -> bool:
        if not self._proxy.count(len(data)):
            return False
        if self._proxy.bytes_per_s:
            time.sleep(len(data) / self._proxy.bytes_per_s)
        try:
            sink.sendall(data)
        except OSError:
            return False
        return True

    def _way_ended(self) -> None:
        with self._lock:
            self._open_ways -= 1
            last = self._open_ways == 0
        if last:
            for end in (self._near, self._far):
                end.close()
            self._proxy.gone(self)


def _reset(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)  # wakes a thread that reads it
    end.close()
