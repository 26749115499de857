"""Rented pods that are there: which of them a run is on, and what is said of those that are billed on."""

from __future__ import annotations

from millhand.runs.pod_ledger import PodEntry, open_pod_ledger
from millhand.workspace import Workspace


def living(workspace: Workspace, pod_file: str = "", run: str = "") -> list[PodEntry]:
    """The pods of a pod file (of all) by the ledger, oldest first; of a run its own, else those of no run."""
    entries = open_pod_ledger(workspace).entries(alive=True)
    alive = [entry for entry in entries if pod_file in ("", entry.pod_file) and entry.state != "ending"]
    mine = [entry for entry in alive if entry.run == run] or [entry for entry in alive if not entry.run]
    return mine if run else alive


def billed(workspace: Workspace, pod_file: str = "", run: str = "") -> list[PodEntry]:
    """Those of them that cost their GPU's price."""
    return [entry for entry in living(workspace, pod_file, run) if entry.state != "stopped"]


def billed_on(entry: PodEntry) -> str:
    """What a command says of such a pod at its end."""
    name = entry.name
    if entry.rented_s is None:
        return f"{name} may be there, and be billed: `millhand down {name}` ends it."
    told = f"{name} is billed on at ${entry.hourly_usd:.2f} an hour: `millhand down {name}` ends it"
    if entry.keeps:
        return f"{told}, its lease in any case."
    return f"{told}. As long as what a run made lies on it alone, only its lease does so by itself."
