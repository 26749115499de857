"""Tunnels: a port of the pod's 127.0.0.1 on the client's. Every byte is passed on as it comes.

A broken connection breaks the TCP connections through it, as an unplugged cable would; the listener stays,
and the next one that is made goes through the connection that was made anew.
"""

from __future__ import annotations

import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import paramiko

from millhand.errors import MillhandError, UsageError

_PART = 1 << 16
# Closed with this option, a socket resets: its peer sees a broken connection, not an empty answer.
_RESET = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)


@contextmanager
def tunnel(
    open_channel: Callable[[], paramiko.Channel], port: int = 0, used: Callable[[], None] = lambda: None
) -> Iterator[int]:
    """Listen on the client's 127.0.0.1 as long as the block lasts, and yield the port.

    Args:
        open_channel: Makes one channel to the pod's port.
        port: The client's port; 0 takes a free one.
        used: Called whenever something is sent to the pod. What comes from there says nothing of use: a page
            that nobody looks at is sent a sign of life every few seconds.

    Raises:
        UsageError: The port is in use.
    """
    with _listener(port) as listener:
        lines = _Lines(open_channel, used)
        accepting = threading.Thread(target=_accept, args=(listener, lines), daemon=True)
        accepting.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            lines.close()
            _wake(listener)
            accepting.join(5)


def _listener(port: int) -> socket.socket:
    try:
        return socket.create_server(("127.0.0.1", port), backlog=64)
    except OSError as error:
        mend = "Name another one, or 0 for a free one."
        raise UsageError(
            f"Port {port} of this computer cannot be used: {error.strerror}.", mend=mend
        ) from error


def _accept(listener: socket.socket, lines: _Lines) -> None:
    while True:
        try:
            near, _ = listener.accept()
        except OSError:
            return
        if not lines.serve(near):
            near.close()
            return


def _wake(listener: socket.socket) -> None:
    """Let a blocked accept() return: closing alone does not do that everywhere."""
    with suppress(OSError), socket.create_connection(listener.getsockname(), timeout=1):
        pass


class _Lines:
    """The connections that go through a tunnel at the moment."""

    def __init__(self, open_channel: Callable[[], paramiko.Channel], used: Callable[[], None]) -> None:
        self._open_channel, self._used = open_channel, used
        self._lock = threading.Lock()
        self._near: set[socket.socket] = set()
        self._closed = False

    def serve(self, near: socket.socket) -> bool:
        """Serve a connection in a thread of its own; False where the tunnel is closed."""
        with self._lock:
            if self._closed:
                return False
            self._near.add(near)
        threading.Thread(target=self._serve, args=(near,), daemon=True).start()
        return True

    def close(self) -> None:
        """End them all."""
        with self._lock:
            self._closed = True
            ends = list(self._near)
        for near in ends:
            _shut(near)

    def _serve(self, near: socket.socket) -> None:
        try:
            near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._open_channel() as far:
                _join(near, far, self._used)
        except (MillhandError, paramiko.SSHException, EOFError, OSError):
            with suppress(OSError):
                near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        finally:
            with self._lock:
                self._near.discard(near)
            near.close()


def _join(near: socket.socket, far: paramiko.Channel, used: Callable[[], None]) -> None:
    """Pass bytes on both ways until both ends have said all."""
    upward = threading.Thread(target=_upward, args=(near, far, used), daemon=True)
    upward.start()
    try:
        while data := far.recv(_PART):
            near.sendall(data)
        with suppress(OSError):
            near.shutdown(socket.SHUT_WR)
        if not far.get_transport().is_active():
            raise EOFError("the connection broke")
        upward.join()
    except OSError:  # the near end is gone
        pass
    finally:
        far.close()
        _shut(near)
        upward.join(5)


def _upward(near: socket.socket, far: paramiko.Channel, used: Callable[[], None]) -> None:
    with suppress(OSError, EOFError, paramiko.SSHException):
        while data := near.recv(_PART):
            used()
            far.sendall(data)
        far.shutdown_write()


def _shut(near: socket.socket) -> None:
    with suppress(OSError):
        near.shutdown(socket.SHUT_RDWR)
