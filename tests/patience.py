"""How long a test waits for what must happen."""

from __future__ import annotations

import time
from collections.abc import Callable

# Long, since a machine that runs the tests may do other things, too; nothing is waited for once it is there.
WITHIN_S = 300.0


def wait_until(condition: Callable[[], object], within_s: float = WITHIN_S) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
