"""What a target of the check means: a project, also one whose folder cannot name runs, or a dataset."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from millhand.errors import Finding, UsageError
from millhand.text.normal import did_you_mean, nfc
from millhand.training.project import Project, open_project, project_names
from millhand.workspace import Workspace, check_name


def find_project(workspace: Workspace, target: str) -> tuple[Project, list[Finding]] | None:
    """The project that ``target`` means, and what is wrong with its name; None where it means none.

    Raises:
        UsageError: It is a YAML file beside a project's own.
    """
    misnamed = _misnamed(workspace, target)
    if misnamed is not None:
        return misnamed
    try:
        return open_project(workspace, target), []
    except UsageError:
        if Path(target).is_file():
            raise
        return None


def _misnamed(workspace: Workspace, target: str) -> tuple[Project, list[Finding]] | None:
    """LLaMA-Factory takes a folder of any name, so its files are looked at nonetheless."""
    names = project_names(workspace)
    for path in (workspace.configs / target, Path(target)):
        folder = path.resolve().parent if path.is_file() else path.resolve()
        if folder.parent == workspace.configs.resolve() and folder.name in names:
            try:
                check_name(folder.name, "project")
            except UsageError as error:
                return Project(nfc(folder.name), folder), [_renamed(workspace, folder, error)]
    return None


def _renamed(workspace: Workspace, folder: Path, error: UsageError) -> Finding:
    return Finding(
        id="project.name", severity="warning", file=workspace.relative(folder), message=error.message,
        why="A project's name is that of its runs: `millhand train`, `plan` and `export` refuse this one.",
        mend=f"Rename the folder. {error.mend}",
    )  # fmt: skip


def unknown_target(workspace: Workspace, target: str, datasets: Iterable[str]) -> UsageError:
    """The error for a name that neither a project nor a dataset has."""
    near = did_you_mean(nfc(target), [*project_names(workspace), *datasets])
    return UsageError(
        f"There is neither a project nor a dataset {target!r}. {near}".rstrip(),
        mend="`millhand check all` checks every one of them.",
    )
