"""trainer_log.jsonl: cut lines, resumed runs, pace."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millhand.llamafactory.log import TrainerLog, parse_elapsed, parse_line, read_log

# Lines as LLaMA-Factory 0.9.5 wrote them.
TRAINING = (
    b'{"current_steps": 40, "total_steps": 120, "loss": 3.4475, "lr": 0.00228, "epoch": 5.0, '
    b'"percentage": 33.33, "elapsed_time": "0:00:06", "remaining_time": "0:00:12"}\n'
)
EVALUATION = (
    b'{"current_steps": 40, "total_steps": 120, "eval_loss": 3.1, "epoch": 5.0, "elapsed_time": "0:00:07"}\n'
)
LAST = b'{"current_steps": 120, "total_steps": 120, "epoch": 15.0, "elapsed_time": "0:00:20"}\n'


def line(step: int, elapsed_s: int = 0, total: int = 100, **values: Any) -> bytes:
    values.setdefault("loss", float(step))
    raw = {"current_steps": step, "total_steps": total, "elapsed_time": f"0:00:{elapsed_s:02}", **values}
    return orjson.dumps(raw) + b"\n"


def test_real_lines_are_read() -> None:
    log = read_log([TRAINING, EVALUATION, LAST])
    assert [(p.step, p.loss, p.lr, p.elapsed_s) for p in log.losses] == [(40, 3.4475, 0.00228, 6.0)]
    assert [(p.step, p.eval_loss) for p in log.eval_losses] == [(40, 3.1)]
    assert log.last is not None
    assert (log.last.step, log.last.loss) == (120, None)


@given(st.lists(st.integers(0, 400), max_size=6))
def test_however_the_bytes_come_in_the_points_are_the_same(cuts: list[int]) -> None:
    data = TRAINING + EVALUATION + LAST
    bounds = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    log = TrainerLog()
    for start, end in pairwise(bounds):
        log.feed(data[start:end])
    whole = read_log([data])
    assert (log.losses, log.eval_losses, log.last) == (whole.losses, whole.eval_losses, whole.last)


@given(st.binary(max_size=200))
def test_whatever_stands_in_the_file_reading_goes_on(noise: bytes) -> None:
    log = TrainerLog()
    log.feed(noise + b"\n")
    assert [point.step for point in log.feed(line(7))] == [7]


def test_a_resumed_run_has_each_step_once_and_only_what_became_the_model() -> None:
    log = read_log([line(10, 1), line(20, 2), line(20, 2, loss=None, eval_loss=9.0), line(30, 3)])
    assert [point.step for point in log.losses] == [10, 20, 30]
    log.feed(line(20, 1, loss=0.5))
    assert [(point.step, point.loss) for point in log.losses] == [(10, 10.0), (20, 0.5)]
    assert log.eval_losses == []


def test_an_evaluation_after_its_training_line_is_no_resumed_run() -> None:
    log = read_log([line(10, 1), line(10, 1, loss=None, eval_loss=2.0)])
    assert len(log.losses) == len(log.eval_losses) == 1


def test_time_left_is_this_attempts_pace_and_training_time_all_attempts() -> None:
    log = read_log([line(10, 10), line(50, 50), line(40, 0), line(60, 10)])
    assert log.remaining_s == pytest.approx(40 * 10 / 20)
    assert log.training_s == pytest.approx(60)
    assert read_log([line(10, 1)]).remaining_s is None
    assert TrainerLog().training_s == 0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0:00:06", 6),
        ("1 day, 2:03:04", 93784),
        ("12 days, 0:00:00", 1036800),
        ("", 0),
        ("x", 0),
        (None, 0),
        ("a:b:c", 0),
    ],
)
def test_elapsed_time(text: Any, seconds: float) -> None:
    assert parse_elapsed(text) == seconds


def test_a_run_that_diverged_is_told_from_one_that_learns() -> None:
    assert read_log([line(1), line(2, loss=0.5)]).diverged_at is None
    assert read_log([line(1, loss=0.0), line(2, loss=0.0)]).diverged_at is None, (
        "nothing to learn is no fault"
    )
    assert read_log([line(1), line(2, loss=0.0)]).diverged_at == 2
    assert read_log([line(1), b'{"current_steps": 2, "total_steps": 3, "loss": NaN}']).diverged_at == 2
    assert (
        read_log([line(1), b'{"current_steps": 2, "total_steps": 3, "eval_loss": Infinity}']).diverged_at == 2
    )


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"1", b'{"current_steps": "x"}', b"\xff"])
def test_what_is_no_log_line_is_none(text: bytes) -> None:
    assert parse_line(text) is None
