"""What should be over and is not: the client's second look at leases that the pods themselves hold."""

from __future__ import annotations

from dataclasses import dataclass

from millhand.errors import MillhandError
from millhand.pods.runpod.errors import ApiError
from millhand.pods.runpod.models import PodState
from millhand.runs.pod_ledger import PodEntry
from millhand.runs.pod_lookup import OtherKeyError, look
from millhand.runs.release import Releaser
from millhand.runs.spend import spent_usd

# Longer than a client waits for one host, and longer than one request is asked again.
NOBODY_S = 1200.0
_KEEPER_S = 120.0  # the pod's keeper, which lets jobs save, comes first


@dataclass(frozen=True, slots=True)
class Reaped:
    """What was done about a pod, and why.

    ``action``: terminated, stopped, gone; due where nothing is done; back where RunPod has it after all;
    failed or unknown where it may be billed on. ``pod`` is empty where the account could not be listed.
    """

    pod: str
    action: str
    why: str
    spent_usd: float

    @property
    def left(self) -> bool:
        """Whether it may be there, and billed, although it should be over."""
        return self.action in ("failed", "unknown")


def reap(releaser: Releaser, *, dry: bool = False) -> list[Reaped]:
    """End the ledger's pods that should be over; then pods of the account that bear a name of the ledger.

    Nothing else in the account is looked at twice. One pod that cannot be ended keeps no other from it.

    Raises:
        ApiError: The API refuses, or does not answer, before anything was done.
    """
    now_s = releaser.account.server_time_s()
    alive = releaser.ledger.entries(alive=True)
    settled = [entry for entry in alive if entry.state != "intended" or reason(entry, now_s)]
    done = [settle(releaser, entry, dry=dry) for entry in settled]
    return [*(one for one in done if one is not None), *_left_behind(releaser, dry=dry)]


def reason(entry: PodEntry, now_s: float, *, spend: bool = True) -> str:
    """Why a pod should be over, by the ledger and the API's clock; empty where it should not.

    Args:
        spend: Whether what it has cost counts. The ledger counts an outage of the host whole, the pod's
            keeper, which lets jobs save first, a few minutes of it.
    """
    late_s, terms = now_s - _KEEPER_S, entry.terms
    spent = spent_usd(entry, late_s)
    leased = not _waits_for_a_lease(entry, now_s)
    # the client's clock is believed only where the API's says the same: it may have been set
    alone = entry.quiet_s > NOBODY_S and now_s - entry.begun_s > NOBODY_S
    over = terms.deadline_epoch_s is not None and late_s >= terms.deadline_epoch_s
    reasons = (
        (entry.state == "ending", "its release was begun"),
        (entry.safe, "its run is done and what it made is safe"),
        (leased and over, "its lease is over"),
        (
            spend and leased and terms.spend_usd is not None and spent >= terms.spend_usd,
            f"it has cost its ${spent:.2f}",
        ),
        (entry.state == "intended" and alone, "the client that asked for it never came back for it"),
        (entry.state == "rented" and alone, "nobody waits for it to come up any more"),
    )
    return next((why for holds, why in reasons if holds), "")


def due(entry: PodEntry, state: PodState, now_s: float, *, spend: bool = True) -> str:
    """Why a pod should be over as it is now; empty where it should not."""
    running = state.status != "EXITED" or entry.state == "ending" or entry.safe
    return reason(entry, now_s, spend=spend) if running else ""


def settle(releaser: Releaser, entry: PodEntry, *, dry: bool = False, spend: bool = True) -> Reaped | None:
    """What became of one pod; None where it may go on. ``spend`` is that of :func:`reason`."""
    try:
        return _settled(releaser, entry, dry=dry, spend=spend)
    except OtherKeyError as error:
        return Reaped(entry.name, "unknown", error.message, 0.0)
    except MillhandError as error:
        return Reaped(entry.name, "failed", error.message, 0.0)


def _waits_for_a_lease(entry: PodEntry, now_s: float) -> bool:
    """Whether it was just started again: its keeper then waits for another lease, and so does this.

    A stopped one on which a client works is about to be started by it.
    """
    if entry.state == "stopped" and entry.quiet_s <= NOBODY_S:
        return True
    again = len(entry.spans) > 1 and entry.spans[-1][1] is None
    return again and now_s - entry.begun_s <= entry.terms.revive_minutes * 60


def _settled(releaser: Releaser, entry: PodEntry, *, dry: bool, spend: bool) -> Reaped | None:
    state = look(releaser.account, releaser.ledger, entry)
    now_s = releaser.account.server_time_s()
    # others were settled before it, for minutes: another command may have taken it, or ended it, by now
    fresh = releaser.ledger.find(entry.name) or entry
    if state is None or fresh.over:
        return Reaped(entry.name, "gone", "it ended by itself, or never was", spent_usd(entry, now_s))
    why = due(fresh, state, now_s, spend=spend) and due(entry, state, now_s, spend=spend)
    if not why or dry:
        return Reaped(entry.name, "due", why, spent_usd(entry, now_s)) if why else None
    # a lease ends as it says; whatever was released before was asked about then
    stop = fresh.terms.end_action == "stop" and not fresh.keeps and fresh.state != "ending"
    told = releaser.release(entry, stop=stop, lose=True, why=why)
    return Reaped(entry.name, told.action, why, told.spent_usd)


def _left_behind(releaser: Releaser, *, dry: bool) -> list[Reaped]:
    """Pods that bear the whole name of an entry that is over, or that is another pod."""
    entries = {entry.name: entry for entry in releaser.ledger.entries()}
    try:
        pods = releaser.account.pods()
    except ApiError as error:
        return [Reaped("", "failed", error.message, 0.0)]
    found = []
    for pod in pods:
        entry = entries.get(pod.name)
        if entry is None or pod.over or (not entry.over and entry.pod_id in ("", pod.id)):
            continue
        if entry.lost and entry.pod_id == pod.id:
            found.append(_come_back(releaser, entry, pod, dry=dry))
        else:
            found.append(_ended_late(releaser, pod, dry=dry))
    return found


def _come_back(releaser: Releaser, entry: PodEntry, pod: PodState, *, dry: bool) -> Reaped:
    """The very pod that was held to be gone: it is the ledger's again, with what lies on it."""
    now_s, why = releaser.account.server_time_s(), "RunPod had not known it, and does"
    if dry:
        return Reaped(entry.name, "back", why, spent_usd(entry, now_s))
    alive = releaser.ledger.back(entry.name, pod, now_s)
    return settle(releaser, alive) or Reaped(entry.name, "back", why, spent_usd(alive, now_s))


def _ended_late(releaser: Releaser, pod: PodState, *, dry: bool) -> Reaped:
    why = "it came to be after all: an answer was lost"
    try:
        if not dry:
            releaser.account.terminate(pod.id)
    except ApiError as error:
        return Reaped(pod.name, "failed", error.message, 0.0)
    return Reaped(pod.name, "due" if dry else "terminated", why, 0.0)
