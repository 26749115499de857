"""A project: the folder of llamafactory_configs/ that holds its train.yaml, export.yaml and chat.yaml."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from millhand.errors import UsageError
from millhand.llamafactory.yaml import read_yaml
from millhand.workspace import Workspace

PURPOSES = ("train", "export", "chat")


@dataclass(frozen=True, slots=True)
class Project:
    """Where a project's YAML files are. ``name`` names its runs and outputs."""

    name: str
    folder: Path

    def path(self, purpose: str) -> Path:
        """The file for ``train``, ``export`` or ``chat``."""
        return self.folder / f"{purpose}.yaml"

    def values(self, purpose: str) -> dict[str, Any]:
        """Read one of the files as LLaMA-Factory does.

        Raises:
            UsageError: There is no such file.
            FindingsError: It cannot be read.
        """
        path = self.path(purpose)
        if not path.is_file():
            raise UsageError(
                f"Project {self.name} has no {path.name} ({path}).",
                mend=f"Make one: `millhand config new {self.name} --preset P --dataset D`.",
            )
        return dict(read_yaml(path))


def project_names(workspace: Workspace) -> list[str]:
    """All projects of a workspace, by name."""
    return sorted(path.parent.name for path in workspace.configs.glob("*/train.yaml"))


def open_project(workspace: Workspace, config: str) -> Project:
    """Find a project by its name, its folder, or one of its files.

    Raises:
        UsageError: There is none; the nearest names are given.
    """
    for folder in (workspace.configs / config, Path(config), Path(config).parent):
        if any((folder / f"{purpose}.yaml").is_file() for purpose in PURPOSES) and _means(config, folder):
            return Project(folder.absolute().name, folder.absolute())
    names = project_names(workspace)
    near = difflib.get_close_matches(config, names, n=3) or names[:5]
    raise UsageError(
        f"There is no project {config!r} in {workspace.relative(workspace.configs)}/.",
        mend=f"Did you mean {', '.join(near)}?"
        if near
        else "Make one: `millhand config new PROJECT --preset P --dataset D`.",
    )


def _means(config: str, folder: Path) -> bool:
    """Whether ``config``, taken as a path, is this folder or a file in it (not just any neighbour)."""
    path = Path(config)
    return path.name == folder.name or (path.is_file() and path.suffix in (".yaml", ".yml"))
