"""A pod for a run: the one that is there already, the one that a lost answer left behind, or a new one."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from millhand.errors import MillhandError, UsageError
from millhand.files import locked
from millhand.pods.lease import Terms
from millhand.pods.podfile import PodFile, RunPodSpec
from millhand.pods.runpod.client import RunPod
from millhand.pods.runpod.errors import ApiError, CandidateRefusedError
from millhand.pods.runpod.keys import workspace_key
from millhand.pods.runpod.logs import read_host_keys
from millhand.pods.runpod.models import PodState
from millhand.pods.runpod.prospect import Prospect, prospect
from millhand.pods.runpod.ready import LIMIT_S, HostUnusableError, wait_ready
from millhand.pods.runpod.rent import LOOK_AFTER_S, Renter
from millhand.pods.runpod.volumes import make_volume
from millhand.runs.pod_ledger import OwnersBook, PodEntry, PodLedger, open_pod_ledger
from millhand.workspace import Workspace

Say = Callable[[str], None]
_FRESH_S = 120.0


class OtherKeyError(MillhandError):
    """A pod of the ledger is not in the account of the key that is set now."""


@dataclass(frozen=True, slots=True)
class RentedPod:
    """A pod that can be connected to now; a restart changes ``port`` and ``host_keys``: :func:`locate` again.

    ``host_keys`` are its sshd's fingerprints (``SHA256:…``) from the container's log; empty where the log
    does not have them. ``folder`` is where its volume is mounted.
    """

    entry: PodEntry
    host: str
    port: int
    user: str
    key: Path
    host_keys: tuple[str, ...]
    folder: str

    @property
    def name(self) -> str:
        """Its name in the ledger."""
        return self.entry.name

    @property
    def terms(self) -> Terms:
        """Its lease, for :class:`millhand.pods.lease.PodLease`."""
        return self.entry.terms


@dataclass(frozen=True, slots=True)
class Renting:
    """One wish for a pod.

    Args:
        owner: What the pod is for: a run's name; without one the pod file itself owns it.
        workspace_there: The folder on the pod in which jobs run; its volume where it is empty.
    """

    workspace: Workspace
    account: RunPod
    pod_file: PodFile
    say: Say
    run: str = ""
    workspace_there: str = ""
    estimate_usd: float | None = None
    limit_s: float = LIMIT_S

    @property
    def spec(self) -> RunPodSpec:
        """What may be rented.

        Raises:
            UsageError: The pod file rents nothing.
        """
        if isinstance(self.pod_file.spec, RunPodSpec):
            return self.pod_file.spec
        raise UsageError(f"{self.pod_file.name} is {self.pod_file.spec.kind}: nothing is rented for it.")

    @property
    def owner(self) -> str:
        """Under what the ledger finds the pod again."""
        return self.run or f"pod:{self.pod_file.name}"

    @property
    def ledger(self) -> PodLedger:
        """The pods of the workspace."""
        return open_pod_ledger(self.workspace)

    def plan(self) -> Prospect:
        """What renting would bring now, and cost."""
        return prospect(self.account, self.spec)

    def there(self) -> PodEntry | None:
        """The owner's pod, if there is one now: the ledger's word is held against the API's."""
        for entry in self._mine():
            if look(self.account, self.ledger, entry) is not None:
                return entry
        return None

    def rent(self, *, make: bool = False) -> RentedPod:
        """The owner's pod, ready: found again, or rented.

        Two clients at once: the second waits, and then finds what the first has rented.

        Args:
            make: Also make the network volume if it is missing: it costs money until it is deleted.

        Raises:
            UsageError: The volume is missing and may not be made.
            ApiError: Nothing could be rented, or the API refuses.
        """
        with locked(self.workspace.state / "locks" / f"rent-{_file_name(self.owner)}"):
            try:
                name, state = self._found() or self._new(make=make)
            except KeyboardInterrupt:
                self._tell_interrupted()
                raise
            entry = self.ledger.ready(name, state, self.account.server_time_s())
        return _reached(self.workspace, self.account, entry, state, self.say)

    def _mine(self) -> list[PodEntry]:
        """The owner's pods that may be there, the newest first."""
        alive = reversed(self.ledger.entries(alive=True))
        return [entry for entry in alive if entry.owner == self.owner and entry.state != "ending"]

    def _tell_interrupted(self) -> None:
        if self._mine():
            same = "the same command" if self.run else f"`millhand up {self.pod_file.name}`"
            told = f"{same} goes on with it, `millhand down {self._mine()[0].name}` ends it"
            self.say(f"A pod may be there and be billed: {told}; else its lease does.")

    def _found(self) -> tuple[str, PodState] | None:
        """A pod of the owner's that is there already, brought up."""
        for entry in self._mine():
            state = look(self.account, self.ledger, entry)
            if state is None:
                continue
            self.say(f"{entry.name} is there already.")
            try:
                return entry.name, self._brought_up(entry, state)
            except HostUnusableError as error:
                self._give_up(entry, state, error)
        return None

    def _brought_up(self, entry: PodEntry, state: PodState) -> PodState:
        if state.status == "EXITED":
            self._start(entry, state)
        if entry.ready_s is None:
            return self._renter().bring_up(entry.name, state)
        return wait_ready(self.account, state.id, limit_s=self.limit_s, say=self.say)

    def _start(self, entry: PodEntry, state: PodState) -> None:
        self.say(f"Starting {entry.name} again.")
        try:
            self.account.act(state.id, "start")
        except CandidateRefusedError as error:
            told = f"{entry.name} cannot be started: a stopped pod is tied to its host. {error.message}"
            mend = f"Try again later; or `millhand down {entry.name} --lose`, and rent another."
            raise MillhandError(told, mend=mend) from error
        self.ledger.rented(entry.name, state, self.account.server_time_s())

    def _give_up(self, entry: PodEntry, state: PodState, error: HostUnusableError) -> None:
        """A pod that ran and does not come back: ended where nothing is lost by it, for it is billed.

        Raises:
            MillhandError: What lies on it would be lost.
        """
        if self.ledger.set(entry.name, why=error.message).over or entry.ready_s is None:
            return
        if not entry.keeps:
            mend = f"Wait and repeat, or give up what lies on it: `millhand down {entry.name} --lose`."
            raise MillhandError(f"{entry.name} does not come back: {error.message}", mend=mend) from error
        self.say(f"{error.message} The pod is ended.")
        self.ledger.set(entry.name, state="ending")
        self.account.terminate(state.id)
        self.ledger.ended(entry.name, self.account.server_time_s())

    def _new(self, *, make: bool) -> tuple[str, PodState]:
        plan = self.plan()
        if plan.to_make:
            plan = self._with_volume(plan, make=make)
        for note in plan.passed_over:
            self.say(f"Passed over: {note}.")
        return self._renter().rent(plan.candidates)

    def _with_volume(self, plan: Prospect, *, make: bool) -> Prospect:
        volume = self.spec.volume
        if volume is None:
            return plan
        if not make:
            told = f"There is no network volume {volume.name!r} in the account."
            mend = (
                f"`millhand up {self.pod_file.name}` makes it: ${plan.monthly_usd:.2f} a month until deleted."
            )
            raise UsageError(told, mend=mend)
        with locked(self.workspace.state / "locks" / "runpod-volume"):
            plan = self.plan()
            if plan.to_make:
                make_volume(self.account, volume, plan.candidates, self.say)
        return self.plan()

    def _renter(self) -> Renter:
        book = OwnersBook(
            self.ledger,
            self.owner,
            run=self.run,
            pod_file=self.pod_file.name,
            now_s=self.account.server_time_s,
            key_mark=self.account.key_mark,
            estimate_usd=self.estimate_usd,
        )
        return Renter(
            self.account,
            self.spec,
            book,
            self.run or self.pod_file.name,
            workspace_key(self.workspace).public,
            self.say,
            self.workspace_there,
            self.limit_s,
        )


