"""A rented pod, behind the pod's seam: it is rented and connected to when something is first asked of it.

What a run asks before that (whether it is done, whether its config can work) costs nothing. Which pod it is:
the one that `millhand up` made, or the run's own, found again or rented now.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from millhand.errors import MillhandError, PodLostError
from millhand.pods.base import Job, JobHandle, Result
from millhand.pods.lease import PodLease
from millhand.pods.podfile import PodFile
from millhand.pods.runpod.client import RunPod
from millhand.pods.ssh.address import Address
from millhand.pods.ssh.pod import SshPod, open_ssh_pod
from millhand.pods.sync.report import Progress, Report
from millhand.pods.sync.transfer import Choice
from millhand.runs.moving import Way
from millhand.runs.pod_ledger import PodEntry, PodLedger, open_pod_ledger
from millhand.runs.release import Released, Releaser
from millhand.runs.renting import RentedPod, Renting, locate
from millhand.runs.spend import most_usd, spent_usd
from millhand.runs.there import folder_there
from millhand.shell import Command
from millhand.workspace import Workspace

# So near to the end of its lease a pod that is gone was ended by it.
_NEAR_END_S = 300.0
Prepare = Callable[[SshPod, PodFile], str]


class PodOnDemand:
    """Implements :class:`millhand.pods.base.Pod` on a pod that RunPod rents out.

    Args:
        workspace: The client's.
        pod_file: What may be rented.
        account: At RunPod.
        say: Is told what goes on.
        prepare: Brings the training environment there and returns its interpreter.
    """

    shared = False

    def __init__(
        self,
        workspace: Workspace,
        pod_file: PodFile,
        account: RunPod,
        say: Callable[[str], None],
        prepare: Prepare,
    ) -> None:
        self.name = pod_file.name
        self._workspace, self._pod_file, self._account = workspace, pod_file, account
        self._say, self._prepare = say, prepare
        self._run = ""
        self._lock = threading.RLock()
        self._reached: _Reached | None = None

    @property
    def python(self) -> str:
        """The interpreter of the training environment there."""
        return self._there().ssh.python

    def claim(self, run: str) -> None:
        """Say for which run the pod is needed: it is rented for that run, and released with it."""
        if run != self._run:
            self.close()
            self._run = run

    def run(self, command: Command, *, stdin: bytes = b"", timeout_s: float | None = None) -> Result:
        """Run a command there to its end."""
        return self._there().ssh.run(command, stdin=stdin, timeout_s=timeout_s)

    def start(self, job: Job) -> JobHandle:
        """Start a job there, once its lease is known to be held.

        Raises:
            MillhandError: The lease cannot be armed; nothing was started.
        """
        place = self._there()
        place.lease.arm()
        return place.ssh.start(job)

    def attach(self, name: str) -> JobHandle:
        """The job of that name."""
        return self._there().ssh.attach(name)

    def jobs(self) -> list[str]:
        """The jobs that the pod knows of."""
        return self._there().ssh.jobs()

    def put(self, paths: Iterable[str]) -> None:
        """Bring files and folders of the workspace there."""
        self._there().ssh.put(paths)

    def get(self, paths: Iterable[str], *, exclude: Iterable[str] = ()) -> None:
        """Bring files and folders from there to the workspace."""
        self._there().ssh.get(paths, exclude=exclude)

    def sync(
        self, way: Way, paths: Sequence[str], choice: Choice | None = None, progress: Progress | None = None
    ) -> Report:
        """Bring what has changed, with all that can be said of it."""
        return self._there().ssh.sync(way, paths, choice, progress)

    def forward(self, port: int, *, at: int = 0) -> AbstractContextManager[int]:
        """Make a port there reachable here."""
        return self._there().ssh.forward(port, at=at)

    def release(self) -> Released | None:
        """End the pod that was rented for the claimed run; what it made must be safe elsewhere by now.

        One that `millhand up` made is left: it is for more than this run. None: there was nothing to end.
        """
        ledger = open_pod_ledger(self._workspace)
        mine = [entry for entry in ledger.entries(alive=True) if self._run and entry.owner == self._run]
        if not mine:
            return None
        entry = ledger.set(mine[-1].name, safe=True)
        self.close()
        return Releaser(self._account, ledger, self._say).release(entry, why="its run is done")

    def close(self) -> None:
        """Hang up; what runs there goes on."""
        with self._lock:
            if self._reached is not None:
                self._reached.ssh.close()
            self._reached = None

    # --- how it is reached

    def _there(self) -> _Reached:
        with self._lock:
            if self._reached is None:
                self._reached = self._reach()
            return self._reached

    def _reach(self) -> _Reached:
        folder = folder_there(self._workspace, self._pod_file)
        renting = Renting(self._workspace, self._account, self._pod_file, self._say, workspace_there=folder)
        if renting.there() is None:
            renting = dataclasses.replace(renting, run=self._run)
        place = renting.rent()
        ssh = open_ssh_pod(
            self._workspace,
            place.name,
            self._address(place),
            folder=folder,
            python=renting.spec.python,
            tell=self._say,
        )
        lease = PodLease(ssh, place.entry.pod_id, place.terms)
        try:
            lease.arm()
            ssh.python = self._prepare(ssh, self._pod_file)
        except BaseException:
            ssh.close()
            raise
        return _Reached(ssh, lease, place.name)

    def _address(self, first: RentedPod) -> Callable[[], Address]:
        """Where it is now: a restart gives it another port and another host key."""
        fresh = [first]

        def address() -> Address:
            place = fresh.pop() if fresh else self._located(first.name)
            return Address(
                place.host,
                place.port,
                place.user,
                (place.key,),
                place.host_keys,
                only_these_keys=True,
                config_path=Path(place.key).with_name("no-ssh-config"),
            )

        return address

    def _located(self, name: str) -> RentedPod:
        try:
            return locate(self._workspace, self._account, name, self._say)
        except MillhandError as error:
            entry = self._ledger.find(name)
            if entry is None or not (entry.over or entry.state == "stopped"):
                raise
            self._reached = None  # the next question finds another pod
            raise self._lost(entry) from error

    @property
    def _ledger(self) -> PodLedger:
        return open_pod_ledger(self._workspace)

    def _lost(self, entry: PodEntry) -> MillhandError:
        now_s = self._account.server_time_s()
        near_end = (entry.terms.deadline_epoch_s or float("inf")) - _NEAR_END_S
        if now_s < near_end and spent_usd(entry, now_s) < 0.95 * most_usd(entry):
            return PodLostError(f"The pod {entry.name} is gone.")
        return MillhandError(
            f"The lease of {entry.name} has ended it: {entry.terms.hours:g} h, ${most_usd(entry):.2f}.",
            mend=f"Raise hours or spend_usd in runpod/{entry.pod_file}.yaml; the same command then goes on.",
        )


@dataclasses.dataclass(frozen=True, slots=True)
class _Reached:
    ssh: SshPod
    lease: PodLease
    name: str
