"""Somebody works with a rented pod: its lease's idle rule is held off as long as that is so."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from millhand.errors import MillhandError
from millhand.pods.lease import PodLease


class Use:
    """Whether something is used: :meth:`note` says so, :meth:`taken` whether it was since the last asking."""

    def __init__(self) -> None:
        self._noted = threading.Event()

    def note(self) -> None:
        """It is used now."""
        self._noted.set()

    def taken(self) -> bool:
        """Whether it was used since this was asked last."""
        used = self._noted.is_set()
        self._noted.clear()
        return used


def _always() -> bool:
    return True


@contextmanager
def beating(lease: PodLease | None, every_s: float, at_work: Callable[[], bool] = _always) -> Iterator[None]:
    """Tell the keeper as long as the block lasts that somebody is at work.

    Args:
        lease: The pod's; None where there is none to tell.
        every_s: Seconds between two looks.
        at_work: Whether somebody is, at each look.
    """
    over = threading.Event()

    def beat() -> None:
        while lease is not None and not over.wait(every_s):
            if at_work():
                with suppress(MillhandError):  # whoever works there hears of it
                    lease.beat()

    thread = threading.Thread(target=beat, daemon=True, name="heartbeat")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
