"""What the supervisor saw go wrong with a job, in words, and the next thing to type."""

from __future__ import annotations

from collections.abc import Iterable

from millhand.runs.ledger import Run

# The cause before what it led to: a job that ran out of memory may well have stalled first.
_SAID = {
    "job.gpu-oom": "the GPU ran out of memory",
    "job.oom": "the machine ran out of memory",
    "job.disk-full": "the disk is full",
    "job.diverged": "its loss is no number, or 0: it diverged",
    "job.restarted": "the machine, or its container, was restarted",
    "job.stalled": "it gives no sign of work",
}
_MENDS = {
    "job.gpu-oom": "`millhand plan {project}` shows what needs the memory and what would fit: a smaller "
    "per_device_train_batch_size with more gradient_accumulation_steps, a smaller cutoff_len, or "
    "quantization_bit: 4.",
    "job.oom": "Lower preprocessing_num_workers and dataloader_num_workers, or take a machine with more "
    "memory; then `millhand resume {run}`.",
    "job.disk-full": "Free some room, lower save_total_limit or take a larger volume; then "
    "`millhand resume {run}` goes on from the last whole checkpoint.",
    "job.diverged": "Lower learning_rate or raise warmup_ratio, and train again: `millhand train {project}`.",
    "job.restarted": "Go on from the last whole checkpoint: `millhand resume {run}`.",
    "job.stalled": "See what it printed: `millhand logs {run}`. End it: `millhand stop {run}`; then "
    "`millhand resume {run}`.",
}


def explain(faults: Iterable[str], run: Run, typed: str) -> tuple[str, str]:
    """What went wrong with a run's job and what mends the first cause of it; empty where nothing is known.

    Args:
        faults: Their ids.
        run: The job's.
        typed: What commands take for the run.
    """
    there = [fault for fault in _SAID if fault in set(faults)]
    if not there:
        return "", ""
    return say(there), _MENDS[there[0]].format(project=run.project, run=typed)


def say(faults: Iterable[str]) -> str:
    """Faults in words: ``the GPU ran out of memory; the disk is full``."""
    return "; ".join(_SAID.get(fault, fault) for fault in faults)
