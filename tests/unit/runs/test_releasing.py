"""Releasing and reaping pods, and what they cost: nothing lost, no stranger touched."""

from __future__ import annotations

import time

import pytest

from millhand.errors import UsageError
from millhand.pods.runpod.client import RunPod
from millhand.pods.runpod.errors import ApiError
from millhand.runs.pod_ledger import PodEntry, PodLedger
from millhand.runs.pod_lookup import OtherKeyError
from millhand.runs.reap import reap
from millhand.runs.release import Releaser
from millhand.runs.spend import costs, reconcile
from millhand.runs.standing import named, standing
from millhand.shell import Secret
from millhand.workspace import Workspace
from tests.runpod_fake import FakeRunPod, NullMachines, serving
from tests.runpod_fake.fixtures import Rent, account, fake, ledger, pod_file, releaser, rent, url, waits, wish

__all__ = ["account", "fake", "ledger", "pod_file", "releaser", "rent", "url"]


def test_a_release_waits_until_it_is_so_can_be_repeated_and_says_what_it_cost(
    rent: Rent, releaser: Releaser, ledger: PodLedger, fake: FakeRunPod
) -> None:
    pod = rent("qa-1")
    fake.clock.advance(3600)
    fake.fault("DELETE", "/pods/.*", how="cut-after")
    told = releaser.release(pod.entry)
    assert (told.action, fake.pods) == ("terminated", {})
    assert told.spent_usd == pytest.approx(pod.entry.hourly_usd * told.hours)
    assert told.hours == pytest.approx(1.0, abs=0.05)
    entry = ledger.find(pod.name)
    assert entry is not None
    assert entry.state == "ended"
    fake.clock.advance(3600)
    again = releaser.release(entry)
    assert (again.action, again.hours) == ("gone", told.hours)
    assert isinstance(fake.machines, NullMachines)
    assert fake.machines.killed == [pod.entry.pod_id]


@pytest.mark.parametrize("disk", ["allow_loss: true", "persistent_gb: 20"])
def test_what_would_be_lost_is_not_released(
    rent: Rent, releaser: Releaser, ledger: PodLedger, fake: FakeRunPod, disk: str
) -> None:
    pod = rent("qa-1", volume=disk)
    with pytest.raises(UsageError, match=r"(?s)would be lost.*--lose"):
        releaser.release(pod.entry)
    assert len(fake.pods) == 1
    safe = ledger.set(pod.name, safe=True)
    assert releaser.release(safe).action == "terminated"
    other = rent("qa-2", volume=disk)
    assert releaser.release(other.entry, lose=True).action == "terminated"
    assert not fake.pods


def test_an_end_that_does_not_come_is_told_and_reaped_later(
    rent: Rent, releaser: Releaser, ledger: PodLedger, fake: FakeRunPod
) -> None:
    pod = rent("qa-1")
    fake.fault("DELETE", "/pods/.*", status=500, times=99)
    with pytest.raises(ApiError):
        releaser.release(pod.entry)
    entry = ledger.find(pod.name)
    assert entry is not None
    assert (entry.state, len(fake.pods)) == ("ending", 1)
    fake.faults.clear()
    assert [(r.pod, r.why) for r in reap(releaser)] == [(pod.name, "its release was begun")]
    assert not fake.pods


def test_what_is_stopped_already_is_read_again_and_what_cannot_be_stopped_is_told(
    rent: Rent, releaser: Releaser, ledger: PodLedger, fake: FakeRunPod
) -> None:
    pod = rent("qa-1", volume="persistent_gb: 20")
    releaser.account.act(pod.entry.pod_id, "stop")
    assert releaser.release(pod.entry, stop=True).action == "stopped"
    entry = ledger.find(pod.name)
    assert entry is not None
    assert (entry.state, entry.spans[-1][1] is not None) == ("stopped", True)
    fake.start(fake.pods[pod.entry.pod_id])
    fake.fault("POST", "/pods/.*/action", status=409, detail="locked")
    with pytest.raises(ApiError, match="locked"):
        releaser.release(entry, stop=True)


def test_an_ending_pod_is_not_used_again(rent: Rent, ledger: PodLedger, fake: FakeRunPod) -> None:
    pod = rent("qa-1")
    ledger.set(pod.name, state="ending")
    assert rent("qa-1").name != pod.name


def strangers(fake: FakeRunPod, name: str) -> list[str]:
    names = [f"{name}-2", name[:-1], name.upper(), f" {name}", "millhand", "millhand-l4-deadbeef", "training"]
    return [fake.plant(other).id for other in names]


def test_no_pod_that_is_not_in_the_ledger_is_ever_touched(
    rent: Rent, releaser: Releaser, fake: FakeRunPod
) -> None:
    pod = rent("qa-1")
    others = strangers(fake, pod.name)
    fake.clock.advance(20 * 3600)
    fake.balance_usd = 1e6
    with pytest.raises(UsageError, match=r"(?s)ledger.*Did you mean"):
        named(releaser, f"{pod.name}-2")
    assert [row.pod for row in standing(releaser)] == [pod.name]
    assert [row.pod for row in costs(releaser.account, releaser.ledger.entries())] == [pod.name]
    assert [(r.pod, r.why) for r in reap(releaser)] == [(pod.name, "its lease is over")]
    assert reap(releaser) == []
    for entry in named(releaser, ""):
        releaser.release(entry, lose=True)
    assert list(fake.pods) == others
    assert isinstance(fake.machines, NullMachines)
    assert fake.machines.killed == [pod.entry.pod_id]


