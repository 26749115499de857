"""The requests of a pod's keeper, and the clock that it goes by. Travels to a pod.

Standard library, Python >= 3.8.
"""

from __future__ import annotations

import contextlib
import email.utils
import http.client
import json
import urllib.error
import urllib.request
from typing import Any

from millhand.pods.keeper_look import uptime

CLOCK_S, NO_CLOCK_S = 600.0, 15.0  # how often the API's clock is asked, and while it is not known


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the key to another host."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Follow none."""


def ask(method: str, url: str, *, key: str = "", body: dict[str, str] | None = None) -> tuple[int, Any]:
    """One request: its status (0: no answer) and the answer's headers, or why there is none."""
    data = json.dumps(body).encode() if body else None
    request = urllib.request.Request(url, data=data, method=method)  # noqa: S310 (read_lease saw to the scheme)
    request.add_header("User-Agent", "millhand-keeper")
    if data:
        request.add_header("Content-Type", "application/json")
    if key:
        request.add_unredirected_header("Authorization", f"Bearer {key}")
    opener = urllib.request.build_opener(_NoRedirect)
    try:
        with opener.open(request, timeout=20 if key else 5) as answer:
            return answer.status, answer.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers
    except (OSError, ValueError, http.client.HTTPException) as error:
        return 0, type(error).__name__


class Clock:
    """The API server's clock, by the Date of whatever it answers; the pod's own may be set to anything."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._offset: float | None = None  # the server's epoch less our uptime
        self._again = 0.0

    def now(self) -> float | None:
        """Seconds since the epoch; None as long as nothing has answered."""
        return None if self._offset is None else uptime() + self._offset

    def refresh(self) -> None:
        """Ask, when it is time."""
        if uptime() >= self._again:
            self.take(ask("GET", self._url)[1])
            self._again = uptime() + (NO_CLOCK_S if self._offset is None else CLOCK_S)

    def take(self, headers: Any) -> None:
        """Learn from an answer's headers; a Date counts whole seconds, so half a one is added."""
        with contextlib.suppress(TypeError, ValueError, AttributeError):
            date = email.utils.parsedate_to_datetime(headers["Date"])
            self._offset = date.timestamp() + 0.5 - uptime()
