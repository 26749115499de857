"""How a client of some API waits: in tests, by a clock of their own."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Waits:
    """``sleep`` waits for seconds, ``now`` is a clock that never goes back, in seconds."""

    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], float] = time.monotonic