def test_a_pod_is_not_held_to_be_gone_because_another_key_does_not_see_it(
    workspace: Workspace, rent: Rent, releaser: Releaser, fake: FakeRunPod
) -> None:
    pod = rent("qa-1", volume="persistent_gb: 20")
    theirs = FakeRunPod(fake.clock)
    theirs.key = "rpa_anotherAccount"
    with serving(theirs) as url:
        other = RunPod(url, Secret(theirs.key), waits(theirs))
        elsewhere = Releaser(other, releaser.ledger, [].append)
        assert [(r.action, r.pod) for r in reap(elsewhere)] == [("unknown", pod.name)]
        assert [row.status for row in standing(elsewhere)] == ["READY"]
        for call in (wish(workspace, other, "qa-1").rent, lambda: elsewhere.release(pod.entry, lose=True)):
            with pytest.raises(OtherKeyError, match="rented with another key"):
                call()
        assert theirs.created() == []
        assert [row.status for row in standing(releaser)] == ["RUNNING"]
        fake.clock.advance(9 * 3600)
        assert [r.action for r in reap(elsewhere)] == ["gone"]


def test_a_pod_of_another_key_that_is_to_be_ended_keeps_no_new_one_from_its_owner(
    workspace: Workspace, rent: Rent, releaser: Releaser, ledger: PodLedger, fake: FakeRunPod, url: str
) -> None:
    pod = rent("qa-1")
    ledger.set(pod.name, state="ending", why="its host never came up")
    fake.terminate(fake.pods[pod.entry.pod_id])  # in the console
    fake.key = "rpa_anewkey"
    told: list[str] = []
    asked = wish(workspace, RunPod(url, Secret(fake.key), waits(fake)), "qa-1")
    object.__setattr__(asked, "say", told.append)
    fresh = asked.rent()
    assert list(fake.pods) == [fresh.entry.pod_id]
    assert any(f"{pod.name} was rented with another key" in line for line in told)
    assert [entry.state for entry in ledger.entries()] == ["ending", "ready"]


def test_a_look_strikes_off_no_pod_whose_client_still_waits_to_ask_for_it(
    rent: Rent, releaser: Releaser, ledger: PodLedger, fake: FakeRunPod, monkeypatch: pytest.MonkeyPatch
) -> None:
    pod = rent("qa-1")
    ledger.set(pod.name, state="intended", pod_id="", spans=(), rented_s=None, ready_s=None)
    fake.terminate(fake.pods[pod.entry.pod_id])
    now = time.time()
    with monkeypatch.context() as patch:
        patch.setattr("millhand.runs.pod_ledger.time.time", lambda: now + 600)
        fake.clock.advance(600)
        assert [(row.pod, row.status) for row in standing(releaser)] == [(pod.name, "INTENDED")]
        patch.setattr("millhand.runs.pod_ledger.time.time", lambda: now + 3600)
        fake.clock.advance(3000)
        assert standing(releaser) == []


def test_a_key_that_was_replaced_in_the_same_account_sees_its_pods(
    rent: Rent, releaser: Releaser, fake: FakeRunPod, url: str
) -> None:
    pod = rent("qa-1")
    fake.key = "rpa_anewkey"
    fresh = Releaser(RunPod(url, Secret(fake.key), waits(fake)), releaser.ledger, [].append)
    assert [row.status for row in standing(fresh)] == ["RUNNING"]
    assert fresh.release(pod.entry).action == "terminated"


def test_a_lost_pod_that_comes_to_be_after_all_is_reaped_by_its_whole_name(
    rent: Rent, releaser: Releaser, ledger: PodLedger, fake: FakeRunPod
) -> None:
    fake.no_capacity.add(("NVIDIA L4", "SECURE", "US-KS-2"))
    pod = rent("qa-1")
    refused = next(entry for entry in ledger.entries() if entry.state == "refused")
    late, twin = fake.plant(refused.name), fake.plant(pod.name)
    kept = strangers(fake, refused.name)
    assert {r.pod for r in reap(releaser, dry=True)} == {refused.name, pod.name}
    assert late.id in fake.pods
    reap(releaser)
    assert set(fake.pods) == {pod.entry.pod_id, *kept}
    assert twin.gone


