"""A project: the folder of llamafactory_configs/ that holds its train.yaml, export.yaml and chat.yaml."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from millhand.errors import UsageError
from millhand.llamafactory.yaml import read_yaml
from millhand.workspace import Workspace, check_name

PURPOSES = ("train", "export", "chat")
FILES = tuple(f"{purpose}.yaml" for purpose in PURPOSES)


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
    """Find a project by its name, its folder, or one of its three files.

    Raises:
        UsageError: There is none; the nearest names are given.
    """
    for path in (workspace.configs / config, Path(config)):
        folder = _folder(workspace, path.resolve())
        if folder is not None:
            return Project(check_name(folder.name, "project"), folder)
    names = project_names(workspace)
    near = difflib.get_close_matches(config, names, n=3) or names[:5]
    raise UsageError(
        f"There is no project {config!r} in {workspace.relative(workspace.configs)}/.",
        mend=f"Did you mean {', '.join(near)}?"
        if near
        else "Make one: `millhand config new PROJECT --preset P --dataset D`.",
    )


def _folder(workspace: Workspace, path: Path) -> Path | None:
    """The project's folder that ``path`` means: it itself, or the one that holds the file."""
    if path.is_file() and path.name not in FILES:
        if path.suffix not in (".yaml", ".yml"):
            return None
        home = f"{workspace.relative(workspace.configs)}/{path.stem}"
        raise UsageError(
            f"{path.name} is none of a project's files ({', '.join(FILES)}).",
            mend=f"Give it a project of its own: make the folder {home} and put it there as train.yaml.",
        )
    folder = path.parent if path.is_file() else path
    if folder.parent != workspace.configs.resolve() or not any((folder / name).is_file() for name in FILES):
        return None
    return folder
