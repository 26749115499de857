"""Where on a pod a workspace lies: a folder of its own, beside those of other workspaces and people."""

from __future__ import annotations

import re
import secrets

from millhand.files import locked, write_text
from millhand.pods.podfile import PodFile, RunPodSpec, SshSpec
from millhand.workspace import Workspace

_DEFAULT = SshSpec(kind="ssh", host="-").workspace


def folder_there(workspace: Workspace, pod_file: PodFile) -> str:
    """The workspace's folder on a pod: absolute, or relative to the home folder there.

    A network volume and a home folder serve many workspaces, so it is named after this one; a folder that
    the pod file names itself is taken as it is.
    """
    spec = pod_file.spec
    if isinstance(spec, RunPodSpec):
        return f"{spec.folder}/{_DEFAULT}/{own_name(workspace)}"
    if isinstance(spec, SshSpec) and spec.workspace != _DEFAULT:
        return spec.workspace
    return f"{_DEFAULT}/{own_name(workspace)}"


def own_name(workspace: Workspace) -> str:
    """A name for the workspace that no other has: its folder's, as far as ASCII can say it, and a mark.

    The mark is drawn once and kept, so that a workspace that is moved finds what lies on a volume again.
    """
    path = workspace.state / "id"
    with locked(workspace.state / "locks" / "id"):
        if not path.is_file():
            write_text(path, secrets.token_hex(4) + "\n")
        mark = path.read_text(encoding="ascii").strip()
    plain = re.sub(r"[^A-Za-z0-9]+", "-", workspace.root.name).strip("-").lower()
    return "-".join(part for part in (plain[:40].strip("-"), mark) if part)
