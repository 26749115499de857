"""A training run's progress on stderr: a bar with loss, rate and time left, or plain lines in a log."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING

from millhand.cli.output import say, stderr
from millhand.llamafactory.log import TrainerLog

if TYPE_CHECKING:
    from rich.progress import Progress

_PLAIN_EVERY_S = 10.0


class TrainingBar:
    """Watches a run (:class:`millhand.runs.follow.Watcher`); a context manager that clears up its bar."""

    def __init__(self) -> None:
        self._progress: Progress | None = None
        self._told_s = 0.0

    def __enter__(self) -> TrainingBar:
        """Draw nothing before there is something to draw."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the bar as it stands."""
        if self._progress is not None:
            self._progress.stop()

    def note(self, text: str) -> None:
        """Say it above the bar."""
        say(text)

    def progress(self, log: TrainerLog) -> None:
        """Move the bar; where stderr is no terminal, say a line now and then."""
        if log.last is None:
            return
        if stderr().is_terminal:
            self._draw(log)
        elif time.monotonic() - self._told_s >= _PLAIN_EVERY_S or log.last.step == log.last.total_steps:
            self._told_s = time.monotonic()
            say(f"step {log.last.step}/{log.last.total_steps}  {describe(log)}")

    def _draw(self, log: TrainerLog) -> None:
        if self._progress is None:
            self._progress = _new_progress()
            self._progress.add_task("training", total=None, told="")
            self._progress.start()
        if log.last is not None:
            task = self._progress.task_ids[0]
            self._progress.update(
                task, completed=log.last.step, total=log.last.total_steps, told=describe(log)
            )


def _new_progress() -> Progress:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    told = TextColumn("{task.fields[told]}")
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), told, console=stderr()
    )


def describe(log: TrainerLog) -> str:
    """``loss 0.4213  lr 9.8e-05  eval 0.51  1:05 left``, as far as it is known."""
    losses, evals = log.losses, log.eval_losses
    parts = []
    if losses:
        parts.append(f"loss {losses[-1].loss:.4f}")
        if losses[-1].lr is not None:
            parts.append(f"lr {losses[-1].lr:.1e}")
    if evals:
        parts.append(f"eval {evals[-1].eval_loss:.4f}")
    if log.remaining_s is not None:
        parts.append(f"{clock(log.remaining_s)} left")
    return "  ".join(parts)


def clock(seconds: float) -> str:
    """``0:42``, ``12:05``, ``3:07:00``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
