"""Where a command works: the workspace around the current folder, the project named, the pod asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from millhand.pods.base import Pod
    from millhand.training.project import Project
    from millhand.workspace import Workspace

config_argument = click.argument("config", metavar="CONFIG")
pod_option = click.option(
    "--pod",
    "pod_name",
    default="local",
    show_default=True,
    metavar="POD",
    help="Where: local, a pod file of runpod/ (l4), or ssh://user@host:port/folder.",
)


def open_place(config: str, pod_name: str = "local") -> tuple[Workspace, Project, Pod]:
    """Find the workspace, the project that CONFIG names and the pod.

    Raises:
        NoWorkspaceError: The current folder lies in no workspace.
        UsageError: There is no such project or pod.
    """
    from millhand.training.project import open_project
    from millhand.workspace import find_workspace

    workspace = find_workspace()
    return workspace, open_project(workspace, config), open_pod(workspace, pod_name)


def open_pod(workspace: Workspace, name: str) -> Pod:
    """The pod of that name.

    Raises:
        UsageError: There is none.
    """
    from millhand.cli.output import say
    from millhand.runs import opening

    return opening.open_pod(workspace, name, say)
