"""A rented pod, behind the pod's seam: it is rented and connected to when something is first asked of it.

What a run asks before that (whether it is done, whether its config can work) costs nothing. Which pod it is:
the one that `millhand up` made, or the run's own, found again or rented now. What needs one for no run takes
any that is there; where there is none, somebody must agree to rent one.
"""

from __future__ import annotations

import atexit
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress

from millhand.errors import MillhandError, PodLostError, StoppedError, UsageError
from millhand.pods.base import Job, JobHandle
from millhand.pods.lease import PodLease
from millhand.pods.podfile import PodFile
from millhand.pods.runpod.client import RunPod
from millhand.pods.ssh.address import Address
from millhand.pods.ssh.pod import SshPod, open_ssh_pod
from millhand.pods.sync.report import Progress, Report
from millhand.pods.sync.transfer import Choice
from millhand.runs.arming import NEW_POD, address_of, arm
from millhand.runs.billed import billed, billed_on
from millhand.runs.finished import training_job
from millhand.runs.moving import Way
from millhand.runs.pod_ledger import PodEntry, PodLedger, open_pod_ledger
from millhand.runs.pod_lookup import OtherKeyError
from millhand.runs.presence import Use, beating
from millhand.runs.release import RELEASED, Released, Releaser
from millhand.runs.remote import RemotePod, Say, Trainer
from millhand.runs.rented_there import located
from millhand.runs.renting import RentedPod, Renting, locate
from millhand.runs.spend import most_usd, spent_usd
from millhand.runs.there import folder_there
from millhand.runs.tidy import tidy
from millhand.workspace import Workspace

# So near to the end of its lease a pod that is gone was ended by it.
_NEAR_END_S = 300.0


Agree = Callable[[Renting, PodEntry | None], None]


def refuse(renting: Renting, _stopped: PodEntry | None) -> None:
    """Nobody agrees to rent a pod for no run.

    Raises:
        UsageError: Always.
    """
    name = renting.pod_file.name
    raise UsageError(
        f"No pod of {name} is up, and nobody agreed to one.", mend=f"`millhand up {name}` rents one."
    )


