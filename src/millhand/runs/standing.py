"""How the rented pods stand, a row a pod."""

from __future__ import annotations

from dataclasses import dataclass

from millhand.errors import UsageError
from millhand.pods.runpod.models import PodState
from millhand.runs.pod_ledger import PodEntry
from millhand.runs.pod_lookup import OtherKeyError, look
from millhand.runs.reap import reason
from millhand.runs.release import Releaser
from millhand.runs.spend import spent_usd
from millhand.text.normal import did_you_mean

_HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class Standing:
    """A pod as ledger and API have it. ``left_h`` is the time to its deadline, None where it is over."""

    pod: str
    pod_id: str
    run: str
    pod_file: str
    gpu: str
    where: str
    status: str
    age_h: float | None
    left_h: float | None
    usd_per_hour: float
    spent_usd: float
    spend_limit_usd: float | None
    safe: bool


def standing(releaser: Releaser, *, everything: bool = False) -> list[Standing]:
    """The ledger's pods, oldest first, those that are alive read anew.

    One that is just asked for is not: its client may be waiting until it may ask.

    Raises:
        ApiError: The API refuses, or does not answer.
    """
    rows = []
    for entry in releaser.ledger.entries(alive=not everything):
        try:
            state = _state(releaser, entry)
        except OtherKeyError as error:
            releaser.say(str(error))
            state = None
        fresh = releaser.ledger.find(entry.name) or entry
        if everything or not fresh.over:
            rows.append(_row(fresh, state, releaser.account.server_time_s()))
    return rows


def named(releaser: Releaser, text: str) -> list[PodEntry]:
    """The living pods that ``text`` means: a pod's name, its run or its pod file; all where it is empty.

    Raises:
        UsageError: There is none of that name.
    """
    alive = releaser.ledger.entries(alive=True)
    wanted = text.removesuffix(".yaml").removeprefix("runpod/")
    found = [entry for entry in alive if wanted in ("", entry.name, entry.run, entry.pod_file)]
    if found or not text:
        return found
    if any(wanted in (e.name, e.run, e.pod_file) for e in releaser.ledger.entries()):
        return []  # it was there, and is over
    known = [name for entry in alive for name in (entry.name, entry.run, entry.pod_file) if name]
    mend = did_you_mean(text, known) or "`millhand pods` lists them. Pods of others are not touched."
    raise UsageError(f"No pod {text!r} is in this workspace's ledger.", mend=mend)


def _state(releaser: Releaser, entry: PodEntry) -> PodState | None:
    young = entry.state == "intended" and not reason(entry, releaser.account.server_time_s())
    return None if entry.over or young else look(releaser.account, releaser.ledger, entry)


def _row(entry: PodEntry, state: PodState | None, now_s: float) -> Standing:
    begun, deadline = entry.rented_s, entry.terms.deadline_epoch_s
    alive = state is not None and not entry.over
    return Standing(
        pod=entry.name,
        pod_id=entry.pod_id,
        run=entry.run,
        pod_file=entry.pod_file,
        gpu=entry.gpu,
        where=", ".join(filter(None, (entry.cloud.lower(), entry.data_center))),
        status=state.status if state is not None else entry.state.upper(),
        age_h=None if begun is None else ((entry.ended_s or now_s) - begun) / _HOUR_S,
        left_h=(deadline - now_s) / _HOUR_S if alive and deadline is not None else None,
        usd_per_hour=entry.hourly_usd,
        spent_usd=spent_usd(entry, now_s),
        spend_limit_usd=entry.terms.spend_usd,
        safe=entry.safe,
    )
