"""A pod for a run: the one that is there already, the one that a lost answer left behind, or a new one."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from millhand.errors import MillhandError, UsageError
from millhand.files import locked
from millhand.pods.lease import Terms
from millhand.pods.podfile import PodFile, RunPodSpec
from millhand.pods.runpod.client import RunPod
from millhand.pods.runpod.errors import (
    CONSOLE,
    ApiError,
    CandidateRefusedError,
    NotAllowedError,
    OutcomeUnknownError,
    RateLimitedError,
)
from millhand.pods.runpod.keys import workspace_key
from millhand.pods.runpod.logs import read_host_keys
from millhand.pods.runpod.models import PodState
from millhand.pods.runpod.prospect import Prospect, prospect
from millhand.pods.runpod.ready import LIMIT_S, HostUnusableError, wait_ready
from millhand.pods.runpod.rent import Renter
from millhand.pods.runpod.volumes import make_volume
from millhand.pods.ssh.hostkeys import FILE_NAME, kept_keys
from millhand.runs.places import take_over
from millhand.runs.pod_ledger import OwnersBook, PodEntry, PodLedger, open_pod_ledger
from millhand.runs.pod_lookup import OtherKeyError, look
from millhand.runs.release import Releaser
from millhand.workspace import Workspace

Say = Callable[[str], None]


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
        self._bring_back()
        for entry in self._mine():
            if look(self.account, self.ledger, entry) is not None:
                return entry
        return None

    def rent(self, *, make: bool = False) -> RentedPod:
        """The owner's pod, ready: found again, or rented.

        Two clients at once: the second waits, and then finds what the first has rented. A pod of the owner's
        that is to be ended is ended before another is rented.

        Args:
            make: Also make the network volume if it is missing: it costs money until it is deleted.

        Raises:
            UsageError: The volume is missing and may not be made.
            ApiError: Nothing could be rented, or the API refuses.
            MillhandError: A pod that is to be ended still is there, or one that is there does not come up.
        """
        with locked(self.workspace.state / "locks" / f"rent-{_file_name(self.owner)}"):
            try:
                self._end_the_ending()
                name, state = self._found() or self._new(make=make)
            except KeyboardInterrupt:
                self._tell_interrupted()
                raise
            entry = self.ledger.ready(name, state, self.account.server_time_s())
        return _reached(self.workspace, self.account, entry, state, self.say)

    def _mine(self, *, ending: bool = False) -> list[PodEntry]:
        """The owner's pods that may be there, or that are to be ended, the newest first."""
        take_over(self.workspace, self.pod_file)
        alive = reversed(self.ledger.entries(alive=True))
        return [entry for entry in alive if entry.owner == self.owner and (entry.state == "ending") is ending]

    def _bring_back(self) -> None:
        """Take back a pod that RunPod had not known, and does again: else a second one trains beside it."""
        for entry in self.ledger.entries():
            if entry.lost and entry.owner == self.owner and entry.pod_id:
                now_s = self.account.server_time_s()
                state = self.account.pod(entry.pod_id) if entry.may_run(now_s) else None
                if state is not None and not state.over:
                    self.ledger.back(entry.name, state, now_s)

    def _end_the_ending(self) -> None:
        """End what an earlier command began to end: a host that never worked holds no lease of its own.

        Raises:
            MillhandError: It is still there.
        """
        for entry in self._mine(ending=True):
            self.say(
                f"{entry.name} was to be ended: {entry.why or 'its release was begun'}. Ending it first."
            )
            try:
                Releaser(self.account, self.ledger, self.say).release(entry, lose=True)
            except OtherKeyError as error:
                self.say(str(error))  # with this key it can never be told to be gone
            except MillhandError as error:
                told = f"{entry.name} is billed, and could not be ended: {error.message} No other is rented."
                mend = f"Repeat the command, or end it at {CONSOLE}."
                raise MillhandError(told, mend=mend) from error

    def _tell_interrupted(self) -> None:
        if self._mine():
            same = "the same command" if self.run else f"`millhand up {self.pod_file.name}`"
            told = f"{same} goes on with it, `millhand down {self._mine()[0].name}` ends it"
            self.say(f"A pod may be there and be billed: {told}; else its lease does.")

    def _found(self) -> tuple[str, PodState] | None:
        """A pod of the owner's that is there already, brought up."""
        self._bring_back()
        for entry in self._mine():
            state = look(self.account, self.ledger, entry)
            if state is None:
                continue
            if not entry.pod_id:
                self._renter().only(entry.name, state)
            self.ledger.set(entry.name)  # from now on it is waited for
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
        except NotAllowedError:
            raise
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
        self.ledger.set(entry.name, state="ending", why=error.message)
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
    keys = _pins(workspace, account, entry, say)
    private = workspace_key(workspace).private
    return RentedPod(entry, direct.host, direct.port, direct.username, private, keys, entry.terms.volume)


def _pins(workspace: Workspace, account: RunPod, entry: PodEntry, say: Say) -> tuple[str, ...]:
    """The fingerprints of the pod's host keys; none where its log may not be read, for it is billed.

    Raises:
        ApiError: The log does not answer: what a repeated command would pin is not trusted unseen.
    """
    try:
        found = read_host_keys(account, entry.pod_id)
    except ApiError as error:
        passing = isinstance(error, OutcomeUnknownError | RateLimitedError) or error.status == 429
        known = passing and entry.name in kept_keys(workspace.state / FILE_NAME)
        if passing and not known:
            raise
        say(error.message)
        if known:  # that one is held to all the same
            say(f"The host key that is kept for {entry.name} is asked of it.")
            return ()
        found = ()
    if not found:
        say("The pod's log names no host keys: the first one that it shows is trusted, and kept.")
    return found


def _file_name(owner: str) -> str:
    """The owner as the name of a lock file, on every system."""
    return re.sub(r"[^\w.-]", "=", owner)
