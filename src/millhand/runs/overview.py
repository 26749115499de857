"""What the ledger knows, a row a run."""

from __future__ import annotations

import difflib
from typing import Any

from millhand.errors import UsageError
from millhand.pods.base import Pod
from millhand.runs.finished import exported, job_name, open_ledger
from millhand.runs.follow import inspect_output
from millhand.runs.ledger import Ledger, Run
from millhand.runs.plan import VERIFIED
from millhand.training.project import project_names
from millhand.workspace import Workspace


def overview(workspace: Workspace, pod: Pod, project: str = "") -> list[dict[str, Any]]:
    """The workspace's runs, oldest first, or a project's.

    Raises:
        UsageError: There is no such project, and there never was.
    """
    ledger = open_ledger(workspace)
    known = sorted({*project_names(workspace), *(run.project for run in ledger.runs())})
    if project and project not in known:
        near = difflib.get_close_matches(project, known, n=3) or known[:5]
        mend = f"Did you mean {', '.join(near)}?" if near else "`millhand runs` lists all runs."
        raise UsageError(f"There is no project {project!r}.", mend=mend)
    return [_row(pod, ledger, run) for run in ledger.runs(project or None)]


def _row(pod: Pod, ledger: Ledger, run: Run) -> dict[str, Any]:
    verified, merged = ledger.done(run.name, VERIFIED), exported(pod, ledger, run)
    results = verified.facts if verified else {}
    return {
        "run": run.name,
        "project": run.project,
        "pod": run.pod,
        "state": _state(pod, run, verified=verified is not None, merged=merged is not None),
        "steps": results.get("steps"),
        "loss": results.get("loss"),
        "eval_loss": results.get("eval_loss"),
        "output_dir": run.output_dir,
        "merged": merged.facts["folder"] if merged else None,
        "created_s": run.created_s,
    }


def _state(pod: Pod, run: Run, *, verified: bool, merged: bool) -> str:
    if pod.attach(job_name(run)).status().alive:
        return "training"
    if merged:
        return "exported"
    if inspect_output(pod, run.output_dir)["finished"]:
        return "trained"
    return "missing" if verified else "interrupted"
