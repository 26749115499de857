"""LLaMA-Factory's trainer_log.jsonl, read while it grows.

Format: one JSON object a line, nulls omitted (``train/callbacks.py``, ``LogCallback.on_log``). A resumed
run appends to the same file: steps between the last checkpoint and the end of the earlier attempt are
there twice, ``elapsed_time`` starts again at zero and ``throughput`` is inflated. So a step's later line
counts, and the time left is worked out here, from one attempt's steps alone.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

FILE_NAME = "trainer_log.jsonl"


@dataclass(frozen=True, slots=True)
class LogPoint:
    """One line. ``loss`` is a training loss, ``eval_loss`` an evaluation's; the last line has neither."""

    step: int
    total_steps: int
    loss: float | None = None
    eval_loss: float | None = None
    lr: float | None = None
    epoch: float | None = None
    elapsed_s: float = 0.0


def parse_line(line: bytes) -> LogPoint | None:
    """Read one line; None where it is not a log line (a line cut off by a crash)."""
    try:
        raw = json.loads(line)  # not orjson: a diverged run writes NaN and Infinity
    except ValueError:
        return None
    if not isinstance(raw, dict) or not isinstance(raw.get("current_steps"), int):
        return None
    return LogPoint(
        step=raw["current_steps"],
        total_steps=raw.get("total_steps", 0),
        loss=raw.get("loss"),
        eval_loss=raw.get("eval_loss"),
        lr=raw.get("lr"),
        epoch=raw.get("epoch"),
        elapsed_s=parse_elapsed(raw.get("elapsed_time", "")),
    )


def parse_elapsed(text: Any) -> float:
    """Seconds of Python's ``str(timedelta)``: ``0:00:06``, ``1 day, 2:03:04``; 0 where it is none."""
    if not isinstance(text, str):
        return 0.0
    days, _, clock = text.rpartition(", ")
    parts = clock.split(":")
    if len(parts) != 3 or not all(part.isdigit() for part in parts):
        return 0.0
    hours, minutes, seconds = (int(part) for part in parts)
    first = days.split(" ")[0]
    return float((int(first) if first.isdigit() else 0) * 86400 + hours * 3600 + minutes * 60 + seconds)


@dataclass(slots=True)
class TrainerLog:
    """What trainer_log.jsonl says so far. Feed it bytes as they come; :meth:`points` has each step once."""

    _rest: bytes = b""
    _losses: dict[int, LogPoint] = field(default_factory=dict)
    _evals: dict[int, LogPoint] = field(default_factory=dict)
    _attempt: list[LogPoint] = field(default_factory=list)
    _earlier_s: float = 0.0
    last: LogPoint | None = None

    def feed(self, data: bytes) -> list[LogPoint]:
        """Take the next bytes of the file; return the points of the lines that they complete."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        new = [point for point in map(parse_line, lines) if point is not None]
        for point in new:
            self._take(point)
        return new

    def _take(self, point: LogPoint) -> None:
        if self.last is not None and (point.step, point.elapsed_s) < (self.last.step, self.last.elapsed_s):
            self._rewind(point.step)
        if point.loss is not None:
            self._losses[point.step] = point
        if point.eval_loss is not None:
            self._evals[point.step] = point
        self._attempt.append(point)
        self.last = point

    def _rewind(self, step: int) -> None:
        # A resumed attempt: what the earlier one logged from here on did not become part of the model.
        self._earlier_s += self._attempt[-1].elapsed_s
        self._attempt.clear()
        for points in (self._losses, self._evals):
            for later in [known for known in points if known >= step]:
                del points[later]

    @property
    def losses(self) -> list[LogPoint]:
        """Training losses by step, each step once, as the model that came out saw them."""
        return [self._losses[step] for step in sorted(self._losses)]

    @property
    def eval_losses(self) -> list[LogPoint]:
        """Evaluation losses by step."""
        return [self._evals[step] for step in sorted(self._evals)]

    @property
    def diverged_at(self) -> int | None:
        """The step from which on a loss is no number, or is 0 after it was not; None where all is well.

        A loss of exactly 0.0 is what transformers logs in place of NaN (``logging_nan_inf_filter``).
        """
        learning = False
        for point in self.losses:
            if point.loss is not None and (not math.isfinite(point.loss) or (learning and point.loss == 0)):
                return point.step
            learning = learning or bool(point.loss)
        return next((p.step for p in self.eval_losses if not math.isfinite(p.eval_loss or 0)), None)

    @property
    def training_s(self) -> float:
        """Seconds of training over all attempts, loading and saving left out."""
        return self._earlier_s + (self._attempt[-1].elapsed_s if self._attempt else 0.0)

    @property
    def remaining_s(self) -> float | None:
        """Seconds left at the pace of this attempt; None before two lines tell a pace."""
        if len(self._attempt) < 2:
            return None
        first, last = self._attempt[0], self._attempt[-1]
        steps, seconds = last.step - first.step, last.elapsed_s - first.elapsed_s
        if steps <= 0 or seconds < 0:
            return None
        return (last.total_steps - last.step) * seconds / steps


def read_log(lines: Iterable[bytes]) -> TrainerLog:
    """Read a whole log at once."""
    log = TrainerLog()
    for line in lines:
        log.feed(line)
    log.feed(b"\n")  # a last line without its end is read too, or found broken
    return log