class PodOnDemand(RemotePod):
    """Implements :class:`millhand.pods.base.Pod` on a pod that RunPod rents out.

    Args:
        workspace: The client's.
        pod_file: What may be rented.
        account: At RunPod.
        say: Is told what goes on.
        foresee: Is asked with the run before a pod is rented for it, or a stopped one started again: what it
            will cost, in dollars. It may refuse.
        agree: Is asked before a pod is rented for no run, or the stopped one started again. It may refuse.
    """

    def __init__(
        self,
        workspace: Workspace,
        pod_file: PodFile,
        account: RunPod,
        say: Say,
        foresee: Callable[[str], float | None] = lambda _: None,
        agree: Agree = refuse,
    ) -> None:
        super().__init__(workspace, pod_file, say)
        self._account, self._foresee, self._agree = account, foresee, agree
        self._run = self._taken = ""
        self._lease: PodLease | None = None

    def claim(self, run: str) -> None:
        """Say for which run the pod is needed: it is rented for that run, and released with it."""
        if run != self._run:
            self.close()
            self._run = run

    def start(self, job: Job) -> JobHandle:
        """Start a job there, once its lease is known to be held.

        Raises:
            MillhandError: The lease cannot be armed; nothing was started.
        """
        ssh = self.ssh
        if self._lease is not None:
            self._lease.arm()
        return ssh.start(job)

    def put(self, paths: Iterable[str]) -> None:
        """Bring files and folders of the workspace there."""
        with self.present():
            super().put(paths)

    def get(self, paths: Iterable[str], *, exclude: Iterable[str] = ()) -> None:
        """Bring files and folders from there to the workspace."""
        with self.present():
            super().get(paths, exclude=exclude)

    def sync(
        self, way: Way, paths: Sequence[str], choice: Choice | None = None, progress: Progress | None = None
    ) -> Report:
        """Bring what has changed, with all that can be said of it."""
        with self.present():
            return super().sync(way, paths, choice, progress)

    def release(self) -> Released | None:
        """End the pod that was rented for the claimed run; what it made must be safe elsewhere by now.

        One that `millhand up` made is left: it is for more than this run. None: there was nothing to end.
        """
        ledger = open_pod_ledger(self._workspace)
        mine = [entry for entry in ledger.entries(alive=True) if self._run and entry.owner == self._run]
        if not mine:
            self._tell_delivered()
            return None
        self.close()
        safe = [ledger.set(entry.name, safe=True) for entry in mine]
        return [self._releaser.release(entry, why="its run is done") for entry in safe][-1]

    def _tell_delivered(self) -> None:
        """Let the idle rule end a pod that stays: what the run made there is home."""
        if self._lease is not None and self._run:
            with suppress(MillhandError):  # it is gone already, or trained nothing of this run
                self._lease.delivered(training_job(self._run))

    def _reach(self) -> SshPod:
        renting = self._renting
        folder = renting.workspace_there
        tidy(self._releaser, self._run, renting.owner)
        atexit.register(self._remind)
        place = self._place(renting)
        self._taken = place.name
        self._say(f"Connecting to {place.name}.")
        arm(self._workspace, place, folder=folder, releaser=self._releaser)
        python, address = renting.spec.python, self._address(place)
        ssh = open_ssh_pod(
            self._workspace,
            place.name,
            address,
            folder=folder,
            python=python,
            tell=self._say,
            patience=NEW_POD,
        )
        self._lease = PodLease(ssh, place.entry.pod_id, place.terms)
        return ssh

    def _place(self, renting: Renting) -> RentedPod:
        """The pod to take, ready."""
        if not self._run:
            return self._for_no_run(renting)
        own = dataclasses.replace(renting, run=self._run)
        if own.there() is not None or renting.there() is None:  # the run's own first: it may train there
            renting = own
        if self._running(renting) is None:
            renting = dataclasses.replace(renting, estimate_usd=self._foresee(self._run))
        return renting.rent()

    def _running(self, renting: Renting) -> PodEntry | None:
        """The owner's pod, unless it would have to be rented, or started again: both cost."""
        mine = renting.there()
        known = None if mine is None else self._ledger.find(mine.name)
        return None if known is None or known.state == "stopped" else known

    def _for_no_run(self, renting: Renting) -> RentedPod:
        mine = renting.there()
        known = None if mine is None else self._ledger.find(mine.name)
        if known is None or known.state == "stopped":
            lent = self._of_a_run(renting)
            if lent is not None:
                return lent
            self._agree(renting, known)
        return renting.rent()

    def _of_a_run(self, renting: Renting) -> RentedPod | None:
        """The newest pod of the pod file that was rented for a run and runs."""
        armed = [entry for entry in billed(self._workspace, self.name) if entry.run and entry.armed]
        for entry in reversed(armed):
            with suppress(OtherKeyError):
                there = dataclasses.replace(renting, run=entry.run).there()
                known = None if there is None else self._ledger.find(there.name)
                if known is not None and known.state == "ready":
                    told = f"{known.name} is there, rented for run {known.run}: it ends with that run"
                    self._say(f"{told}, and what is started on it shares its GPU.")
                    return locate(self._workspace, self._account, known.name, self._say)
        return None

    def _remind(self) -> None:
        """Say at the end of the program what is still billed."""
        with suppress(MillhandError):
            for entry in billed(self._workspace, self.name):
                if entry.owner in (self._run, f"pod:{self.name}") or entry.name == self._taken:
                    self._say(billed_on(entry))

    def present(self) -> AbstractContextManager[None]:
        """Hold the lease's idle rule off: a base model takes hours over a slow line."""
        _reached = self.ssh  # which arms the lease
        return beating(self._lease, self._beat_s)

    @contextmanager
    def forward(self, port: int, *, at: int = 0) -> Iterator[int]:
        """Make a port there reachable here; what is sent there through it holds the idle rule off."""
        use, ssh = Use(), self.ssh
        with ssh.forward(port, at=at, used=use.note) as local, beating(self._lease, self._beat_s, use.taken):
            yield local

    @property
    def _beat_s(self) -> float:
        return min(60.0, 60 * (self._renting.spec.lease.idle_minutes or 1) / 4)

    def _prepared(self, ssh: SshPod) -> Trainer:
        with self.present():
            return super()._prepared(ssh)

    def _volume(self, ssh: SshPod) -> str:
        return self._renting.spec.folder

    @property
    def _renting(self) -> Renting:
        folder = folder_there(self._workspace, self._pod_file)
        return Renting(self._workspace, self._account, self._pod_file, self._say, workspace_there=folder)

    def _address(self, first: RentedPod) -> Callable[[], Address]:
        """Where it is now: a restart gives it another port and another host key."""
        fresh = [first]

        def address() -> Address:
            return address_of(fresh.pop() if fresh else self._located(first.name))

        return address

    def _located(self, name: str) -> RentedPod:
        try:
            return located(self._workspace, self._account, name, self._say)
        except MillhandError as error:
            entry = self._ledger.find(name)
            if entry is None or not (entry.over or entry.state == "stopped"):
                raise
            self._ssh = self._trainer = None  # the next question finds another pod
            raise self._lost(entry) from error

    @property
    def _releaser(self) -> Releaser:
        return Releaser(self._account, self._ledger, self._say)

    @property
    def _ledger(self) -> PodLedger:
        return open_pod_ledger(self._workspace)

    def _lost(self, entry: PodEntry) -> MillhandError:
        if entry.why == RELEASED:  # whoever ended it wants no other one
            mend = "The same command goes on, on another pod or on this one started again."
            return StoppedError(f"The pod {entry.name} was ended by `millhand down`.", mend=mend)
        now_s = self._account.server_time_s()
        near_end = (entry.terms.deadline_epoch_s or float("inf")) - _NEAR_END_S
        if now_s < near_end and spent_usd(entry, now_s) < 0.95 * most_usd(entry):
            mend = "The same command goes on from what is safe; `millhand pods --all` says what became of it."
            minutes = entry.terms.idle_minutes
            idle = f" Its lease ends it after {minutes:g} idle minutes, too." if minutes else ""
            return PodLostError(f"The pod {entry.name} is gone.{idle}", mend=mend)
        return MillhandError(
            f"The lease of {entry.name} has ended it: {entry.terms.hours:g} h, ${most_usd(entry):.2f}.",
            mend=f"Raise hours or spend_usd in runpod/{entry.pod_file}.yaml; the same command then goes on.",
        )
