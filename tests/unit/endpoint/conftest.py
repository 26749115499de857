"""An asker over the fake."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from millhand.endpoint import Endpoint
from millhand.endpoint.asking import Asker, Limits
from millhand.endpoint.cache import AnswerCache
from millhand.endpoint.order import Failure, Reply, Request
from millhand.shell import Secret
from tests.openai_fake import KEY, MODEL, FakeOpenAI, serving


@pytest.fixture
def fake() -> Iterator[FakeOpenAI]:
    with serving(FakeOpenAI(writer=lambda order: "답: " + order["messages"][-1]["content"])) as served:
        yield served


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[AnswerCache]:
    answers = AnswerCache(tmp_path / "cache")
    yield answers
    answers.close()


def question(number: int = 0, **options: object) -> Request:
    messages = ({"role": "system", "content": "규칙"}, {"role": "user", "content": f"질문 {number}"})
    return Request(MODEL, messages, {"max_tokens": 50, **options})


def asker(
    fake: FakeOpenAI, cache: AnswerCache, *, timeout_s: float = 5.0, key: str = KEY, **limits: float
) -> Asker:
    quick = Limits(**{"wait_s": 0.005, "wait_at_most_s": 0.02, "attempts": 3, **limits})  # type: ignore[arg-type]
    return Asker(Endpoint(fake.url, MODEL, Secret(key), timeout_s), cache, quick)


def ask_all(asking: Asker, *requests: Request) -> list[Reply | Failure]:
    async def run() -> list[Reply | Failure]:
        async with asking:
            return list(await asyncio.gather(*map(asking.ask, requests)))

    return asyncio.run(run())