def look(account: RunPod, ledger: PodLedger, entry: PodEntry) -> PodState | None:
    """The pod of an entry as the API sees it now; the ledger learns what it says.

    One that was asked for and whose answer was lost is found by its name. None: there is none (any more).

    Raises:
        OtherKeyError: It is not there for this key, and was rented with another one.
    """
    state = _seen(account, entry)
    if state is None and entry.ready_s is None and time.time() - entry.touched_s < _FRESH_S:
        for wait_s in LOOK_AFTER_S:  # a request under way, or a pod that is not listed yet
            account.waits.sleep(wait_s)
            state = state or _seen(account, entry)
    now_s = account.server_time_s()
    if state is None and _of_other_key(account, entry, now_s):
        mend = "Set RUNPOD_API_KEY to the key that it was rented with; it ends with its lease at the latest."
        raise OtherKeyError(
            f"{entry.name} was rented with another key, and this one has no such pod.", mend=mend
        )
    if state is None:
        # it may have ended long before anybody looked, but not after its lease
        ledger.ended(entry.name, min(now_s, entry.terms.deadline_epoch_s or now_s), "it was gone")
    elif not entry.pod_id:
        ledger.rented(entry.name, state, now_s)
    elif state.status == "EXITED" and entry.state != "stopped":
        ledger.paused(entry.name, now_s)
    return state


