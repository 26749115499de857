"""The jobs of a place, a row a job: how far each is, and what is wrong. Nothing is rented to look."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace

from millhand.errors import MillhandError
from millhand.pods.base import JobStatus, Pod
from millhand.pods.podfile import PodFile, RunPodSpec, find_pod
from millhand.runs.billed import living
from millhand.runs.finished import job_name, open_ledger
from millhand.runs.pod_ledger import PodEntry
from millhand.runs.watching import reached
from millhand.workspace import Workspace

Say = Callable[[str], None]
_ALIVE, _OVER = ("starting", "running"), ("exited",)


@dataclass(frozen=True, slots=True)
class JobRow:
    """One job of one pod; ``run`` is the run that it trains, if it does. ``since_s`` is the pod's clock.

    ``rented`` is the ledger's name of a rented pod. The phase is ``unknown`` where only a pod that could not
    be asked knows it.
    """

    pod: str
    job: str
    run: str
    phase: str
    step: int | None
    total_steps: int | None
    since_s: float | None
    exit_code: int | None
    faults: tuple[str, ...]
    rented: str = ""


@dataclass(frozen=True, slots=True)
class Jobs:
    """What was found; ``missed`` are the pods that could not be asked, by name, and why."""

    rows: list[JobRow]
    missed: dict[str, MillhandError] = field(default_factory=dict)


def jobs_of(workspace: Workspace, name: str, say: Say) -> Jobs:
    """The jobs of a place; of a pod file, those of all its pods that are rented.

    Raises:
        MillhandError: It cannot be reached, or no pod of it is rented.
    """
    pod_file = find_pod(workspace, name)
    if isinstance(pod_file.spec, RunPodSpec):
        return _rented(workspace, pod_file, name, say)
    with reached(workspace, name, say) as pod:
        return Jobs(list(_rows(workspace, pod, name)))


def _rented(workspace: Workspace, pod_file: PodFile, name: str, say: Say) -> Jobs:
    from millhand.runs.rented_there import none_rented, there  # brings paramiko

    entries = living(workspace, pod_file.name)
    if not entries:
        raise none_rented(pod_file.name)
    seen: list[tuple[PodEntry, list[JobRow]]] = []
    missed: dict[str, MillhandError] = {}
    for entry in entries:
        try:
            with closing(there(workspace, pod_file, entry, say)) as pod:
                rows = _rows(workspace, pod, name)
                seen.append((entry, [replace(row, rented=entry.name) for row in rows]))
        except MillhandError as error:
            missed[entry.name] = error
    if not seen and len(missed) == 1:
        raise next(iter(missed.values()))
    return Jobs(_joined(seen, [entry for entry in entries if entry.name in missed]), missed)


def _rows(workspace: Workspace, pod: Pod, name: str) -> Iterator[JobRow]:
    runs = {job_name(run): run.name for run in open_ledger(workspace).runs()}
    for job in pod.jobs():
        yield _row(name, job, runs.get(job, ""), pod.attach(job).status())


def _row(pod: str, name: str, run: str, status: JobStatus) -> JobRow:
    return JobRow(
        pod=pod,
        job=name,
        run=run,
        phase=status.phase,
        step=status.step,
        total_steps=status.total_steps,
        since_s=status.started_s,
        exit_code=status.exit_code,
        faults=status.faults,
    )


def _joined(seen: list[tuple[PodEntry, list[JobRow]]], missed: list[PodEntry]) -> list[JobRow]:
    """A row a job. Pods on one volume list the same jobs, and only a job's own pod sees that it is alive."""
    found: dict[tuple[str, str], list[tuple[PodEntry, JobRow]]] = {}
    for entry, rows in seen:
        for row in rows:
            found.setdefault((_disk(entry), row.job), []).append((entry, row))
    unasked = {_disk(entry) for entry in missed}
    best = {key: min(views, key=_worth)[1] for key, views in found.items()}
    return [
        replace(row, phase="unknown", faults=(), rented="")
        if row.phase not in (*_ALIVE, *_OVER) and disk in unasked
        else row
        for (disk, _), row in best.items()
    ]


def _disk(entry: PodEntry) -> str:
    return f"volume {entry.volume_id}" if entry.terms.storage == "network" else entry.name


def _worth(view: tuple[PodEntry, JobRow]) -> tuple[int, bool]:
    """Whose word counts first: of who sees it live, of who sees it ended, of the pod that is the run's."""
    entry, row = view
    rank = 0 if row.phase in _ALIVE else 1 if row.phase in _OVER else 2
    return rank, not (row.run and entry.run == row.run)
