"""Following a scripted job: progress, Ctrl-C, and what it printed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import orjson
import pytest

from millhand.errors import StoppedError
from millhand.llamafactory.log import TrainerLog
from millhand.pods.base import JobStatus
from millhand.runs import follow as following
from millhand.runs.follow import STOP_GRACE_S, follow, told_lines, wait


def line(step: int) -> bytes:
    return orjson.dumps({"current_steps": step, "total_steps": 3, "loss": 1.0}) + b"\n"


@dataclass
class ScriptedJob:
    """Each look at its status does the next thing of the script; nothing is left unscripted."""

    script: list[Callable[[], JobStatus]]
    name: str = "train-qa"
    data: bytes = b""
    stops: list[float] = field(default_factory=list)
    on_stop: list[BaseException] = field(default_factory=list)

    def status(self) -> JobStatus:
        return self.script.pop(0)()

    def log(self, offset: int = 0) -> bytes:
        raise AssertionError("not asked for")

    def log_tail(self, size: int = 65536) -> bytes:
        raise AssertionError("not asked for")

    def read(self, path: str, offset: int = 0) -> bytes:
        assert path == "outputs/qa/trainer_log.jsonl"
        return self.data[offset:]

    def stop(self, grace_s: float) -> None:
        self.stops.append(grace_s)
        if self.on_stop:
            raise self.on_stop.pop()

    def grows(self, data: bytes) -> Callable[[], JobStatus]:
        def step() -> JobStatus:
            self.data += data
            return JobStatus("running")

        return step


def ends(code: int = 0) -> Callable[[], JobStatus]:
    return lambda: JobStatus("exited", exit_code=code)


def interrupted() -> JobStatus:
    raise KeyboardInterrupt


class Watch:
    def __init__(self) -> None:
        self.notes: list[str] = []
        self.steps: list[int] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def progress(self, log: TrainerLog) -> None:
        assert log.last is not None
        self.steps.append(log.last.step)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "POLL_S", 0)


def test_progress_is_told_as_the_log_grows_and_the_last_lines_are_not_missed() -> None:
    job = ScriptedJob([])
    job.script = [job.grows(line(1)[:9]), job.grows(line(1)[9:]), job.grows(b""), ends(), ends()]
    watch = Watch()
    job.script.insert(3, job.grows(line(2) + line(3)))
    followed = follow(job, "outputs/qa", watch)
    assert watch.steps == [1, 3]
    assert (followed.status.exit_code, followed.stopped) == (0, False)
    assert [point.step for point in followed.log.losses] == [1, 2, 3]


def test_ctrl_c_stops_with_grace_and_a_second_one_at_once() -> None:
    job = ScriptedJob([interrupted, ends(-15)])
    assert follow(job, "outputs/qa", Watch()).stopped is True
    assert job.stops == [STOP_GRACE_S]
    hasty = ScriptedJob([interrupted, ends(-9)], on_stop=[KeyboardInterrupt()])
    follow(hasty, "outputs/qa", Watch())
    assert hasty.stops == [STOP_GRACE_S, 0]


def test_waiting_ends_the_job_on_ctrl_c() -> None:
    assert wait(ScriptedJob([lambda: JobStatus("running"), ends(3), ends(3)])).exit_code == 3
    job = ScriptedJob([interrupted])
    with pytest.raises(StoppedError):
        wait(job)
    assert job.stops == [5]


def test_the_tail_leaves_out_progress_bars_and_blank_lines() -> None:
    log = "시작\n\n  0%|          | 0/3\r 33%|███       | 1/3\rValueError: no\n" + "x\n" * 2
    assert told_lines(log.encode()) == "시작\nValueError: no\nx\nx"
    assert len(told_lines(b"line\n" * 500).splitlines()) == following.TAIL_LINES