def _of_other_key(account: RunPod, entry: PodEntry, now_s: float) -> bool:
    """Whether the pod may live in another account: it is not held to be gone before its lease is over."""
    over = entry.terms.deadline_epoch_s is not None and now_s > entry.terms.deadline_epoch_s
    return entry.key_mark not in ("", account.key_mark) and not over


def _seen(account: RunPod, entry: PodEntry) -> PodState | None:
    if entry.pod_id:
        state = account.pod(entry.pod_id)
        return None if state is None or state.over else state
    found = [pod for pod in account.named(entry.name) if not pod.over]
    for extra in found[1:]:  # ours by its whole name: an earlier request that took effect late
        account.terminate(extra.id)
    return found[0] if found else None


def locate(workspace: Workspace, account: RunPod, name: str, say: Say) -> RentedPod:
    """Where a pod of the ledger is reached now: after a restart, on another client, a day later.

    Raises:
        MillhandError: It is gone, stopped, or does not come up.
    """
    ledger = open_pod_ledger(workspace)
    entry = ledger.find(name)
    state = None if entry is None or entry.over else look(account, ledger, entry)
    if entry is None or state is None:
        raise MillhandError(f"The pod {name} is gone.", mend="See `millhand pods --all`.")
    if state.status == "EXITED":
        mend = f"`millhand up {entry.pod_file}` starts it again."
        raise MillhandError(f"The pod {name} is stopped.", mend=mend)
    ready = wait_ready(account, state.id, say=say)
    return _reached(workspace, account, ledger.ready(name, ready, account.server_time_s()), ready, say)


def _reached(workspace: Workspace, account: RunPod, entry: PodEntry, state: PodState, say: Say) -> RentedPod:
    direct = state.direct
    if direct is None:
        raise MillhandError(f"The pod {entry.name} has no SSH port.", mend="`millhand down` ends it.")
    keys = _pins(account, state.id, say)
    private = workspace_key(workspace).private
    return RentedPod(entry, direct.host, direct.port, direct.username, private, keys, entry.terms.volume)


def _pins(account: RunPod, pod_id: str, say: Say) -> tuple[str, ...]:
    """The fingerprints of the pod's host keys; none where its log cannot be read, for it is billed."""
    try:
        found = read_host_keys(account, pod_id)
    except ApiError as error:
        say(error.message)
        found = ()
    if not found:
        say("The pod's log names no host keys: the first one that it shows is trusted, and kept.")
    return found


def _file_name(owner: str) -> str:
    """The owner as the name of a lock file, on every system."""
    return re.sub(r"[^\w.-]", "=", owner)
