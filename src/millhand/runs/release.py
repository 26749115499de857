"""Ending pods: those of the ledger, when nothing is lost by it, and until the API says that they are gone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from millhand.errors import MillhandError, UsageError
from millhand.pods.runpod.client import RunPod
from millhand.pods.runpod.errors import NotLegalNowError
from millhand.runs.pod_ledger import PodEntry, PodLedger
from millhand.runs.pod_lookup import look, twins
from millhand.runs.spend import ran_hours, spent_usd

RELEASED = "it was released"
_WITHIN_S = 180.0
_OFTEN_S = 2.0


@dataclass(frozen=True, slots=True)
class Released:
    """A pod that was ended. ``action``: terminated, stopped, or gone already."""

    pod: str
    action: str
    hours: float
    spent_usd: float

    def __str__(self) -> str:
        return (
            f"The pod {self.pod} is {self.action}: {self.hours:.2f} h, ${self.spent_usd:.2f} by the ledger."
        )


@dataclass(frozen=True, slots=True)
class Releaser:
    """Ends pods of one ledger."""

    account: RunPod
    ledger: PodLedger
    say: Callable[[str], None]

    def release(self, entry: PodEntry, *, stop: bool = False, lose: bool = False, why: str = "") -> Released:
        """Terminate a pod, or stop it and keep its disk. One that is gone is no error.

        Args:
            lose: Also where what lies on it is lost with it.

        Raises:
            UsageError: What lies on it would be lost.
            ApiError: The API refuses, or does not answer; what was begun, `reap` ends.
        """
        if not (stop or lose or entry.keeps or entry.over):
            raise _would_lose(entry)
        state = None if entry.over else look(self.account, self.ledger, entry)
        if state is None:
            return self._told(entry.name, "gone")
        if stop:
            self.ledger.set(entry.name, why=why or RELEASED)
            return self._stop(entry.name, state.id)
        self.ledger.set(entry.name, state="ending", why=why or RELEASED)
        for pod in (*twins(self.account, entry, state), state):
            self.account.terminate(pod.id)
        self._wait(entry.name, lambda: _over(self.account, state.id))
        self.ledger.ended(entry.name, self.account.server_time_s())
        return self._told(entry.name, "terminated")

    def _stop(self, name: str, pod_id: str) -> Released:
        try:
            self.account.act(pod_id, "stop")
        except NotLegalNowError:
            state = self.account.pod(pod_id)  # read the state again: it may be stopped already
            if state is None or state.status != "EXITED":
                raise
        self._wait(name, lambda: _status(self.account, pod_id) in ("EXITED", "TERMINATED", ""))
        self.ledger.paused(name, self.account.server_time_s())
        return self._told(name, "stopped")

    def _wait(self, name: str, done: Callable[[], bool]) -> None:
        began = self.account.waits.now()
        while not done():
            if self.account.waits.now() - began > _WITHIN_S:
                mend = "It may still be billed: repeat `millhand down`, or look at https://console.runpod.io."
                raise MillhandError(f"RunPod was asked to end {name}, and still has it.", mend=mend)
            self.account.waits.sleep(_OFTEN_S)

    def _told(self, name: str, action: str) -> Released:
        entry, now_s = self.ledger.find(name), self.account.server_time_s()
        if entry is None:
            raise KeyError(name)
        return Released(name, action, ran_hours(entry, now_s), spent_usd(entry, now_s))


def _would_lose(entry: PodEntry) -> UsageError:
    if entry.terms.storage == "persistent":
        mend = "`--stop` keeps its disk ($0.20 a GB and month); `--lose` gives it up."
    else:
        mend = "Fetch what you need first; `--lose` gives it up."
    return UsageError(
        f"What lies on {entry.name} would be lost with it, and is not known to be safe.", mend=mend
    )


def _status(account: RunPod, pod_id: str) -> str:
    state = account.pod(pod_id)
    return state.status if state else ""


def _over(account: RunPod, pod_id: str) -> bool:
    return _status(account, pod_id) in ("", "TERMINATED")
