"""A pod of the ledger as the API sees it now: nothing is ended here, the ledger learns what is seen."""

from __future__ import annotations

from millhand.errors import MillhandError
from millhand.pods.runpod.client import RunPod
from millhand.pods.runpod.models import PodState
from millhand.pods.runpod.rent import LOOK_AFTER_S
from millhand.runs.pod_ledger import GONE, PodEntry, PodLedger
from millhand.runs.spend import lease_over_s

_FRESH_S = 120.0
_SURE_AFTER_S = 4.0


class OtherKeyError(MillhandError):
    """A pod of the ledger is not in the account of the key that is set now."""


def look(account: RunPod, ledger: PodLedger, entry: PodEntry) -> PodState | None:
    """The pod of an entry as the API sees it now; the ledger learns what it says.

    One that was asked for and whose answer was lost is found by its name. None: there is none (any more),
    by two answers seconds apart.

    Raises:
        OtherKeyError: It is not there for this key, and was rented with another one.
        ApiError: The API refuses, or does not answer.
    """
    state = _surely(account, entry)
    now_s = account.server_time_s()
    if state is None and _of_other_key(account, entry, now_s):
        mend = "Set RUNPOD_API_KEY to the key that it was rented with; it ends with its lease at the latest."
        raise OtherKeyError(
            f"{entry.name} was rented with another key, and this one has no such pod.", mend=mend
        )
    if state is None or state.over:
        # it may have ended long before anybody looked, but not after its lease
        why = GONE if state is None else "it had ended"
        ledger.ended(entry.name, lease_over_s(entry, now_s), why, vanished=state is None)
        return None
    if not entry.pod_id:
        ledger.rented(entry.name, state, now_s, touch=False)
    elif state.status == "EXITED" and entry.state != "stopped":
        ledger.paused(entry.name, lease_over_s(entry, now_s))
    return state


def twins(account: RunPod, entry: PodEntry, state: PodState) -> list[PodState]:
    """What else bears the pod's whole name: requests that took effect late, after a lost answer."""
    if entry.pod_id:
        return []
    return [pod for pod in account.named(entry.name) if pod.id != state.id and not pod.over]


def _surely(account: RunPod, entry: PodEntry) -> PodState | None:
    """What the API has of it; one answer that there is none is not believed."""
    state = _seen(account, entry)
    fresh = entry.ready_s is None and entry.quiet_s < _FRESH_S
    for wait_s in LOOK_AFTER_S if fresh else (_SURE_AFTER_S,) if entry.pod_id else ():
        if state is None:  # a request under way, a pod that is not listed yet, or an answer that is wrong
            account.waits.sleep(wait_s)
            state = _seen(account, entry)
    return state


def _seen(account: RunPod, entry: PodEntry) -> PodState | None:
    if entry.pod_id:
        return account.pod(entry.pod_id)
    return next((pod for pod in account.named(entry.name) if not pod.over), None)


def _of_other_key(account: RunPod, entry: PodEntry, now_s: float) -> bool:
    """Whether the pod may live in another account: it is not held to be gone before its lease is over."""
    return entry.key_mark not in ("", account.key_mark) and entry.may_run(now_s)
