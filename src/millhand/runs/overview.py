"""What the ledger knows, a row a run."""

from __future__ import annotations

from typing import Any

from millhand.pods.base import Pod
from millhand.runs.export import EXPORTED
from millhand.runs.ledger import Ledger, Run
from millhand.runs.plan import VERIFIED
from millhand.runs.train import job_name, open_ledger
from millhand.workspace import Workspace


def overview(workspace: Workspace, pod: Pod, project: str = "") -> list[dict[str, Any]]:
    """The workspace's runs, oldest first, or a project's."""
    ledger = open_ledger(workspace)
    return [_row(pod, ledger, run) for run in ledger.runs(project or None)]


def _row(pod: Pod, ledger: Ledger, run: Run) -> dict[str, Any]:
    verified, exported = ledger.done(run.name, VERIFIED), ledger.done(run.name, EXPORTED)
    results = verified.facts if verified else {}
    return {
        "run": run.name,
        "project": run.project,
        "pod": run.pod,
        "state": _state(pod, run, trained=verified is not None, exported=exported is not None),
        "steps": results.get("steps"),
        "loss": results.get("loss"),
        "eval_loss": results.get("eval_loss"),
        "output_dir": run.output_dir,
        "merged": exported.facts["folder"] if exported else None,
        "created_s": run.created_s,
    }


def _state(pod: Pod, run: Run, *, trained: bool, exported: bool) -> str:
    if pod.attach(job_name(run)).status().alive:
        return "training"
    if exported:
        return "exported"
    return "trained" if trained else "interrupted"
