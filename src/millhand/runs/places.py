"""Where a run happens, and where what it makes is wanted."""

from __future__ import annotations

from millhand.pods.base import Pod
from millhand.pods.local import LocalPod
from millhand.shell import Command
from millhand.workspace import Workspace

# What of the client's settings means the same on another machine; its folders and GPUs do not.
_TRAVEL = (
    "HF_TOKEN", "WANDB_API_KEY", "HF_ENDPOINT", "DISABLE_VERSION_CHECK", "NCCL_P2P_DISABLE",
    "NCCL_IB_DISABLE", "FORCE_TORCHRUN",
)  # fmt: skip


def home_of(workspace: Workspace, pod: Pod) -> Pod:
    """The client's own workspace as a pod: ``pod`` itself where it works there."""
    return pod if pod.shared else LocalPod(workspace.root)


def pod_settings(workspace: Workspace, pod: Pod) -> dict[str, str]:
    """The workspace's settings as far as they mean something on ``pod``."""
    settings = workspace.settings()
    return settings if pod.shared else {name: settings[name] for name in _TRAVEL if name in settings}


def remove_folder(python: str, folder: str) -> Command:
    """A command that removes a folder of the pod's workspace; one that is not there is no fault."""
    code = "import os, shutil, sys; os.path.lexists(sys.argv[1]) and shutil.rmtree(sys.argv[1])"
    return Command((python, "-I", "-S", "-c", code, folder))
