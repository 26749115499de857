"""The fake's clock: RunPod's own time, which need not be the client's."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from email.utils import format_datetime

START_S = 1_790_000_000.0  # 2026-09-21


class Clock:
    """Seconds since the epoch: from ``start_s`` on, ``speed`` seconds to each real one, and as turned.

    With ``speed`` 0 only :meth:`advance` moves it: a test's waits cost nothing.
    """

    def __init__(self, start_s: float = START_S, speed: float = 0.0) -> None:
        self._start_s, self._speed = start_s, speed
        self._began, self._turned = time.monotonic(), 0.0
        self._lock = threading.Lock()

    def now(self) -> float:
        """The time."""
        return self._start_s + (time.monotonic() - self._began) * self._speed + self._turned

    def advance(self, seconds: float) -> None:
        """Turn it; stands in for ``time.sleep`` in a client under test."""
        with self._lock:
            self._turned += seconds


def rfc3339(seconds: float) -> str:
    """``2026-06-01T12:00:00Z``."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def http_date(seconds: float) -> str:
    """The form of the Date header."""
    return format_datetime(datetime.fromtimestamp(int(seconds), UTC), usegmt=True)


def parse_time(text: str) -> float:
    """Seconds of an RFC 3339 time.

    Raises:
        ValueError: It is none.
    """
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
