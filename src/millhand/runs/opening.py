"""The pod that a name means, as something that runs can use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from millhand.pods.base import Pod
from millhand.pods.local import LocalPod
from millhand.pods.podfile import PodFile, RunPodSpec, SshSpec, find_pod, is_former
from millhand.runs.there import folder_there
from millhand.workspace import Workspace

if TYPE_CHECKING:
    from millhand.runs.on_demand import Agree

Say = Callable[[str], None]


Foresee = Callable[[str, str], float | None]


def open_pod(
    workspace: Workspace,
    name: str,
    say: Say,
    *,
    foresee: Foresee = lambda _pod, _run: None,
    agree: Agree | None = None,
) -> Pod:
    """The pod that ``--pod NAME`` means. Nothing is rented or dialled before it is first used.

    Args:
        workspace: The client's.
        name: A pod file, an ssh:// URL or ``local``.
        say: Is told what goes on.
        foresee: Is asked with the pod file's name and the run's before it is rented for the run: what that
            will cost. It may refuse.
        agree: Is asked before it is rented for no run; None: nobody agrees.

    Raises:
        UsageError: There is none of that name, or no key to rent it with.
        FindingsError: Its pod file has faults.
    """
    pod_file = find_pod(workspace, name)
    spec = pod_file.spec
    if isinstance(spec, RunPodSpec):
        return _on_demand(workspace, pod_file, say, lambda run: foresee(pod_file.name, run), agree)
    if isinstance(spec, SshSpec):
        return _over_ssh(workspace, pod_file, spec, say)
    return LocalPod(workspace.root, spec.python) if spec.python else LocalPod(workspace.root)


def _on_demand(
    workspace: Workspace,
    pod_file: PodFile,
    say: Say,
    foresee: Callable[[str], float | None],
    agree: Agree | None,
) -> Pod:
    from millhand.pods.runpod.client import open_account
    from millhand.runs.on_demand import PodOnDemand, refuse

    return PodOnDemand(workspace, pod_file, open_account(workspace, tell=say), say, foresee, agree or refuse)


def _over_ssh(workspace: Workspace, pod_file: PodFile, spec: SshSpec, say: Say) -> Pod:
    from millhand.pods.ssh.address import Address
    from millhand.pods.ssh.hostkeys import FILE_NAME, take_over
    from millhand.pods.ssh.pod import SshPod, open_ssh_pod
    from millhand.runs.remote import RemotePod

    key = (Path(spec.key).expanduser(),) if spec.key else ()
    address = Address(spec.host, spec.port, spec.user, key, spec.host_keys)

    def reach() -> SshPod:
        if is_former(workspace, pod_file.former, pod_file):
            take_over(workspace.state / FILE_NAME, pod_file.former, pod_file.host)
        return open_ssh_pod(
            workspace,
            pod_file.host,
            lambda: address,
            folder=folder_there(workspace, pod_file),
            python=spec.python,
            tell=say,
        )

    return RemotePod(workspace, pod_file, say, reach)
