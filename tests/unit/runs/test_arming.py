"""What a client orders of a pod's keeper when it connects."""

from __future__ import annotations

import pytest

from millhand.errors import MillhandError
from millhand.pods.lease import LeaseState
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


def arm(
    workspace: Workspace,
    pod: RentedPod,
    releaser: Releaser,
    lease: Lease,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(arming, "PodLease", lambda *_: lease)
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
