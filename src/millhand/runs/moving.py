"""Files between the workspace and a pod, on request."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import PurePosixPath, PureWindowsPath
from typing import Literal, Protocol, runtime_checkable

from millhand.errors import UsageError
from millhand.pods.base import Pod
from millhand.pods.sync.names import WINDOWS
from millhand.pods.sync.report import Progress, Report
from millhand.pods.sync.transfer import Choice
from millhand.workspace import OUTPUTS

Way = Literal["up", "down"]


@runtime_checkable
class Syncs(Protocol):
    """A pod with files of its own."""

    def sync(
        self, way: Way, paths: Sequence[str], choice: Choice | None = None, progress: Progress | None = None
    ) -> Report:
        """Bring what has changed."""


def named_paths(paths: Sequence[str], *, delete: bool, windows: bool = WINDOWS) -> list[str]:
    """Paths of the workspace as a sync takes them, from what a person typed; Windows has its own slashes.

    Raises:
        UsageError: Something is to be removed, and nothing is named or all of the workspace.
    """
    pure = PureWindowsPath if windows else PurePosixPath
    named = [pure(path).as_posix() for path in paths]
    if delete and (not named or "." in named):
        raise UsageError(
            "--delete asks for the folders in which something may be removed; the workspace itself is none.",
            mend="Name them, and look first: `millhand sync down --pod POD outputs/qa --delete --dry-run`.",
        )
    return named


def move(pod: Pod, way: Way, paths: Sequence[str], choice: Choice, progress: Progress) -> Report:
    """Bring files up to the pod, or down from it.

    Args:
        paths: Of the workspace. None: everything that is not ignored goes up but for outputs, which the pod
            may be writing; all outputs come down.

    Raises:
        UsageError: The pod works in this very workspace.
    """
    if not isinstance(pod, Syncs):
        raise UsageError(f"{pod.name} works in this workspace: there is nothing to bring.")
    if way == "up" and not paths:
        choice = dataclasses.replace(choice, skip=(OUTPUTS,))
    return pod.sync(way, list(paths) or (["."] if way == "up" else [OUTPUTS]), choice, progress)
