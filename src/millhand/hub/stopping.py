"""Ctrl-C ends a transfer at once, not when the file that is on the way has arrived.

The library transfers in threads and waits for them; a thread hears of a Ctrl-C only through what it sends.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import httpx

from millhand.errors import StoppedError

_stopped = threading.Event()


class StoppableStream(httpx.SyncByteStream):
    """A body that ends with an error when somebody pressed Ctrl-C."""

    def __init__(self, stream: httpx.SyncByteStream) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        for block in self._stream:
            check_stopped()
            yield block

    def close(self) -> None:
        """Let go of what lies below."""
        self._stream.close()


def check_stopped() -> None:
    """Stop where somebody pressed Ctrl-C.

    Raises:
        StoppedError: Somebody did.
    """
    if _stopped.is_set():
        raise StoppedError("Stopped. What has arrived is kept.", mend="The same command goes on.")


@contextmanager
def stoppable() -> Iterator[None]:
    """Have Ctrl-C end what is sent and received in the block, in whichever thread."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread hears signals
        return
    _stopped.clear()
    before = signal.getsignal(signal.SIGINT)

    def stop(number: int, frame: FrameType | None) -> None:
        _stopped.set()
        signal.default_int_handler(number, frame)

    signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        _stopped.clear()
