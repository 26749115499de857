"""Where a run happens, and where what it makes is wanted."""

from __future__ import annotations

import shlex

import msgspec

from millhand.errors import MillhandError
from millhand.pods.base import Pod
from millhand.pods.local import LocalPod
from millhand.pods.podfile import PodFile, RunPodSpec, find_pod, is_former
from millhand.runs.ledger import Run
from millhand.runs.pod_ledger import PodEntry, open_pod_ledger
from millhand.shell import Command
from millhand.workspace import Workspace

# What of the client's settings means the same on another machine; its folders and GPUs do not.
_TRAVEL = (
    "HF_TOKEN", "WANDB_API_KEY", "HF_ENDPOINT", "DISABLE_VERSION_CHECK", "NCCL_P2P_DISABLE",
    "NCCL_IB_DISABLE", "FORCE_TORCHRUN", "HF_HUB_DISABLE_XET", "HF_XET_HIGH_PERFORMANCE",
)  # fmt: skip


def home_of(workspace: Workspace, pod: Pod) -> Pod:
    """The client's own workspace as a pod: ``pod`` itself where it works there."""
    return pod if pod.shared else LocalPod(workspace.root)


def pod_settings(workspace: Workspace, pod: Pod) -> dict[str, str]:
    """The workspace's settings as far as they mean something on ``pod``."""
    settings = workspace.settings()
    if pod.shared:
        return settings
    return {**{name: settings[name] for name in _TRAVEL if name in settings}, **pod.variables}


def remove_folder(python: str, folder: str) -> Command:
    """A command that removes a folder of the pod's workspace; one that is not there is no fault."""
    code = "import os, shutil, sys; os.path.lexists(sys.argv[1]) and shutil.rmtree(sys.argv[1])"
    return Command((python, "-I", "-S", "-c", code, folder))


def rename_folder(python: str, folder: str, to: str) -> Command:
    """A command that gives a folder of the pod's workspace another name; done before is no fault."""
    code = "import os, sys; f, t = sys.argv[1:]; os.path.lexists(f) and os.rename(f, t)"
    return Command((python, "-I", "-S", "-c", code, folder, to))


def set_aside(python: str, folder: str) -> Command:
    """A command that renames a folder of the pod's workspace to the first free name beside it."""
    code = (
        "import os, sys; f = sys.argv[1]; "
        "n = next(n for n in range(1, 10**6) if not os.path.lexists(f'{f}.set-aside-{n}')); "
        "os.rename(f, f'{f}.set-aside-{n}')"
    )
    return Command((python, "-I", "-S", "-c", code, folder))


def is_over_on(workspace: Workspace, pod: str, job: str) -> bool:
    """Whether a job certainly no longer runs on the pod of that name: here, or on rented ones that ended."""
    if pod == LocalPod.name:
        return not LocalPod(workspace.root).attach(job).status().alive
    rented = [entry for entry in open_pod_ledger(workspace).entries() if entry.pod_file == pod]
    return bool(rented) and all(entry.over for entry in rented)


def is_called(workspace: Workspace, former: str, name: str) -> bool:
    """Whether a ledger's word for a pod is the former name of the one that ``name`` means now."""
    try:
        return is_former(workspace, former, find_pod(workspace, name))
    except MillhandError:
        return False


def take_over(workspace: Workspace, pod_file: PodFile) -> None:
    """Enter rented pods that stand in the ledger under the pod file's former name under its name."""

    def renamed(entry: PodEntry) -> PodEntry:
        owner = entry.owner if entry.run else f"pod:{pod_file.name}"
        return msgspec.structs.replace(entry, pod_file=pod_file.name, owner=owner)

    ledger = open_pod_ledger(workspace)
    for entry in ledger.entries():
        if is_former(workspace, entry.pod_file, pod_file):
            ledger.change(entry.name, renamed, touch=False)


def keeps_volume(workspace: Workspace, pod: str) -> str:
    """The network volume on which a pod file's pods leave what they made; empty where there is none."""
    try:
        spec = find_pod(workspace, pod).spec
    except MillhandError:
        return ""
    return spec.volume.name if isinstance(spec, RunPodSpec) and spec.volume else ""


def again(run: Run) -> str:
    """The command that goes on with a run, where it is, and merges it if that was asked for."""
    where = "" if run.pod == LocalPod.name else f" --pod {shlex.quote(run.pod)}"
    return f"millhand train {run.project} --resume{' --export' if run.exports else ''}{where}"
