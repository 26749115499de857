"""Files between the workspace and a pod, on request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol, runtime_checkable

from millhand.errors import UsageError
from millhand.pods.base import Pod
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


def move(pod: Pod, way: Way, paths: Sequence[str], choice: Choice, progress: Progress) -> Report:
    """Bring files up to the pod, or down from it.

    Args:
        paths: Of the workspace; none: everything that is not ignored goes up, all outputs come down.

    Raises:
        UsageError: The pod works in this very workspace.
    """
    if not isinstance(pod, Syncs):
        raise UsageError(f"{pod.name} works in this workspace: there is nothing to bring.")
    return pod.sync(way, list(paths) or (["."] if way == "up" else [OUTPUTS]), choice, progress)
