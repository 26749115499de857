"""When a run on a rented pod reaches a step, as seen from outside of the client."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable

from tests.integration.pods.rented import Rented

STEPS = ("rent", "sync up", "environment", "train", "export", "fetch", "release")


class Moments:
    """Watches one run; :meth:`wait` returns when a step has begun."""

    def __init__(self, rented: Rented) -> None:
        self._rented = rented
        self._asked = threading.Event()
        self._ended = threading.Event()
        self.at_request: Callable[[], None] = lambda: None
        rented.account.on_request = self._heard

    def wait(self, step: str) -> None:
        """Wait until the step has begun."""
        events = {"rent": self._asked, "release": self._ended}
        if step in events:
            self._rented.wait(events[step].is_set)
        elif step == "train":
            self._rented.wait_for_step(5)
        else:
            self._rented.wait(lambda: self._reached(step))

    def _heard(self, method: str, path: str) -> None:
        if (method, path) == ("POST", "/pods"):
            self._asked.set()
        elif re.fullmatch("/pods/[^/]+(/action)?", path) and method in ("DELETE", "POST"):
            self._ended.set()

    def _reached(self, step: str) -> bool:
        if step == "environment":
            return any(self._rented.volume.rglob("lease.json"))
        if step == "sync up":
            return any(self._rented.volume.glob("millhand/*/models"))
        job = "export-qa" if step == "export" else "train-qa"
        phase = "running" if step == "export" else "exited"
        states = list(self._rented.volume.glob(f"millhand/*/.millhand/jobs/{job}/state.json"))
        return bool(states) and json.loads(states[0].read_text()).get("phase") == phase
