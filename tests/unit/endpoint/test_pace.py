"""Turns by a clock of the test's own."""

from __future__ import annotations

import asyncio
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from millhand.endpoint.pace import Pace


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def now(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        self.now_s += seconds


def turns(pace: Pace, clock: Clock, tokens: list[int]) -> list[float]:
    async def run() -> list[float]:
        starts = []
        for cost in tokens:
            await pace.turn(cost)
            starts.append(clock.now())
        return starts

    return asyncio.run(run())


@given(st.lists(st.integers(0, 5000), min_size=1, max_size=40), st.integers(1, 600), st.integers(1000, 10**6))
def test_no_minute_holds_more_than_allowed(tokens: list[int], requests: int, tokens_a_minute: int) -> None:
    clock = Clock()
    pace = Pace(requests, tokens_a_minute, now=clock.now, sleep=clock.sleep)
    starts = turns(pace, clock, tokens)
    for (one, cost), (other, _) in pairwise(zip(starts, tokens, strict=True)):
        assert other - one >= max(60 / requests, cost * 60 / tokens_a_minute) - 1e-6


def test_without_limits_nobody_waits() -> None:
    clock = Clock()
    assert turns(Pace(now=clock.now, sleep=clock.sleep), clock, [1000] * 5) == [100.0] * 5


def test_a_pause_holds_for_all_and_what_was_not_used_is_given_back() -> None:
    clock = Clock()
    pace = Pace(tokens_per_minute=6000, now=clock.now, sleep=clock.sleep)
    assert turns(pace, clock, [1000]) == [100.0]
    pace.settle(1000, 100)
    assert turns(pace, clock, [0]) == [101.0]
    pace.pause(30)
    assert turns(pace, clock, [0]) == [131.0]
