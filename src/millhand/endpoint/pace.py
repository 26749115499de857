"""How fast a server may be asked: so many requests and tokens a minute, evenly spread.

Evenly, since a server may begin its minutes when it likes: however it counts, no minute holds more.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

_MINUTE_S = 60.0


class Pace:
    """Hands out turns in the order in which they are asked for.

    Args:
        requests_per_minute: 0: as many as like.
        tokens_per_minute: Of questions and answers together; 0: as many as like.
        now: A clock in seconds.
        sleep: Waits so many seconds.
    """

    def __init__(
        self,
        requests_per_minute: float = 0,
        tokens_per_minute: float = 0,
        *,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._request_s = _MINUTE_S / requests_per_minute if requests_per_minute else 0.0
        self._token_s = _MINUTE_S / tokens_per_minute if tokens_per_minute else 0.0
        self._now, self._sleep = now, sleep
        self._next_s = 0.0
        self._paused_s = 0.0

    async def turn(self, tokens: int) -> None:
        """Wait for a turn that will cost about ``tokens``."""
        start = max(self._now(), self._next_s)
        self._next_s = start + max(self._request_s, tokens * self._token_s)
        await self._until(start)
        while self._now() < self._paused_s:
            await self._until(self._paused_s)

    def settle(self, estimated: int, used: int) -> None:
        """Mind that a turn cost ``used`` tokens and not ``estimated``."""
        self._next_s += (used - estimated) * self._token_s

    def pause(self, seconds: float) -> None:
        """No turn for so long: the server asked for it."""
        self._paused_s = max(self._paused_s, self._now() + seconds)

    async def _until(self, moment_s: float) -> None:
        wait_s = moment_s - self._now()
        if wait_s > 0:
            await self._sleep(wait_s)
