"""Many questions to one endpoint: faults of every kind over real HTTP on loopback."""

from __future__ import annotations

import asyncio
import datetime
from email.utils import format_datetime

import pytest

from millhand.endpoint.cache import AnswerCache
from millhand.endpoint.order import Failure, Reply
from tests.openai_fake import FakeOpenAI, Fault, refusal
from tests.unit.endpoint.conftest import ask_all, asker, question

PASSING = {
    "429": refusal(429, "Rate limit reached", "rate_limit_exceeded"),
    "429 with Retry-After": refusal(429, "Rate limit reached", Retry_After="0.01"),
    "500": Fault(500, b"out of memory"),
    "502 from a proxy": Fault(502, b"<html>Bad Gateway</html>"),
    "503": refusal(503, "overloaded"),
    "408": Fault(408),
    "broken JSON": Fault(200, b'{"choices": [{"mess'),
    "HTML": Fault(200, b"<html>sign in</html>"),
    "no choices": Fault(200, b'{"choices": []}'),
    "an error in a 200": Fault(200, b'{"error": {"message": "provider failed"}}'),
    "a list": Fault(200, b"[]"),
    "content that is no text": Fault(200, b'{"choices": [{"message": {"content": 3}}]}'),
    "deep JSON": Fault(200, b"[" * 100_000),
    "cut": Fault(200, b'{"choices": [', act="cut"),
    "reset": Fault(act="reset"),
}


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING.keys())
def test_what_may_pass_is_tried_again(fake: FakeOpenAI, cache: AnswerCache, fault: Fault) -> None:
    fake.faults = [fault, fault]
    asking = asker(fake, cache)
    (reply,) = ask_all(asking, question())
    assert isinstance(reply, Reply)
    assert reply.text == "답: 질문 0"
    counts = asking.counts
    assert counts["sent"] == 3 == counts["answered"] + counts["refused"] + counts["lost"]
    assert counts["answered"] == sum(fake.paid.values()) == 1


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING.keys())
def test_what_does_not_pass_is_a_failure_and_is_asked_again_the_next_time(
    fake: FakeOpenAI, cache: AnswerCache, fault: Fault
) -> None:
    fake.always = lambda _: fault
    (failure,) = ask_all(asker(fake, cache), question())
    assert isinstance(failure, Failure)
    assert failure.why in ("busy", "lost", "unreadable")
    assert len(fake.orders) == 3
    fake.always = lambda _: None
    assert isinstance(ask_all(asker(fake, cache), question())[0], Reply)


def test_a_server_that_hangs_is_given_up_and_counted_as_lost(fake: FakeOpenAI, cache: AnswerCache) -> None:
    fake.faults = [Fault(act="hang")]
    asking = asker(fake, cache, timeout_s=0.3)
    assert isinstance(ask_all(asking, question())[0], Reply)
    assert (asking.counts["sent"], asking.counts["lost"]) == (2, 1)
    assert cache.totals() == (2, 1, 0, 1)


FOR_ALL = {
    "401": (refusal(401, "Incorrect API key", "invalid_api_key"), "refused"),
    "403": (refusal(403, "not your project"), "refused"),
    "402": (refusal(402, "insufficient credits"), "refused"),
    "404": (refusal(404, "The model does not exist", "model_not_found"), "absent"),
    "no credit": (refusal(429, "You exceeded your current quota", "insufficient_quota"), "refused"),
    "a redirect": (Fault(302, b"", {"Location": "https://login.example.com/"}), "absent"),
    "come again tomorrow": (refusal(429, "daily limit", Retry_After="86400"), "busy"),
}


@pytest.mark.parametrize(("fault", "why"), FOR_ALL.values(), ids=FOR_ALL.keys())
def test_what_every_request_would_be_told_stops_all(
    fake: FakeOpenAI, cache: AnswerCache, fault: Fault, why: str
) -> None:
    fake.always = lambda _: fault
    asking = asker(fake, cache, at_once=2)
    failures = ask_all(asking, *map(question, range(20)))
    assert asking.stopped is not None
    assert asking.stopped.why == why
    assert len(fake.orders) <= 2
    assert {failure.why for failure in failures if isinstance(failure, Failure)} == {why, "not asked"}


def test_a_wrong_key_is_told_without_the_key(fake: FakeOpenAI, cache: AnswerCache) -> None:
    asking = asker(fake, cache, key="planted-wrong-key")
    ask_all(asking, question())
    assert asking.stopped is not None
    assert "401" in asking.stopped.told
    assert "planted-wrong-key" not in f"{asking.stopped}{asking!r}"
    assert b"planted-wrong-key" not in cache.path.read_bytes()


