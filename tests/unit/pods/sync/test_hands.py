"""What answers bring is worked on beside the listening, and never more of it than is bounded waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from millhand.pods.sync.crew import Crew
from millhand.pods.sync.lanes import Answer, AnswerError
from tests.patience import WITHIN_S
from tests.unit.pods.sync.pipes import Opener

_JOBS = 200


@pytest.fixture
def crew(tmp_path: Path) -> Iterator[Crew]:
    hello = {"do": "hello", "root": str(tmp_path), "session": "0" * 8, "make": True, "durable": False}
    crew = Crew(Opener(), hello)
    crew.greeted.result()
    yield crew
    crew.close()


def test_where_the_work_is_slower_than_the_line_the_line_waits(crew: Crew) -> None:
    go, begun, done = threading.Event(), threading.Event(), list[int]()
    before = crew.leader.line.received

    def work(number: int) -> None:
        begun.set()
        go.wait(WITHIN_S)
        done.append(number)

    def job(number: int) -> None:
        crew.put({"do": "ping"}, b"", lambda answer: work(number), weight=1)

    job(0)
    assert begun.wait(WITHIN_S)
    one = crew.leader.line.received - before  # bytes of an answer
    for number in range(1, _JOBS):
        job(number)
    time.sleep(0.5)  # time enough for all answers, if somebody listened
    heard = (crew.leader.line.received - before) / one
    go.set()
    crew.drain()
    assert sorted(done) == list(range(_JOBS))
    assert heard < 10


def test_work_that_no_thread_can_be_had_for_ends_the_sync(
    crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    def submit(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(crew._hands, "submit", submit)
    crew.put({"do": "ping"}, b"", lambda answer: None, weight=1)
    with pytest.raises(RuntimeError, match="can't start"):
        crew.drain()


def test_what_has_arrived_is_worked_on_when_the_crew_goes(crew: Crew) -> None:
    go, begun, done = threading.Event(), threading.Event(), list[Answer | AnswerError]()

    def work(answer: Answer | AnswerError) -> None:
        begun.set()
        go.wait(WITHIN_S)
        done.append(answer)

    crew.put({"do": "ping"}, b"", work, weight=1)
    assert begun.wait(WITHIN_S)
    closing = threading.Thread(target=crew.close)
    closing.start()
    assert not done
    go.set()
    closing.join(WITHIN_S)
    assert len(done) == 1
