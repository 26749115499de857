"""Where a command works: the workspace around the current folder, the project named, the pod asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from millhand.pods.base import Pod
    from millhand.runs.serve import Served
    from millhand.training.project import Project
    from millhand.workspace import Workspace

config_argument = click.argument("config", metavar="CONFIG")
model_argument = click.argument("config", metavar="CONFIG|FOLDER")
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


def open_model(config: str, pod_name: str, merged: bool | None) -> tuple[Workspace, Pod, Served]:
    """Find the workspace, the pod, and what to serve: CONFIG's last finished run, or a model's folder.

    Raises:
        NoWorkspaceError: The current folder lies in no workspace.
        UsageError: There is no such project, folder or pod, or nothing is trained yet.
        FindingsError: chat.yaml does not fit what was trained.
    """
    from millhand.runs.model_folder import choose_folder, model_folder
    from millhand.runs.serve import choose_model
    from millhand.workspace import find_workspace

    workspace = find_workspace()
    folder = model_folder(workspace, config)
    if folder is not None:
        return workspace, open_pod(workspace, pod_name), choose_folder(workspace, folder)
    workspace, project, pod = open_place(config, pod_name)
    return workspace, pod, choose_model(workspace, pod, project, merged=merged)


def open_pod(workspace: Workspace, name: str) -> Pod:
    """The pod of that name. Before one is rented for no run a person is asked.

    Raises:
        UsageError: There is none.
    """
    from millhand.cli.agreeing import agree
    from millhand.cli.output import say
    from millhand.runs import opening

    return opening.open_pod(workspace, name, say, agree=agree)