def aged(ledger: PodLedger, entry: PodEntry, monkeypatch: pytest.MonkeyPatch, **fields: object) -> None:
    """The entry as if nobody had touched it for an hour."""
    now = time.time()
    with monkeypatch.context() as patch:
        patch.setattr("millhand.runs.pod_ledger.time.time", lambda: now - 3600)
        ledger.set(entry.name, **fields)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"state": "intended", "pod_id": ""}, "never came back for it"),
        ({"state": "rented", "ready_s": None}, "nobody waits for it"),
        ({"state": "ready", "safe": True}, "its run is done"),
        ({"state": "ready"}, ""),
    ],
)
def test_what_is_due_is_reaped_and_nothing_else(
    rent: Rent,
    releaser: Releaser,
    ledger: PodLedger,
    fake: FakeRunPod,
    monkeypatch: pytest.MonkeyPatch,
    fields: dict[str, object],
    why: str,
) -> None:
    pod = rent("qa-1")
    aged(ledger, pod.entry, monkeypatch, **fields)
    fake.clock.advance(3600)
    done = reap(releaser)
    assert (len(done), len(fake.pods)) == ((1, 0) if why else (0, 1))
    assert why in "".join(one.why for one in done)


def test_a_client_that_is_about_to_get_its_pod_is_left_alone(
    rent: Rent, releaser: Releaser, ledger: PodLedger, fake: FakeRunPod
) -> None:
    pod = rent("qa-1")
    ledger.set(pod.name, state="intended", pod_id="")
    assert (reap(releaser), len(fake.pods)) == ([], 1)


@pytest.mark.parametrize(
    ("disk", "action"), [("persistent_gb: 20", "stopped"), ("allow_loss: true", "terminated")]
)
def test_a_lease_that_is_over_ends_as_the_pod_file_says(
    rent: Rent, releaser: Releaser, fake: FakeRunPod, disk: str, action: str
) -> None:
    pod = rent("qa-1", volume=disk)
    fake.clock.advance(9 * 3600)
    assert [(r.pod, r.action) for r in reap(releaser)] == [(pod.name, action)]
    assert reap(releaser) == []


def test_a_pod_that_has_cost_its_limit_is_reaped(rent: Rent, releaser: Releaser, fake: FakeRunPod) -> None:
    pod = rent("qa-1", lease="lease: {hours: 99, spend_usd: 1, idle_minutes: 20}")
    fake.clock.advance(2.0 * 3600)
    assert reap(releaser) == []
    fake.clock.advance(0.5 * 3600)
    assert [(r.pod, r.action) for r in reap(releaser)] == [(pod.name, "terminated")]


def test_ledger_and_bill_agree_over_a_pods_life(rent: Rent, releaser: Releaser, fake: FakeRunPod) -> None:
    pod = rent("qa-1")
    fake.clock.advance(3 * 3600)
    releaser.release(pod.entry)
    (row,) = costs(releaser.account, releaser.ledger.entries())
    assert row.bill_usd == pytest.approx(row.ledger_usd, rel=0.02)
    assert (row.difference, row.expected_usd) == ("", pytest.approx(8 * pod.entry.hourly_usd))


def test_where_ledger_and_bill_differ_the_reason_is_named(
    rent: Rent, releaser: Releaser, ledger: PodLedger, fake: FakeRunPod
) -> None:
    pod = rent("qa-1")
    fake.clock.advance(3 * 3600)
    fake.pods[pod.entry.pod_id].rate *= 1.5
    (row,) = costs(releaser.account, ledger.entries())
    assert "more than the ledger saw" in row.difference
    fake.pods[pod.entry.pod_id].rate /= 3
    (row,) = costs(releaser.account, ledger.entries())
    assert row.difference == "the bill lags"
    fake.terminate(fake.pods[pod.entry.pod_id])
    fake.clock.advance(2 * 3600)
    assert standing(releaser) == []
    (row,) = costs(releaser.account, ledger.entries())
    assert row.difference == "it ended before this computer noticed"


def test_a_price_above_the_shown_one_is_named(rent: Rent, releaser: Releaser, fake: FakeRunPod) -> None:
    fake.price_factor = 1.3
    pod = rent("qa-1")
    assert pod.entry.billed_usd_per_hour == pytest.approx(0.44 * 1.3)
    assert pod.entry.hourly_usd == pod.entry.billed_usd_per_hour


def test_the_ledger_keeps_what_was_billed(rent: Rent, releaser: Releaser, fake: FakeRunPod) -> None:
    pod, other = rent("qa-1"), rent("qa-2")
    fake.clock.advance(3600)
    rows = reconcile(releaser.account, releaser.ledger, "qa-1")
    assert [row.pod for row in rows] == [pod.name]
    kept = {entry.name: entry.bill_usd for entry in releaser.ledger.entries()}
    assert kept == {pod.name: rows[0].bill_usd, other.name: None}


def test_a_key_that_may_not_read_bills_still_shows_the_ledger(
    rent: Rent, releaser: Releaser, fake: FakeRunPod
) -> None:
    rent("qa-1")
    fake.clock.advance(3600)
    fake.fault("GET", "/billing/pods", status=403)
    (row,) = costs(releaser.account, releaser.ledger.entries())
    assert (row.bill_usd, row.difference) == (None, "the key may not read the bills")
    assert row.ledger_usd > 0.4


def test_without_pods_nothing_is_asked(releaser: Releaser, fake: FakeRunPod) -> None:
    assert (costs(releaser.account, []), standing(releaser)) == ([], [])
    assert fake.requests == []
