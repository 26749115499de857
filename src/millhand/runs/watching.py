"""A run looked at, listened to and ended from anywhere. Nothing here rents a pod or starts a job."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from millhand.errors import MillhandError
from millhand.pods.base import JobHandle, JobStatus, Pod
from millhand.pods.local import LocalPod
from millhand.pods.podfile import PodFile, RunPodSpec, find_pod
from millhand.runs.finished import job_name, open_ledger
from millhand.runs.follow import STOP_GRACE_S, inspect_output
from millhand.runs.ledger import Ledger, Run
from millhand.runs.naming import find_run, typed_for
from millhand.runs.opening import open_pod
from millhand.runs.plan import VERIFIED
from millhand.runs.pod_ledger import open_pod_ledger
from millhand.workspace import Workspace

POLL_S = 0.3
_TAIL_BYTES = 65536
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Watched:
    """A run where it trains."""

    workspace: Workspace
    run: Run
    pod: Pod
    handle: JobHandle

    @property
    def typed(self) -> str:
        """What commands take for the run."""
        return typed_for(open_ledger(self.workspace), self.run)


# --- reaching a pod that is there


@contextmanager
def reached(workspace: Workspace, name: str, say: Say, *, run: str = "") -> Iterator[Pod]:
    """The pod of that name, if it is there; it is hung up at the end.

    Args:
        workspace: The client's.
        name: As ``--pod`` takes it.
        say: Is told what goes on.
        run: Whose pod it is, where a pod file has several.

    Raises:
        UsageError: There is no such pod, or none is rented.
    """
    pod_file = find_pod(workspace, name)
    pod = _opened(workspace, pod_file, name, run, say)
    try:
        yield pod
    finally:
        close = getattr(pod, "close", None)
        if close is not None:
            close()


def _opened(workspace: Workspace, pod_file: PodFile, name: str, run: str, say: Say) -> Pod:
    if not isinstance(pod_file.spec, RunPodSpec):
        return open_pod(workspace, name, say)
    from millhand.runs.rented_there import rented_there  # brings paramiko

    return rented_there(workspace, pod_file, run, say)


# --- runs and jobs


@contextmanager
def watched(workspace: Workspace, name: str, say: Say, *, pod_name: str = "") -> Iterator[Watched]:
    """A run and its job, on the pod that the ledger names or on another one.

    Raises:
        UsageError: There is no such run or pod.
    """
    run = find_run(open_ledger(workspace), name)
    with reached(workspace, pod_name or run.pod, say, run=run.name) as pod:
        yield Watched(workspace, run, pod, pod.attach(job_name(run)))


def places(workspace: Workspace) -> list[str]:
    """Where something of this workspace may run: this machine, and the pods of runs that are not done."""
    ledger, entries = open_ledger(workspace), open_pod_ledger(workspace).entries()
    open_runs = [run.pod for run in ledger.runs() if run.pod != LocalPod.name and _may_run(ledger, run)]
    boxes = [name for name in open_runs if not _rents(workspace, name, {e.pod_file for e in entries})]
    return [LocalPod.name, *dict.fromkeys([*boxes, *(e.pod_file for e in entries if not e.over)])]


def _may_run(ledger: Ledger, run: Run) -> bool:
    marks = {mark.name: mark for mark in ledger.steps(run.name)}
    return "train" in marks and (VERIFIED not in marks or marks[VERIFIED].done_s is None)


def _rents(workspace: Workspace, name: str, rented: set[str]) -> bool:
    """Whether its pods stand in the ledger of pods, if there are any; of a file that is gone, if any did."""
    try:
        return isinstance(find_pod(workspace, name).spec, RunPodSpec)
    except MillhandError:
        return name in rented


# --- listening and ending


def last_lines(handle: JobHandle, count: int) -> tuple[bytes, int]:
    """The last ``count`` lines that a job printed, and the byte up to which they go."""
    known, back = handle.status().log_bytes or 0, _TAIL_BYTES
    begin = max(0, known - back)
    said = handle.log(begin)
    while begin and said.count(b"\n") <= count:
        back *= 4
        begin = max(0, known - back)
        said = handle.log(begin)
    return b"".join(said.splitlines(keepends=True)[-count:] if count else []), begin + len(said)


def stream(handle: JobHandle, offset: int = 0) -> Iterator[bytes]:
    """What a job prints from byte ``offset`` on, as it comes, to the job's end."""
    while True:
        alive = handle.status().alive  # asked before reading, so that the last words are not missed
        new = handle.log(offset)
        offset += len(new)
        if new:
            yield new
        if not alive:
            return
        time.sleep(POLL_S)


@dataclass(frozen=True, slots=True)
class Stopped:
    """How a run stands after it was asked to end; ``kept_step`` is that of its last whole checkpoint."""

    was_alive: bool
    status: JobStatus
    finished: bool
    kept_step: int | None


def stop(watching: Watched, grace_s: float = STOP_GRACE_S) -> Stopped:
    """Have a run save a checkpoint and end, and wait for that; nothing is done where it is over.

    Raises:
        MillhandError: It is alive all the same.
    """
    was_alive = watching.handle.status().alive
    watching.handle.stop(grace_s)
    status = watching.handle.status()
    if status.alive:
        raise MillhandError(f"Run {watching.run.name} did not end.", mend="Look at its pod: `millhand ps`.")
    state = inspect_output(watching.pod, watching.run.output_dir)
    whole = [checkpoint["step"] for checkpoint in state["checkpoints"] if not checkpoint["fault"]]
    return Stopped(was_alive, status, bool(state["finished"]), whole[-1] if whole else None)
