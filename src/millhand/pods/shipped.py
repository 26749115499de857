"""The pod files that ship, as a new workspace gets them: the project's own runpod/."""

from __future__ import annotations

from pathlib import Path

from millhand.files import write_text
from millhand.workspace import PODS, Workspace

_SUFFIXES = (".yaml", ".txt")


def shipped_folder() -> Path:
    """Where they lie: in the installed package, or in the repository of an editable installation."""
    installed = Path(__file__).with_name("pod_files")
    return installed if installed.is_dir() else Path(__file__).parents[3] / PODS


def lay_down(workspace: Workspace) -> list[str]:
    """Copy the shipped pod files and their lock to the workspace's runpod/; what is there stays as it is.

    Returns:
        What was made, relative to the workspace.
    """
    made = []
    for source in sorted(shipped_folder().iterdir()):
        target = workspace.root / PODS / source.name
        if source.suffix in _SUFFIXES and not target.exists():
            write_text(target, source.read_text(encoding="utf-8"))
            made.append(workspace.relative(target))
    return made


def unchanged(workspace: Workspace) -> list[Path]:
    """The pod files of a workspace that are still as they shipped."""
    pairs = [(workspace.root / PODS / source.name, source) for source in shipped_folder().iterdir()]
    return [mine for mine, source in pairs if mine.is_file() and mine.read_bytes() == source.read_bytes()]
