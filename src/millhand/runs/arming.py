"""Whether a rented pod's lease is held: seen over its own connection, or the pod is ended."""

from __future__ import annotations

from pathlib import Path

import msgspec

from millhand.errors import MillhandError
from millhand.pods.lease import LeaseState, PodLease
from millhand.pods.ssh.address import Address
from millhand.pods.ssh.connection import Patience
from millhand.pods.ssh.pod import open_ssh_pod
from millhand.runs.pod_ledger import PodEntry
from millhand.runs.release import Releaser
from millhand.runs.renting import RentedPod
from millhand.workspace import Workspace

# A pod that is said to run may not have its sshd up yet: the image's start script comes to that by and by.
NEW_POD = Patience(first_s=120.0)
_ENDED = "The pod was ended: nobody could see that its lease is held. The same command rents another."


def address_of(pod: RentedPod) -> Address:
    """Where a rented pod's sshd is, held to the keys that its container's log names."""
    return Address(
        pod.host,
        pod.port,
        pod.user,
        (pod.key,),
        pod.host_keys,
        only_these_keys=True,
        config_path=Path(pod.key).with_name("no-ssh-config"),
    )


def arm(workspace: Workspace, pod: RentedPod, *, folder: str, releaser: Releaser) -> LeaseState:
    """See that the pod's keeper holds its lease. A pod on which nothing was done yet is ended if none does.

    Raises:
        MillhandError: The lease is not held, or the pod cannot be connected to in :data:`NEW_POD`'s time.
    """
    ssh = open_ssh_pod(
        workspace,
        pod.name,
        lambda: address_of(pod),
        folder=folder,
        python="python3",
        tell=releaser.say,
        patience=NEW_POD,
    )
    try:
        state = _held(PodLease(ssh, pod.entry.pod_id, pod.terms), pod.entry, releaser)
    except MillhandError as error:
        if not pod.entry.armed:
            releaser.say("Its lease is not held: the pod is ended.")
            releaser.release(pod.entry, lose=True, why="its lease could not be armed")
            error.mend = _ENDED
        raise
    finally:
        ssh.close()
    releaser.ledger.set(pod.name, armed=True)
    return state


def _held(lease: PodLease, entry: PodEntry, releaser: Releaser) -> LeaseState:
    """Arm the lease, at the billed price; a pod that its lease had stopped, started again, gets another.

    Raises:
        MillhandError: It is not held.
    """
    state = lease.arm()
    terms = entry.terms
    if not entry.armed and entry.billed_usd_per_hour > terms.usd_per_hour:
        # the spend limit is held at the price that is billed, not the shown one
        state = lease.order({"usd_per_hour": entry.billed_usd_per_hour})
    if state.revived:
        releaser.ledger.spent(entry.name, state.spent_usd)
        spend = None if terms.spend_usd is None else state.spent_usd + terms.spend_usd
        state = lease.extend(hours=terms.hours, spend_usd=spend)
        deadline = releaser.account.server_time_s() + terms.hours * 3600
        again = msgspec.structs.replace(terms, deadline_epoch_s=deadline, spend_usd=spend)
        releaser.ledger.set(entry.name, terms=again)
        releaser.say(f"Its lease was over: another one of {terms.hours:g} h is held.")
    return state
