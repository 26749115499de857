"""``millhand runs``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from millhand.cli.output import json_option, print_json, print_table, say

if TYPE_CHECKING:
    from millhand.workspace import Workspace


@click.command(epilog="\b\nExamples:\n  millhand runs\n  millhand runs qa --json")
@click.argument("project", default="")
@json_option
def runs(project: str, as_json: bool) -> None:
    """List the workspace's runs (or PROJECT's): what they made, and how far they are."""
    from millhand.cli.place import open_pod
    from millhand.runs.overview import overview
    from millhand.workspace import find_workspace

    workspace = find_workspace()
    rows = overview(workspace, open_pod(workspace, "local"), project)
    if as_json:
        print_json(rows)
        return
    if not rows:
        say(f"No run yet. Next: {_next(workspace, project)}")
        return
    columns = ("run", "state", "steps", "loss", "output", "started")
    table = [
        (r["run"], r["state"], r["steps"], _loss(r["loss"]), r["output_dir"], _when(r["created_s"]))
        for r in rows
    ]
    print_table("", columns, table)


def _next(workspace: Workspace, project: str) -> str:
    """The command that begins a run: of the project that was asked for, or of those that are there."""
    from millhand.training.project import project_names

    names = [project] if project else project_names(workspace)
    if not names:
        return "millhand config new PROJECT --preset P --dataset D"
    return " or ".join(f"millhand train {name}" for name in names[:3])


def _when(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def _loss(loss: float | None) -> str:
    return "" if loss is None else f"{loss:.4f}"