def test_a_server_that_is_not_there_is_taken_for_gone(fake: FakeOpenAI, cache: AnswerCache) -> None:
    fake.url = "http://127.0.0.1:9/v1"
    asking = asker(fake, cache, at_once=2)
    failures = ask_all(asking, *map(question, range(50)))
    assert asking.stopped is not None
    assert asking.stopped.why == "absent"
    assert all(isinstance(failure, Failure) for failure in failures)
    assert asking.counts["sent"] < 15
    assert asking.counts["lost"] == 0


def test_one_request_that_is_refused_leaves_the_others(fake: FakeOpenAI, cache: AnswerCache) -> None:
    def fault(order: dict[str, object]) -> Fault | None:
        return refusal(400, "maximum context length exceeded") if "질문 3" in str(order) else None

    fake.always = fault
    asking = asker(fake, cache, at_once=1)
    answers = ask_all(asking, *map(question, range(6)))
    assert [type(answer) for answer in answers].count(Reply) == 5
    assert answers[3] == Failure("rejected", f"{fake.url} answered 400: maximum context length exceeded")
    assert asking.stopped is None


def test_where_every_request_is_refused_not_all_are_sent(fake: FakeOpenAI, cache: AnswerCache) -> None:
    fake.always = lambda _: refusal(400, "model 'x' not loaded")
    asking = asker(fake, cache, at_once=2)
    ask_all(asking, *map(question, range(30)))
    assert asking.stopped is not None
    assert len(fake.orders) <= 5


def test_what_a_server_does_not_take_is_said_in_its_words(fake: FakeOpenAI, cache: AnswerCache) -> None:
    def fault(order: dict[str, object]) -> Fault | None:
        if "temperature" in order:
            return refusal(400, "Unsupported value: 'temperature' does not support 0.3 with this model.")
        return None

    fake.schema, fake.always = False, fault
    form = {"type": "json_schema", "json_schema": {}}
    first = question(temperature=0.3, response_format=form)
    asking = asker(fake, cache, at_once=1)
    answers = ask_all(asking, first, question(1, temperature=0.3, response_format=form))
    assert all(isinstance(answer, Reply) for answer in answers)
    assert set(fake.orders[-1]) == {"model", "messages", "max_tokens"}
    assert asking.counts["sent"] == 4  # learnt with the first, not tried again with the second
    assert cache.get(first.key) is not None


def test_the_same_request_is_under_way_only_once_and_later_comes_from_the_cache(
    fake: FakeOpenAI, cache: AnswerCache
) -> None:
    fake.delay_s = 0.05
    asking = asker(fake, cache)
    answers = ask_all(asking, *[question()] * 8)
    assert len(set(answers)) == 1
    assert len(fake.orders) == 1
    (again,) = ask_all(asker(fake, cache), question())
    assert isinstance(again, Reply)
    assert again.cached
    assert len(fake.orders) == 1


def test_no_more_are_under_way_than_allowed(fake: FakeOpenAI, cache: AnswerCache) -> None:
    fake.delay_s = 0.02
    ask_all(asker(fake, cache, at_once=3), *map(question, range(20)))
    assert fake.most_at_once <= 3


def test_retry_after_as_a_date_is_understood(fake: FakeOpenAI, cache: AnswerCache) -> None:
    tomorrow = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)
    fake.always = lambda _: refusal(429, "later", Retry_After=format_datetime(tomorrow, usegmt=True))
    asking = asker(fake, cache)
    ask_all(asking, question())
    assert asking.stopped is not None
    assert "to come again" in asking.stopped.told


def test_an_answer_of_llamafactory_is_read(fake: FakeOpenAI, cache: AnswerCache) -> None:
    fake.llamafactory = True
    (reply,) = ask_all(asker(fake, cache), question())
    assert isinstance(reply, Reply)
    assert (reply.text, reply.finish) == ("답: 질문 0", "stop")
    assert reply.tokens_in > 0


def test_without_a_key_none_is_sent(fake: FakeOpenAI, cache: AnswerCache) -> None:
    fake.key = None
    assert isinstance(ask_all(asker(fake, cache, key=""), question())[0], Reply)


def test_what_is_on_the_way_when_asking_ends_is_kept(fake: FakeOpenAI, cache: AnswerCache) -> None:
    fake.delay_s = 0.1
    asking = asker(fake, cache, at_once=2)

    async def run() -> None:
        async with asking:
            tasks = [asyncio.ensure_future(asking.ask(question(number))) for number in range(6)]
            while not fake.orders:
                await asyncio.sleep(0.005)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(run())
    paid = sum(fake.paid.values())
    assert 1 <= paid <= 2
    assert cache.totals() == (paid, paid, 0, 0)
    assert asking.stopped is None


def test_what_a_server_says_moves_no_cursor(fake: FakeOpenAI, cache: AnswerCache) -> None:
    fake.always = lambda _: refusal(401, "\x1b[2Jgone\x07\nwrong key")
    asking = asker(fake, cache)
    ask_all(asking, question())
    assert asking.stopped is not None
    assert asking.stopped.told.isprintable()
