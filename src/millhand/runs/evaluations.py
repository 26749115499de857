"""What was measured of a run's model, kept in the ledger as steps ``evaluate:DATASET:METRIC``."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from millhand.hub.facts import Evaluation
from millhand.runs.finished import open_ledger
from millhand.runs.ledger import Run
from millhand.workspace import Workspace

EVALUATED = "evaluate:"


def keep_evaluations(workspace: Workspace, run: Run, found: Iterable[Evaluation]) -> None:
    """Note what was measured; a figure of the same dataset and metric takes the place of the earlier one."""
    ledger = open_ledger(workspace)
    for evaluation in found:
        step = f"{EVALUATED}{evaluation.dataset}:{evaluation.metric}"
        ledger.begin(run.name, step)
        ledger.finish(run.name, step, msgspec.to_builtins(evaluation))


def evaluations_of(workspace: Workspace, run: Run) -> tuple[Evaluation, ...]:
    """What was measured of a run, held-out datasets first."""
    marks = [mark for mark in open_ledger(workspace).steps(run.name) if mark.name.startswith(EVALUATED)]
    found = [msgspec.convert(mark.facts, Evaluation) for mark in marks if mark.done_s is not None]
    return tuple(sorted(found, key=lambda item: (item.trained_on, item.dataset, item.metric)))
