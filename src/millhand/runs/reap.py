"""What should be over and is not: the client's second look at leases that the pods themselves hold."""

from __future__ import annotations

import time
from dataclasses import dataclass

from millhand.errors import MillhandError
from millhand.pods.runpod.models import PodState
from millhand.runs.pod_ledger import PodEntry
from millhand.runs.release import Releaser
from millhand.runs.renting import OtherKeyError, look
from millhand.runs.spend import spent_usd

# Longer than a client waits for one host, and longer than one request is asked again.
_NOBODY_S = 1200.0
_ASKED_S = 300.0


@dataclass(frozen=True, slots=True)
class Reaped:
    """What was done about a pod: ended, stopped, kept, gone; and why."""

    pod: str
    action: str
    why: str
    spent_usd: float


def reap(releaser: Releaser, *, dry: bool = False) -> list[Reaped]:
    """End the ledger's pods that should be over; then pods of the account that bear a name of the ledger.

    Nothing else in the account is looked at twice.

    Raises:
        ApiError: The API refuses, or does not answer.
    """
    settled = [entry for entry in releaser.ledger.entries(alive=True) if not _being_asked(entry)]
    done = [_settled(releaser, entry, dry=dry) for entry in settled]
    return [*(one for one in done if one is not None), *_left_behind(releaser, dry=dry)]


def due(entry: PodEntry, state: PodState, now_s: float) -> str:
    """Why a pod should be over; empty where it should not."""
    quiet_s = time.time() - entry.touched_s
    spent, terms = spent_usd(entry, now_s), entry.terms
    reasons = (
        (entry.state == "ending", "its release was begun"),
        (entry.safe, "its run is done and what it made is safe"),
        (entry.state == "intended", "the client that asked for it never came back for it"),
        (entry.state == "rented" and quiet_s > _NOBODY_S, "nobody waits for it to come up any more"),
        (terms.deadline_epoch_s is not None and now_s >= terms.deadline_epoch_s, "its lease is over"),
        (terms.spend_usd is not None and spent >= terms.spend_usd, f"it has cost its ${spent:.2f}"),
    )
    running = state.status != "EXITED" or entry.state == "ending" or entry.safe
    return next((why for holds, why in reasons if holds and running), "")


def _being_asked(entry: PodEntry) -> bool:
    """Whether another client may be about to get it."""
    return entry.state == "intended" and time.time() - entry.touched_s <= _ASKED_S


def _settled(releaser: Releaser, entry: PodEntry, *, dry: bool) -> Reaped | None:
    """What became of one pod; one that cannot be ended now keeps no other from being ended."""
    try:
        return _settle(releaser, entry, dry=dry)
    except MillhandError as error:
        return Reaped(entry.name, "failed", error.message, 0.0)


def _settle(releaser: Releaser, entry: PodEntry, *, dry: bool) -> Reaped | None:
    try:
        state = look(releaser.account, releaser.ledger, entry)
    except OtherKeyError as error:
        return Reaped(entry.name, "unknown", error.message, 0.0)
    now_s = releaser.account.server_time_s()
    if state is None:
        return Reaped(entry.name, "gone", "it ended by itself, or never was", spent_usd(entry, now_s))
    why = due(entry, state, now_s)
    if not why or dry:
        return Reaped(entry.name, "due", why, spent_usd(entry, now_s)) if why else None
    # a lease ends as it says; whatever was released before was asked about then
    stop = entry.terms.end_action == "stop" and not entry.keeps and entry.state != "ending"
    told = releaser.release(entry, stop=stop, lose=True, why=why)
    return Reaped(entry.name, told.action, why, told.spent_usd)


def _left_behind(releaser: Releaser, *, dry: bool) -> list[Reaped]:
    """Pods that bear the whole name of an entry that is over, or that is another pod."""
    entries = {entry.name: entry for entry in releaser.ledger.entries()}
    found = []
    for pod in releaser.account.pods():
        entry = entries.get(pod.name)
        if entry is None or pod.over or (not entry.over and entry.pod_id in ("", pod.id)):
            continue
        if not dry:
            releaser.account.terminate(pod.id)
        why = "it came to be after all: an answer was lost"
        found.append(Reaped(pod.name, "due" if dry else "terminated", why, 0.0))
    return found
