"""Ctrl-C where it does no harm: never between the taking of a lock and what gives it back.

Python raises KeyboardInterrupt wherever its main thread is. paramiko takes its locks with ``acquire()`` and a
``try`` after it: raised between the two, the lock is nobody's and is never given back, and closing the
connection then waits for ever. So an interrupt that comes there is postponed for a moment.
"""

from __future__ import annotations

import _thread
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_AGAIN_S = 0.005
_TRIES = 400  # 2 s: a line that is dead may hold the thread in there for longer
# A wait holds nothing that is not given back: threading.Condition.wait, and Event's and Thread's of it.
_WAITS = frozenset({"wait", "join", "_wait_for_tstate_lock"})


@contextmanager
def patient_interrupts() -> Iterator[None]:
    """Postpone Ctrl-C while a lock may be half taken; where somebody else handles it nothing is changed."""
    default = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if not default or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, _Patient())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


class _Patient:
    """The handler; it counts how often one interrupt was postponed."""

    def __init__(self) -> None:
        self._tries = 0

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Raise KeyboardInterrupt, now or in a moment."""
        if _is_delicate(frame) and self._tries < _TRIES:
            self._tries += 1
            again = threading.Timer(_AGAIN_S, _interrupt)
            again.daemon = True
            again.start()
            return
        self._tries = 0
        signal.default_int_handler(number, frame)


def _interrupt() -> None:
    """Interrupt the main thread; on POSIX what it waits for, too. Windows has no such call."""
    if sys.platform == "win32":
        _thread.interrupt_main()
    else:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


def _is_delicate(frame: FrameType | None) -> bool:
    """Whether a lock may be half taken there: in paramiko, or in what threading makes of locks."""
    if frame is None:
        return False
    where = str(frame.f_globals.get("__name__", ""))
    if where == "threading":
        return frame.f_code.co_name not in _WAITS
    while frame is not None:
        if str(frame.f_globals.get("__name__", "")).partition(".")[0] == "paramiko":
            return True
        frame = frame.f_back
    return False
