"""A rented pod that is there, to look at: nothing is rented for it, and it is not given back."""

from __future__ import annotations

from millhand.errors import UsageError
from millhand.pods.base import Pod
from millhand.pods.podfile import PodFile, RunPodSpec
from millhand.pods.runpod.client import RunPod, open_account
from millhand.pods.runpod.errors import OutcomeUnknownError, RateLimitedError
from millhand.pods.ssh.connection import Patience
from millhand.pods.ssh.faults import UnreachableError
from millhand.pods.ssh.pod import SshPod, open_ssh_pod
from millhand.runs.arming import address_of
from millhand.runs.billed import living
from millhand.runs.places import take_over
from millhand.runs.pod_environment import look
from millhand.runs.pod_ledger import PodEntry
from millhand.runs.remote import RemotePod, Say
from millhand.runs.renting import RentedPod, locate
from millhand.runs.there import folder_there
from millhand.workspace import Workspace


class RentedThere(RemotePod):
    """A pod of the ledger, wherever it is now."""

    def _volume(self, ssh: SshPod) -> str:
        spec = self._pod_file.spec
        return spec.folder if isinstance(spec, RunPodSpec) else super()._volume(ssh)


def rented_there(workspace: Workspace, pod_file: PodFile, run: str, say: Say) -> RentedThere:
    """The pod that is rented for a run, or the one that `millhand up` made.

    Raises:
        UsageError: There is none.
    """
    take_over(workspace, pod_file)
    mine = living(workspace, pod_file.name, run)
    if not mine:
        raise none_rented(pod_file.name)
    return there(workspace, pod_file, mine[-1] if run else _for_no_run(mine), say)


def _for_no_run(entries: list[PodEntry]) -> PodEntry:
    """The pod that :class:`millhand.runs.on_demand.PodOnDemand` takes for no run: what went up comes down.

    One that `millhand up` made comes before those of runs; what runs, before what is stopped.
    """

    def worth(entry: PodEntry) -> tuple[bool, bool]:
        runs = entry.state == "ready" and entry.armed if entry.run else entry.state in ("rented", "ready")
        return (runs, not entry.run)

    return sorted(entries, key=worth)[-1]  # of equals the newest


def none_rented(name: str) -> UsageError:
    """No pod of the pod file is there."""
    mend = "What a run made is in the workspace, or on its volume: `millhand pods --all` lists pods."
    return UsageError(f"No pod of {name} is rented now, so nothing runs there.", mend=mend)


def there(
    workspace: Workspace,
    pod_file: PodFile,
    entry: PodEntry,
    say: Say,
    account: RunPod | None = None,
    *,
    patience: Patience | None = None,
) -> RentedThere:
    """One pod of the ledger; nothing is dialled before it is first asked something."""
    account, name = account or open_account(workspace), entry.name

    def reach() -> SshPod:
        return open_ssh_pod(
            workspace,
            name,
            lambda: address_of(located(workspace, account, name, say)),
            folder=folder_there(workspace, pod_file),
            python=pod_file.spec.python,
            tell=say,
            patience=patience,
        )

    return RentedThere(workspace, pod_file, say, reach)


def located(workspace: Workspace, account: RunPod, name: str, say: Say) -> RentedPod:
    """Where a pod is now, for a connection that broke: it asks again as long as nobody answers.

    Raises:
        UnreachableError: RunPod or the pod's log does not answer, or is asked too often.
        MillhandError: It is gone, stopped, or does not come up.
    """
    try:
        return locate(workspace, account, name, say)
    except (OutcomeUnknownError, RateLimitedError) as error:
        raise UnreachableError(error.message, mend=error.mend) from error


def as_it_is(pod: Pod, say: Say) -> Pod:
    """The pod with the interpreter of its training environment, if that is made; nothing is made here."""
    if not isinstance(pod, RemotePod):
        return pod
    environment = pod.environment()
    if environment is not None:
        seen = look(pod.ssh, environment)
        if seen.ready:
            pod.ssh.python = environment.python
        else:
            say(f"Its training environment {environment.name}: {seen.why}.")
    return pod.ssh
