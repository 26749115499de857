"""Which run a `millhand train` means: a new one, one to go on with, or one that is done. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from millhand.errors import UsageError
from millhand.runs.ledger import Run

VERIFIED = "verify"  # the step whose mark says that a run's training is done and checked


@dataclass(frozen=True, slots=True)
class Choice:
    """The run's name and folder; ``run`` is the ledger's where it is an earlier one."""

    name: str
    output_dir: str
    run: Run | None = None


def fingerprint(facts: Mapping[str, Any]) -> str:
    """One hash over what decides a run's outcome (SHA-256 of canonical JSON)."""
    text = json.dumps(facts, sort_keys=True, default=str)  # YAML gives dates and integers of any size
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def choose(
    project: str,
    output_dir: str,
    facts: Mapping[str, Any],
    runs: Sequence[Run],
    *,
    is_free: Callable[[str], bool],
    new: bool = False,
    resume: bool = False,
) -> Choice:
    """Choose the run.

    The same inputs mean the same run: it is gone on with, or found done. Changed inputs mean a new run
    under a new name, so that no run overwrites what another made.

    Args:
        project: The config's project.
        output_dir: What its train.yaml asks for; the first run takes it if it is free.
        facts: What decides the outcome: config, data and base model.
        runs: All earlier runs of the workspace, oldest first.
        is_free: Whether an output folder can be taken: nothing lies there.
        new: Ask for a new run in any case.
        resume: Ask for an earlier run in any case.

    Raises:
        UsageError: ``resume`` finds no run of these inputs.
    """
    own = [run for run in runs if run.project == project]
    # From the stored facts, not the stored hash: a Millhand that hashes differently still knows its runs.
    same = [run for run in own if fingerprint(run.facts) == fingerprint(facts)]
    if same and not new:
        return Choice(same[-1].name, same[-1].output_dir, same[-1])
    if resume:
        raise UsageError(
            _nothing_to_resume(project, facts, own), mend=f"Start a new run: `millhand train {project}`."
        )
    number = 1
    while not _is_new(_numbered(project, number), _numbered(output_dir, number), runs, is_free):
        number += 1
    return Choice(_numbered(project, number), _numbered(output_dir, number))


def _is_new(name: str, output_dir: str, runs: Sequence[Run], is_free: Callable[[str], bool]) -> bool:
    taken = any(run.name == name or run.output_dir == output_dir for run in runs)
    return not taken and is_free(output_dir)


def _numbered(base: str, number: int) -> str:
    return base if number == 1 else f"{base.rstrip('/')}-{number}"


def _nothing_to_resume(project: str, facts: Mapping[str, Any], runs: Sequence[Run]) -> str:
    if not runs:
        return f"{project} has no run to resume."
    changes = changed(runs[-1].facts, facts)
    return f"Run {runs[-1].name} cannot be gone on with, its inputs have changed: {', '.join(changes)}."


def changed(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Name what differs between two runs' facts: ``lora_rank: 8 -> 16``."""
    changes: list[str] = []
    for key in sorted({*old, *new}):
        before, after = old.get(key), new.get(key)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            changes += changed(before, after, f"{prefix}{key}.")
        elif before != after:
            changes.append(f"{prefix}{key}: {_short(before)} -> {_short(after)}")
    return changes


def _short(value: Any) -> str:
    text = "none" if value is None else str(value)
    return f"{text[:12]}…" if len(text) > 40 else text
