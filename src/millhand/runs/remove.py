"""Taking a project away again: what its runs made, and nothing that a person put beside it."""

from __future__ import annotations

import shutil
from pathlib import Path

from millhand.errors import UsageError
from millhand.pods.base import Pod
from millhand.pods.shipped import unchanged
from millhand.runs.finished import EXPORTED, job_name, open_ledger
from millhand.training.project import PURPOSES
from millhand.workspace import MODELS, STATE, Workspace, made_files


def remove_project(workspace: Workspace, pod: Pod, project: str) -> list[str]:
    """Remove a project's configs and all that its runs made; return what was removed.

    Raises:
        UsageError: One of its runs is training.
    """
    ledger = open_ledger(workspace)
    runs = ledger.runs(project)
    alive = [run.name for run in runs if pod.attach(job_name(run)).status().alive]
    if alive:
        raise UsageError(
            f"Run {alive[0]} is training.", mend=f"Stop it: `millhand train {project}`, then Ctrl-C."
        )
    folders: list[str] = []
    for run in runs:
        merged = [
            mark.name.removeprefix(EXPORTED)
            for mark in ledger.steps(run.name)
            if mark.name.startswith(EXPORTED)
        ]
        folders += [run.output_dir, *merged]
        folders += [
            f"{STATE}/runs/{run.name}",
            f"{STATE}/jobs/{job_name(run)}",
            f"{STATE}/jobs/export-{run.name}",
        ]
    removed = [folder for folder in folders if _remove_folder(workspace, folder)]
    files = [workspace.configs / project / f"{purpose}.yaml" for purpose in PURPOSES]
    removed += [workspace.relative(path) for path in files if _remove_file(path)]
    ledger.forget(project)
    return removed


def remove_model(workspace: Workspace, model: str) -> list[str]:
    """Remove a model that `millhand model init` made; one that it did not make is left."""
    made = (workspace.root / model / "millhand_model.json").is_file()
    return [model] if made and _remove_folder(workspace, model) else []


def remove_empty_workspace(workspace: Workspace) -> list[str]:
    """Remove what `millhand init` laid down where nothing else is left; return what was removed."""
    if open_ledger(workspace).runs() or any(workspace.configs.glob("*/*.yaml")):
        return []
    removed = [STATE] if _remove_folder(workspace, STATE) else []
    laid = [*made_files(workspace), *unchanged(workspace)]
    removed += [workspace.relative(path) for path in laid if _remove_file(path)]
    for name in ("dataset_registry", "llamafactory_configs", "runpod", "outputs", MODELS, "."):
        _remove_if_empty(workspace.root / name)
    return removed


def _remove_folder(workspace: Workspace, folder: str) -> bool:
    path = (workspace.root / folder).resolve()
    inside = path.is_relative_to(workspace.root.resolve()) and path != workspace.root.resolve()
    if not inside or not path.is_dir():
        return False
    shutil.rmtree(path)
    return True


def _remove_file(path: Path) -> bool:
    if not path.is_file():
        return False
    path.unlink()
    _remove_if_empty(path.parent)
    return True


def _remove_if_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
