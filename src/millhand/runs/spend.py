"""What pods cost: expected, by the ledger's own watch, and billed; with the reason where they differ."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from millhand.pods.runpod.billing import Bill, bills
from millhand.pods.runpod.client import RunPod
from millhand.pods.runpod.errors import NotAllowedError
from millhand.runs.pod_ledger import PodEntry, PodLedger

_HOUR_S = 3600.0
_SAME_USD, _SAME = 0.02, 0.03  # seconds of starting and rounding


@dataclass(frozen=True, slots=True)
class Cost:
    """One pod's cost in dollars. ``bill_usd`` None: RunPod has billed nothing of it yet, or was not asked.

    ``expected_usd`` is the plan's estimate; without one, the most that the lease allows.
    """

    pod: str
    run: str
    pod_file: str
    gpu: str
    state: str
    hours: float
    usd_per_hour: float
    expected_usd: float
    ledger_usd: float
    bill_usd: float | None
    difference: str


def ran_hours(entry: PodEntry, now_s: float) -> float:
    """For how long it has been billed as running, by the ledger."""
    return sum(max(0.0, (now_s if end is None else end) - begin) for begin, end in entry.spans) / _HOUR_S


def spent_usd(entry: PodEntry, now_s: float) -> float:
    """What it has cost, by the ledger; a stopped pod's disk is not in it."""
    return ran_hours(entry, now_s) * entry.hourly_usd


def most_usd(entry: PodEntry) -> float:
    """The most that its lease allows."""
    whole = entry.terms.hours * entry.hourly_usd
    return whole if entry.terms.spend_usd is None else min(whole, entry.terms.spend_usd)


def lease_over_s(entry: PodEntry, now_s: float) -> float:
    """When its lease ended a pod that nobody saw ending: at its deadline or its spend limit, or just now.

    One that was started after that had :attr:`Terms.revive_minutes` for a new lease.
    """
    terms, begin_s = entry.terms, entry.begun_s
    end_s = now_s if terms.deadline_epoch_s is None else terms.deadline_epoch_s
    if entry.spans and entry.spans[-1][1] is None and terms.spend_usd is not None and entry.hourly_usd:
        left_usd = terms.spend_usd - spent_usd(entry, begin_s)
        end_s = min(end_s, begin_s + left_usd / entry.hourly_usd * _HOUR_S)
    return min(now_s, end_s if end_s > begin_s else begin_s + terms.revive_minutes * 60)


def costs(account: RunPod | None, entries: Sequence[PodEntry]) -> list[Cost]:
    """Every pod that was ever there, its cost by the ledger and, where there is an account, by the bill.

    Raises:
        ApiError: The API refuses, or does not answer.
    """
    were = [entry for entry in entries if entry.pod_id and entry.rented_s is not None]
    if not were:
        return []
    if account is None:
        return [_unasked(entry) for entry in were]
    now_s = account.server_time_s()
    since_s = min(entry.rented_s or now_s for entry in were)
    try:
        billed: Mapping[str, Bill] | None = bills(account, {entry.pod_id for entry in were}, since_s)
    except NotAllowedError:
        billed = None
    return [cost(entry, billed, now_s) for entry in were]


def reconcile(account: RunPod | None, ledger: PodLedger, wanted: str = "") -> list[Cost]:
    """The costs of all pods, or those of a run, a pod file or a pod; the ledger keeps what was billed.

    Without an account they are the ledger's alone.

    Raises:
        ApiError: The API refuses, or does not answer.
    """
    entries = [e for e in ledger.entries() if wanted in ("", e.run, e.pod_file, e.name)]
    rows = costs(account, entries)
    had = {entry.name: entry.bill_usd for entry in entries}
    for row in rows:
        if row.bill_usd is not None and row.bill_usd != had[row.pod]:
            ledger.set(row.pod, bill_usd=row.bill_usd)
    return rows


def cost(entry: PodEntry, billed: Mapping[str, Bill] | None, now_s: float) -> Cost:
    """One pod's cost; ``billed`` None: the bills may not be read."""
    if billed is None:
        return dataclasses.replace(cost(entry, {}, now_s), difference="the key may not read the bills")
    ledger_usd, bill = spent_usd(entry, now_s), billed.get(entry.pod_id)
    return Cost(
        pod=entry.name,
        run=entry.run,
        pod_file=entry.pod_file,
        gpu=entry.gpu,
        state=entry.state,
        hours=ran_hours(entry, now_s),
        usd_per_hour=entry.hourly_usd,
        expected_usd=most_usd(entry) if entry.estimate_usd is None else entry.estimate_usd,
        ledger_usd=ledger_usd,
        bill_usd=None if bill is None else bill.total_usd,
        difference=_difference(entry, ledger_usd, bill),
    )


def _unasked(entry: PodEntry) -> Cost:
    """By the ledger alone, with the bill that it has kept."""
    told = "" if entry.bill_usd is not None else "no key is set to read the bills with"
    return dataclasses.replace(cost(entry, {}, time.time()), bill_usd=entry.bill_usd, difference=told)


def _difference(entry: PodEntry, ledger_usd: float, bill: Bill | None) -> str:
    """Why bill and ledger differ; empty where they do not."""
    if bill is None:
        return "not billed yet" if ledger_usd > _SAME_USD else ""
    gap = bill.total_usd - ledger_usd
    if abs(gap) <= max(_SAME_USD, _SAME * ledger_usd):
        return ""
    if gap < 0:
        return "the bill lags" if not entry.over else "it ended before this computer noticed"
    if entry.billed_usd_per_hour > entry.usd_per_hour * (1 + _SAME):
        return f"billed at ${entry.billed_usd_per_hour:.2f} an hour, shown was ${entry.usd_per_hour:.2f}"
    if bill.disk_usd > gap / 2:
        return f"${bill.disk_usd:.2f} of it is for disks"
    return f"billed ${gap:.2f} more than the ledger saw: was it used from elsewhere?"
