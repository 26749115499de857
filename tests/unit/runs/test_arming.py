"""What a client orders of a pod's keeper when it connects."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import tenacity

from millhand.errors import MillhandError
from millhand.pods.lease import LeaseState
from millhand.pods.ssh import connection
from millhand.pods.ssh.faults import UnreachableError
from millhand.pods.ssh.pod import SshPod
from millhand.runs import arming
from millhand.runs.release import Releaser
from millhand.runs.renting import RentedPod
from millhand.workspace import Workspace
from tests.runpod_fake import FakeRunPod
from tests.runpod_fake.fixtures import Rent, account, fake, ledger, pod_file, releaser, rent, url

__all__ = ["account", "fake", "ledger", "pod_file", "releaser", "rent", "url"]


class Lease:
    """A keeper that answers as it is told and notes its orders; tests/integration has real ones."""

    def __init__(self, state: LeaseState) -> None:
        self.state, self.orders = state, list[dict[str, object]]()

    def arm(self) -> LeaseState:
        if not self.state.armed:
            raise MillhandError("The lease cannot be armed on the pod.")
        return self.state

    def order(self, changes: dict[str, object]) -> LeaseState:
        self.orders.append(changes)
        return self.state

    def extend(self, *, hours: float | None = None, spend_usd: float | None = None) -> LeaseState:
        return self.order({"hours": hours, "spend_usd": spend_usd})


class Sshd:
    """What is dialled: nobody answers the first ``silent`` times. Pauses turn its clock and take no time."""

    def __init__(self, silent: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.silent, self.asked, self.waited_s = silent, 0, 0.0
        monkeypatch.setattr(connection, "dial", self.dial)
        monkeypatch.setattr(tenacity, "sleep_using_event", lambda _: self.wait)
        monkeypatch.setattr(tenacity, "time", SimpleNamespace(monotonic=lambda: self.waited_s))

    def dial(self, *_: object) -> Sshd:
        self.asked += 1
        if self.asked <= self.silent:
            raise UnreachableError("127.0.0.1 cannot be reached: Connection refused.")
        return self

    def wait(self, seconds: float) -> None:
        self.waited_s += seconds

    def is_active(self) -> bool:
        return True

    def close(self) -> None:
        pass


def arm(
    workspace: Workspace,
    pod: RentedPod,
    releaser: Releaser,
    lease: Lease,
    monkeypatch: pytest.MonkeyPatch,
    *,
    dials: bool = False,
) -> None:
    def made(ssh: SshPod, *_: object) -> Lease:
        if dials:
            ssh.connection.transport()
        return lease

    monkeypatch.setattr(arming, "PodLease", made)
    arming.arm(workspace, pod, folder="/x", releaser=releaser)


def test_the_keeper_is_told_the_billed_price_once(
    workspace: Workspace, rent: Rent, releaser: Releaser, fake: FakeRunPod, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.price_factor = 1.3
    pod, lease = rent("qa-1"), Lease(LeaseState(armed=True))
    arm(workspace, pod, releaser, lease, monkeypatch)
    assert lease.orders == [{"usd_per_hour": pytest.approx(0.572)}]
    arm(workspace, rent("qa-1"), releaser, lease, monkeypatch)  # an order would take back an earlier one
    assert len(lease.orders) == 1


def test_a_pod_that_its_lease_had_stopped_gets_another_when_it_is_started_again(
    workspace: Workspace, rent: Rent, releaser: Releaser, fake: FakeRunPod, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = "persistent_gb: 20"
    pod = rent("qa-1", volume=disk)
    fake.clock.advance(9 * 3600)
    fake.stop(fake.pods[pod.entry.pod_id])
    again = rent("qa-1", volume=disk)
    assert again.name == pod.name
    lease = Lease(LeaseState(armed=True, revived=True, spent_usd=3.5))
    arm(workspace, again, releaser, lease, monkeypatch)
    assert lease.orders == [{"hours": 8.0, "spend_usd": 8.5}]
    entry = releaser.ledger.find(pod.name)
    assert entry is not None
    assert entry.terms.deadline_epoch_s == pytest.approx(fake.clock.now() + 8 * 3600, abs=5)
    assert entry.terms.spend_usd == 8.5


@pytest.mark.parametrize("before", [True, False])
def test_a_pod_is_ended_if_its_lease_was_never_held(
    workspace: Workspace,
    rent: Rent,
    releaser: Releaser,
    fake: FakeRunPod,
    monkeypatch: pytest.MonkeyPatch,
    before: bool,
) -> None:
    pod = rent("qa-1", volume="persistent_gb: 20")
    if before:
        arm(workspace, pod, releaser, Lease(LeaseState(armed=True)), monkeypatch)
        pod = rent("qa-1", volume="persistent_gb: 20")
    with pytest.raises(MillhandError, match="cannot be armed"):
        arm(workspace, pod, releaser, Lease(LeaseState()), monkeypatch)
    assert len(fake.pods) == before


@pytest.mark.parametrize("silent", [0, 3])
def test_a_pod_whose_sshd_answers_late_is_waited_for(
    workspace: Workspace,
    rent: Rent,
    releaser: Releaser,
    fake: FakeRunPod,
    monkeypatch: pytest.MonkeyPatch,
    silent: int,
) -> None:
    pod, sshd = rent("qa-1"), Sshd(silent, monkeypatch)
    arm(workspace, pod, releaser, Lease(LeaseState(armed=True)), monkeypatch, dials=True)
    assert sshd.asked == silent + 1
    entry = releaser.ledger.find(pod.name)
    assert entry is not None
    assert entry.armed
    assert pod.entry.pod_id in fake.pods


def test_a_pod_whose_sshd_never_answers_is_ended(
    workspace: Workspace, rent: Rent, releaser: Releaser, fake: FakeRunPod, monkeypatch: pytest.MonkeyPatch
) -> None:
    pod, sshd = rent("qa-1"), Sshd(10**9, monkeypatch)
    with pytest.raises(UnreachableError, match=r"Connection refused\.\nThe pod was ended"):
        arm(workspace, pod, releaser, Lease(LeaseState(armed=True)), monkeypatch, dials=True)
    assert sshd.waited_s >= arming.NEW_POD.first_s
    assert not fake.pods
