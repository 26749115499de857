"""What runs on a rented pod: asked before the pod is ended under it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

from millhand.errors import MillhandError
from millhand.pods.base import JobStatus
from millhand.pods.lease import LeaseState, PodLease
from millhand.pods.podfile import find_pod
from millhand.pods.ssh.connection import Patience
from millhand.runs.finished import job_name, open_ledger
from millhand.runs.ledger import Run
from millhand.runs.plan import VERIFIED
from millhand.runs.pod_ledger import PodEntry
from millhand.runs.pod_lookup import look
from millhand.runs.release import Releaser
from millhand.runs.rented_there import RentedThere, there
from millhand.runs.watching import Watched, stop
from millhand.workspace import Workspace

_PATIENCE = Patience(first_s=0.0, lost_s=30.0)
_NEW_S = 30.0  # so young a job the keeper may not have seen yet
_CLOCKS_S = 600.0
_PAGES = ("webui-", "tensorboard-")


@dataclass(frozen=True, slots=True)
class Live:
    """Something that runs on a pod: a job, or without one a program that was started by hand.

    Where the pod does not answer it is not ``sure``, only not known to be over.
    """

    pod: str
    what: str
    job: str = ""
    run: str = ""
    step: int | None = None
    total_steps: int | None = None
    sure: bool = True

    def __str__(self) -> str:
        if not self.sure:
            return f"{self.what} may be running on {self.pod}, which does not answer."
        far = "" if self.step is None else f": step {self.step} of {self.total_steps}"
        return f"{self.what} runs on {self.pod}{far}."


@dataclass(frozen=True, slots=True)
class Occupants:
    """What is looked for on a workspace's pods."""

    workspace: Workspace
    releaser: Releaser

    def of(self, entry: PodEntry) -> list[Live]:
        """What runs on a pod now; nothing where it is not up. What is only shown there does not count."""
        if entry.over or entry.state == "ending" or entry.ready_s is None:
            return []
        try:
            state = look(self.releaser.account, self.releaser.ledger, entry)
        except MillhandError:  # whoever ends it hears of it
            return []
        if state is None or state.status != "RUNNING":
            return []
        try:
            with closing(self._reached(entry)) as pod:
                return list(self._seen(pod, entry)) if state.direct else self._supposed(entry)
        except MillhandError as error:
            self.releaser.say(f"{entry.name} could not be asked what runs on it: {error.message}")
            return self._supposed(entry)

    def save(self, entry: PodEntry, live: list[Live]) -> None:
        """Have the runs on a pod save a checkpoint and end; one that cannot is told."""
        runs = {run.name: run for run in open_ledger(self.workspace).runs()}
        asked = [runs[one.run] for one in live if one.sure and one.run in runs]
        if not asked:
            return
        with closing(self._reached(entry)) as pod:
            for run in asked:
                try:
                    self._save(pod, run)
                except MillhandError as error:
                    self.releaser.say(f"{run.name} could not be asked to save: {error.message}")

    def _save(self, pod: RentedThere, run: Run) -> None:
        self.releaser.say(f"Stopping {run.name}: it saves after the current step.")
        # what looks into its folder needs no training environment
        stopped = stop(Watched(self.workspace, run, pod.ssh, pod.attach(job_name(run))))
        kept = "no checkpoint" if stopped.kept_step is None else f"its checkpoint of step {stopped.kept_step}"
        self.releaser.say(f"{run.name} ended with {kept}.")

    def _reached(self, entry: PodEntry) -> RentedThere:
        pod_file, account = find_pod(self.workspace, entry.pod_file), self.releaser.account
        return there(self.workspace, pod_file, entry, self.releaser.say, account, patience=_PATIENCE)

    def _seen(self, pod: RentedThere, entry: PodEntry) -> Iterator[Live]:
        lease = _lease(pod, entry)
        runs = {job_name(run): run.name for run in open_ledger(self.workspace).runs()}
        for job in pod.jobs():
            status = pod.attach(job).status() if not job.startswith(_PAGES) else JobStatus("exited")
            if status.alive and _is_here(job, status, lease):
                run = runs.get(job, "")
                what = f"Run {run}" if run else f"Job {job}"
                yield Live(entry.name, what, job, run, status.step, status.total_steps)
        for what in lease.active:
            if what.startswith("llamafactory"):
                yield Live(entry.name, f"A training that was started by hand ({what})")

    def _supposed(self, entry: PodEntry) -> list[Live]:
        """The runs that may train on a pod that does not answer, by the ledger."""
        ledger, since_s = open_ledger(self.workspace), (entry.rented_s or 0.0) - _CLOCKS_S
        found = []
        for run in ledger.runs():
            marks = [mark for mark in ledger.steps(run.name) if mark.name == "train" and mark.done_s is None]
            begun = any(mark.began_s >= since_s for mark in marks) and not ledger.done(run.name, VERIFIED)
            if begun and run.pod == entry.pod_file and entry.run in ("", run.name):
                found.append(Live(entry.name, f"Run {run.name}", job_name(run), run.name, sure=False))
        return found


def _lease(pod: RentedThere, entry: PodEntry) -> LeaseState:
    """What the pod's keeper says; nothing where it does not."""
    try:
        return PodLease(pod, entry.pod_id, entry.terms).state()
    except MillhandError:
        return LeaseState()


def _is_here(job: str, status: JobStatus, lease: LeaseState) -> bool:
    """Whether a job that is alive is so on this pod: on a shared volume it may be another one's."""
    age_s = (lease.now_s or 0.0) - (status.started_s or 0.0)
    return not lease.alive or f"job {job}" in lease.active or age_s < _NEW_S
