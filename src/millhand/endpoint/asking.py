"""Asks a model many things at once: cached, paced, patient, and never the same thing twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from millhand.endpoint.attempt import (
    MoreThanOneError,
    OneError,
    PassingError,
    is_local,
    judged,
    passing,
    read_limited,
)
from millhand.endpoint.cache import AnswerCache, Outcome
from millhand.endpoint.client import Endpoint
from millhand.endpoint.dialect import Dialect
from millhand.endpoint.order import Failure, Reply, Request
from millhand.endpoint.pace import Pace

if TYPE_CHECKING:
    import httpx
    from tenacity import RetryCallState

_TOKENS_A_CHARACTER = 1.0
_DIALECTS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How a server is asked.

    Args:
        at_once: Requests under way at the same time.
        requests_per_minute: 0: no limit.
        tokens_per_minute: 0: no limit.
        attempts: Of one request, where what goes wrong may pass.
        wait_s: Before the second attempt; doubles, with some chance in it, up to ``wait_at_most_s``.
        patience_s: A server that asks to be left alone for longer is not asked again in this build.
        grace_s: How long what is on the way is waited for when asking ends before its time.
    """

    at_once: int = 4
    requests_per_minute: float = 0
    tokens_per_minute: float = 0
    attempts: int = 6
    wait_s: float = 1.0
    wait_at_most_s: float = 60.0
    patience_s: float = 300.0
    grace_s: float = 10.0


@dataclass
class Asker:
    """Asks one endpoint. Use it as ``async with``.

    ``counts``: requests ``sent``, of those ``answered``, ``refused`` and ``lost``; ``cached`` were not sent.
    ``stopped`` says why nothing more is asked, once the server refuses everything.
    """

    endpoint: Endpoint
    cache: AnswerCache
    limits: Limits = field(default_factory=Limits)
    counts: Counter[str] = field(default_factory=Counter)
    stopped: Failure | None = None

    async def __aenter__(self) -> Asker:
        import httpx

        key = self.endpoint.key.reveal()
        self._pace = Pace(self.limits.requests_per_minute, self.limits.tokens_per_minute)
        self._turns = asyncio.Semaphore(self.limits.at_once)
        self._dialect = Dialect()
        self._under_way: dict[str, asyncio.Task[Reply | Failure]] = {}
        self._in_vain = 0
        self._ending = False
        self._client = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=self.endpoint.timeout_s,
            limits=httpx.Limits(max_connections=self.limits.at_once),
            trust_env=not is_local(self.endpoint.url),  # a proxy has no business with this machine's own
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        """Send nothing more; what is on the way has been paid for, so it is given some time to arrive."""
        self._ending = True
        left = list(self._under_way.values())
        if left:
            await asyncio.wait(left, timeout=self.limits.grace_s)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await self._client.aclose()

    async def ask(self, request: Request) -> Reply | Failure:
        """The answer, from the cache or the server. The same request is under way only once."""
        key = request.key
        known = self.cache.get(key)
        if known is not None:
            self.counts["cached"] += 1
            return known
        task = self._under_way.get(key)
        if task is None:
            task = self._under_way[key] = asyncio.create_task(self._asked(request))
            task.add_done_callback(lambda _: self._under_way.pop(key, None))
        return await asyncio.shield(task)

    async def _asked(self, request: Request) -> Reply | Failure:
        async with self._turns:
            try:
                reply = await self._patiently(request)
            except PassingError as error:
                return self._failed_in_vain(error)
            except OneError as error:
                return self._rejected(error)
            except MoreThanOneError as error:
                failure = Failure(error.why, error.message)
                self.stopped = self.stopped or (None if self._ending else failure)
                return failure
        self._in_vain = 0
        return reply

    def _rejected(self, error: OneError) -> Failure:
        """One request is refused; where none was ever served, several of them mean all."""
        failure = Failure("rejected", error.message)
        self._in_vain += not self.counts["answered"]
        if self._in_vain >= max(3, self.limits.at_once):
            self.stopped = self.stopped or failure
        return failure

    def _failed_in_vain(self, error: PassingError) -> Failure:
        """One request failed to the last attempt; where several do in a row, the server is taken for gone."""
        self._in_vain += 1
        if self._in_vain >= max(3, self.limits.at_once):
            self.stopped = self.stopped or Failure("absent", error.message)
        return Failure(error.why, error.message)

    async def _patiently(self, request: Request) -> Reply:
        from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt

        retrying = AsyncRetrying(
            retry=retry_if_exception_type(PassingError),
            stop=stop_after_attempt(self.limits.attempts),
            wait=self._wait_s,
            reraise=True,
        )
        return await retrying(self._once, request)

    def _wait_s(self, state: RetryCallState) -> float:
        from tenacity import wait_random_exponential

        limits = self.limits
        own_s = wait_random_exponential(multiplier=limits.wait_s, max=limits.wait_at_most_s)(state)
        error = state.outcome.exception() if state.outcome else None
        return max(own_s, error.after_s) if isinstance(error, PassingError) else own_s

    async def _once(self, request: Request) -> Reply:
        for _ in range(_DIALECTS):
            body = self._dialect.put(request.body)
            try:
                return await self._sent(request, body)
            except OneError as error:
                if not self._dialect.learn(body, error.message):
                    raise
        raise OneError(f"{self.endpoint.url} refuses every form of the request.")

    async def _sent(self, request: Request, body: dict[str, object]) -> Reply:
        self._check_open()
        estimated = int(request.characters * _TOKENS_A_CHARACTER) + int(request.options.get("max_tokens", 0))
        await self._pace.turn(estimated)
        self._check_open()  # the wait may have been long
        number = self.cache.sending(request.key)
        self.counts["sent"] += 1
        try:
            reply = judged(self.endpoint, *await self._posted(body), patience_s=self.limits.patience_s)
        except (PassingError, OneError, MoreThanOneError) as error:
            self._ended(number, error)
            raise
        self.cache.put(number, request, reply)
        self.counts["answered"] += 1
        self._pace.settle(estimated, reply.tokens_in + reply.tokens_out or estimated)
        return reply

    def _check_open(self) -> None:
        if self.stopped is not None or self._ending:
            raise MoreThanOneError(self.stopped.told if self.stopped else "", "not asked")

    def _ended(self, number: int, error: PassingError | OneError | MoreThanOneError) -> None:
        outcome: Outcome = "lost" if error.may_be_paid else "refused"
        self.counts[outcome] += 1
        self.cache.ended(number, outcome)
        if isinstance(error, PassingError) and error.after_s:
            self._pace.pause(error.after_s)

    async def _posted(self, body: dict[str, object]) -> tuple[httpx.Response, bytes]:
        import httpx

        url = f"{self.endpoint.url.rstrip('/')}/chat/completions"
        try:
            async with asyncio.timeout(self.endpoint.timeout_s):
                async with self._client.stream("POST", url, json=body) as response:
                    return response, await read_limited(response)
        except (httpx.HTTPError, TimeoutError) as error:
            raise passing(self.endpoint, error) from error
