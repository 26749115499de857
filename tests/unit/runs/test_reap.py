"""Reaping: by the API's clock, a pod at a time, what came back kept, and a dry run that ends nothing."""

from __future__ import annotations

import time

import pytest

from millhand.pods.runpod.client import RunPod
from millhand.runs.pod_ledger import PodEntry, PodLedger
from millhand.runs.reap import reap, settle
from millhand.runs.release import Releaser
from millhand.runs.spend import spent_usd
from millhand.runs.standing import standing
from millhand.shell import Secret
from millhand.waits import Waits
from tests.runpod_fake import FakeRunPod
from tests.runpod_fake.fixtures import Rent, account, fake, ledger, pod_file, releaser, rent, url
from tests.runpod_fake.state import FakePod

__all__ = ["account", "fake", "ledger", "pod_file", "releaser", "rent", "url"]

HOUR_S = 3600.0
PERSISTENT = "persistent_gb: 20"


def found(ledger: PodLedger, name: str) -> PodEntry:
    entry = ledger.find(name)
    assert entry is not None
    return entry


def lost(ledger: PodLedger, entry: PodEntry) -> None:
    """The entry of a client that was killed before it had its answer."""
    ledger.set(entry.name, state="intended", pod_id="", spans=(), rented_s=None, ready_s=None)


@pytest.mark.parametrize("state", ["intended", "rented"])
def test_a_computer_whose_clock_was_set_back_still_ends_what_nobody_waits_for(
    rent: Rent,
    releaser: Releaser,
    ledger: PodLedger,
    fake: FakeRunPod,
    monkeypatch: pytest.MonkeyPatch,
    state: str,
) -> None:
    pod = rent("qa-1")
    lost(ledger, pod.entry)
    if state == "rented":
        ledger.set(pod.name, state="rented", pod_id=pod.entry.pod_id)
    now = time.time()
    monkeypatch.setattr("millhand.runs.pod_ledger.time.time", lambda: now - 24 * HOUR_S)
    assert reap(releaser) == []  # it was asked for a moment ago, whatever this computer's clock says
    fake.clock.advance(0.5 * HOUR_S)
    assert [(r.pod, r.action) for r in reap(releaser)] == [(pod.name, "terminated")]
    assert not fake.pods


def test_a_computer_whose_clock_was_set_forward_does_not_end_what_is_waited_for(
    rent: Rent, releaser: Releaser, ledger: PodLedger, fake: FakeRunPod, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost(ledger, rent("qa-1").entry)
    now = time.time()
    monkeypatch.setattr("millhand.runs.pod_ledger.time.time", lambda: now + 24 * HOUR_S)
    assert (reap(releaser), len(fake.pods)) == ([], 1)


def test_a_lease_that_is_over_ends_an_intended_pod_as_well(
    rent: Rent, releaser: Releaser, ledger: PodLedger, fake: FakeRunPod
) -> None:
    pod = rent("qa-1")
    lost(ledger, pod.entry)
    fake.clock.advance(30 * HOUR_S)
    assert [(r.pod, r.why) for r in reap(releaser)] == [(pod.name, "its lease is over")]


@pytest.mark.parametrize("lease", ["hours: 1, spend_usd: 9", "hours: 9, spend_usd: 0.445"])
def test_the_pods_keeper_comes_first(rent: Rent, releaser: Releaser, fake: FakeRunPod, lease: str) -> None:
    pod = rent("qa-1", lease=f"lease: {{{lease}, idle_minutes: 20}}")
    fake.clock.advance((pod.entry.asked_s or 0.0) + HOUR_S + 60 - fake.clock.now())
    assert (reap(releaser), len(fake.pods)) == ([], 1)
    fake.clock.advance(120)
    assert [r.pod for r in reap(releaser)] == [pod.name]


def test_a_dry_run_ends_nothing_and_changes_no_verdict(
    rent: Rent, releaser: Releaser, ledger: PodLedger, fake: FakeRunPod
) -> None:
    pod = rent("qa-1")
    lost(ledger, pod.entry)
    twin = fake.plant(pod.name)
    fake.clock.advance(HOUR_S)
    now, ledger_touched = time.time(), found(ledger, pod.name).touched_s
    ledger.change(pod.name, lambda entry: _touched(entry, now - HOUR_S), touch=False)
    assert ledger_touched <= now
    for _ in range(2):
        assert "due" in {r.action for r in reap(releaser, dry=True)}
        assert [row.pod for row in standing(releaser)] == [pod.name]
        assert set(fake.pods) == {pod.entry.pod_id, twin.id}
    reap(releaser)
    assert not fake.pods


def _touched(entry: PodEntry, at_s: float) -> PodEntry:
    import msgspec

    return msgspec.structs.replace(entry, touched_s=at_s)


def test_releasing_and_renting_end_a_twin_of_a_lost_answer(
    rent: Rent, releaser: Releaser, ledger: PodLedger, fake: FakeRunPod
) -> None:
    pod = rent("qa-1")
    lost(ledger, pod.entry)
    fake.plant(pod.name)
    assert rent("qa-1").name == pod.name
    assert len(fake.pods) == 1
    lost(ledger, pod.entry)
    fake.plant(pod.name)
    assert releaser.release(found(ledger, pod.name)).action == "terminated"
    assert not fake.pods


def test_a_pod_that_cannot_be_ended_keeps_no_other_from_it(
    rent: Rent, releaser: Releaser, ledger: PodLedger, fake: FakeRunPod
) -> None:
    first, second = rent("qa-1"), rent("qa-2")
    stuck = fake.plant(first.name)
    twin = fake.plant(second.name)
    fake.fault("DELETE", f"/pods/{stuck.id}", status=409, detail="belongs to a cluster", times=99)
    assert [(r.pod, r.action, r.left) for r in reap(releaser)] == [
        (first.name, "failed", True),
        (second.name, "terminated", False),
    ]
    assert set(fake.pods) == {first.entry.pod_id, second.entry.pod_id, stuck.id}
    assert twin.gone


def test_an_account_that_cannot_be_listed_does_not_cost_the_report(
    rent: Rent, releaser: Releaser, ledger: PodLedger, fake: FakeRunPod
) -> None:
    pod = rent("qa-1")
    ledger.set(pod.name, state="ending")
    fake.fault("GET", "/pods", status=403, detail="no")
    assert [(r.pod, r.action) for r in reap(releaser)] == [(pod.name, "terminated"), ("", "failed")]


def test_one_answer_that_a_pod_is_not_there_is_not_believed(
    rent: Rent, releaser: Releaser, ledger: PodLedger, fake: FakeRunPod
) -> None:
    pod = rent("qa-1", volume=PERSISTENT)
    fake.fault("GET", f"/pods/{pod.entry.pod_id}", status=404)
    assert [row.status for row in standing(releaser)] == ["RUNNING"]
    assert (found(ledger, pod.name).state, reap(releaser), len(fake.pods)) == ("ready", [], 1)


@pytest.mark.parametrize("stopped", [False, True])
def test_a_pod_that_was_held_to_be_gone_is_the_ledgers_again_with_what_lies_on_it(
    rent: Rent, releaser: Releaser, ledger: PodLedger, fake: FakeRunPod, stopped: bool
) -> None:
    pod = rent("qa-1", volume=PERSISTENT)
    fake.clock.advance(HOUR_S)
    fake.fault("GET", f"/pods/{pod.entry.pod_id}", status=404, times=2)
    assert standing(releaser) == []
    assert found(ledger, pod.name).state == "ended"
    if stopped:
        fake.stop(fake.pods[pod.entry.pod_id])
    fake.clock.advance(HOUR_S)
    assert [(r.action, r.pod) for r in reap(releaser, dry=True)] == [("back", pod.name)]
    assert [(r.action, r.pod) for r in reap(releaser)] == [("back", pod.name)]
    entry = found(ledger, pod.name)
    assert (entry.state, entry.why, list(fake.pods)) == (
        "stopped" if stopped else "ready",
        "",
        [entry.pod_id],
    )
    hours = 1.0 if stopped else 2.0
    assert spent_usd(entry, fake.clock.now()) == pytest.approx(hours * entry.hourly_usd, rel=0.05)
    assert reap(releaser) == []
    fake.clock.advance(9 * HOUR_S)
    assert [r.action for r in reap(releaser)] == ([] if stopped else ["stopped"])


@pytest.mark.parametrize("again", ["reap", "rent"])
def test_a_pod_that_an_earlier_version_held_to_be_gone_is_not_ended_for_it(
    rent: Rent, releaser: Releaser, ledger: PodLedger, fake: FakeRunPod, again: str
) -> None:
    pod = rent("qa-1", volume=PERSISTENT)
    ledger.ended(pod.name, fake.clock.now(), "it was gone")  # which it wrote without `vanished`
    if again == "rent":
        assert rent("qa-1", volume=PERSISTENT).name == pod.name
    else:
        assert [(r.action, r.pod) for r in reap(releaser)] == [("back", pod.name)]
    assert (found(ledger, pod.name).state, list(fake.pods)) == ("ready", [pod.entry.pod_id])


def test_no_second_pod_is_rented_beside_one_that_came_back(
    rent: Rent, releaser: Releaser, ledger: PodLedger, fake: FakeRunPod
) -> None:
    pod = rent("qa-1", volume=PERSISTENT)
    fake.fault("GET", f"/pods/{pod.entry.pod_id}", status=404, times=2)
    assert standing(releaser) == []
    assert rent("qa-1", volume=PERSISTENT).name == pod.name
    assert (len(fake.created()), found(ledger, pod.name).state) == (1, "ready")
    fake.terminate(fake.pods[pod.entry.pod_id])
    assert rent("qa-1", volume=PERSISTENT).name != pod.name


def test_a_pod_that_was_ended_and_is_there_all_the_same_is_ended_again(
    rent: Rent, releaser: Releaser, ledger: PodLedger, fake: FakeRunPod
) -> None:
    pod = rent("qa-1", volume=PERSISTENT)
    fake.fault("DELETE", "/pods/.*", how="answer", status=404)
    fake.fault("GET", f"/pods/{pod.entry.pod_id}", status=404, when=_second())
    releaser.release(pod.entry, lose=True)
    assert len(fake.pods) == 1
    assert [r.action for r in reap(releaser)] == ["terminated"]
    assert not fake.pods


@pytest.mark.parametrize("why", ["it was released", "its host never came up"])
def test_a_pod_that_is_to_be_ended_is_so_when_it_was_not_known_for_a_while(
    rent: Rent, releaser: Releaser, ledger: PodLedger, fake: FakeRunPod, why: str
) -> None:
    pod = rent("qa-1", volume=PERSISTENT)
    ledger.set(pod.name, state="ending", why=why)
    fake.fault("GET", f"/pods/{pod.entry.pod_id}", status=404, times=2)
    assert standing(releaser) == []
    entry = found(ledger, pod.name)
    assert (entry.state, entry.vanished, entry.why) == ("ended", False, why)
    assert rent("qa-1", volume=PERSISTENT).name != pod.name
    assert [(r.action, r.pod) for r in reap(releaser)] == [("terminated", pod.name)]
    assert pod.entry.pod_id not in fake.pods


def test_a_look_that_comes_late_makes_no_ended_pod_a_vanished_one(
    rent: Rent, ledger: PodLedger, fake: FakeRunPod
) -> None:
    pod = rent("qa-1")
    assert not ledger.ended(pod.name, fake.clock.now(), "it was released").vanished
    assert not ledger.ended(pod.name, fake.clock.now(), "it was gone", vanished=True).vanished
    other = rent("qa-2")
    for _ in range(2):
        assert ledger.ended(other.name, fake.clock.now(), "it was gone", vanished=True).vanished


@pytest.mark.parametrize("state", ["rented", "stopped"])
def test_what_another_command_has_taken_since_the_ledger_was_read_is_left_alone(
    rent: Rent, releaser: Releaser, ledger: PodLedger, fake: FakeRunPod, state: str
) -> None:
    pod = rent("qa-1", volume=PERSISTENT)
    if state == "stopped":
        releaser.release(pod.entry, stop=True)
    else:
        ledger.set(pod.name, state="rented", ready_s=None)
    fake.clock.advance((9.0 if state == "stopped" else 1.0) * HOUR_S)
    hour_ago = time.time() - HOUR_S
    ledger.change(pod.name, lambda entry: _touched(entry, hour_ago), touch=False)
    stale = found(ledger, pod.name)
    rent("qa-1", volume=PERSISTENT)
    assert settle(releaser, stale) is None
    assert (found(ledger, pod.name).state, list(fake.pods)) == ("ready", [pod.entry.pod_id])


def test_what_another_command_has_ended_since_the_ledger_was_read_is_gone(
    rent: Rent, releaser: Releaser, ledger: PodLedger, fake: FakeRunPod
) -> None:
    pod = rent("qa-1")
    ledger.ended(pod.name, fake.clock.now(), "it was released")
    told = settle(releaser, pod.entry)
    assert (told and told.action, found(ledger, pod.name).why) == ("gone", "it was released")


def test_a_stopped_pod_that_a_client_is_starting_is_not_stopped_under_it(
    rent: Rent, releaser: Releaser, ledger: PodLedger, fake: FakeRunPod
) -> None:
    pod = rent("qa-1", volume=PERSISTENT)
    releaser.release(pod.entry, stop=True)
    fake.clock.advance(9 * HOUR_S)
    ledger.set(pod.name)  # as a client does before it starts it
    fake.start(fake.pods[pod.entry.pod_id])
    assert reap(releaser) == []
    hour_ago = time.time() - HOUR_S
    ledger.change(pod.name, lambda entry: _touched(entry, hour_ago), touch=False)
    assert [(r.action, r.why) for r in reap(releaser)] == [("stopped", "its lease is over")]


def _second() -> object:
    """Strikes from the second request on."""
    seen: list[object] = []
    return lambda body: seen.append(body) or len(seen) > 1


def test_a_pod_that_is_to_be_ended_stays_so_when_it_is_found_stopped(
    rent: Rent, releaser: Releaser, ledger: PodLedger, fake: FakeRunPod
) -> None:
    pod = rent("qa-1", volume=PERSISTENT)
    fake.stop(fake.pods[pod.entry.pod_id])
    fake.fault("DELETE", "/pods/.*", status=500, times=99)
    with pytest.raises(Exception, match="500"):
        releaser.release(pod.entry, lose=True)
    standing(releaser)
    assert found(ledger, pod.name).state == "ending"
    fake.faults.clear()
    assert [r.action for r in reap(releaser)] == ["terminated"]


def stopped_by_its_lease(fake: FakeRunPod, pod: FakePod, after_h: float, noticed_h: float) -> None:
    fake.clock.advance(after_h * HOUR_S)
    fake.stop(pod)
    fake.clock.advance((noticed_h - after_h) * HOUR_S)


@pytest.mark.parametrize("lease", ["hours: 8, spend_usd: 5", "hours: 99, spend_usd: 3.52"])
def test_a_pod_that_its_lease_stopped_costs_no_more_than_its_lease_and_may_go_on(
    rent: Rent, releaser: Releaser, ledger: PodLedger, fake: FakeRunPod, lease: str
) -> None:
    wish = {"volume": PERSISTENT, "lease": f"lease: {{{lease}, idle_minutes: 20}}"}
    pod = rent("qa-1", **wish)
    fake.balance_usd = 1e6
    stopped_by_its_lease(fake, fake.pods[pod.entry.pod_id], 8, 100)
    assert [row.status for row in standing(releaser)] == ["EXITED"]
    entry = found(ledger, pod.name)
    assert spent_usd(entry, fake.clock.now()) == pytest.approx(8 * entry.hourly_usd, rel=0.02)
    rent("qa-1", **wish)  # its keeper waits for a new lease, which the next thing that connects gives
    assert reap(releaser) == []
    fake.clock.advance(0.4 * HOUR_S)
    assert [r.action for r in reap(releaser)] == ["stopped"]


def test_the_keepers_count_shortens_what_the_ledger_saw_and_never_lengthens_it(
    rent: Rent, ledger: PodLedger, releaser: Releaser, fake: FakeRunPod
) -> None:
    pod = rent("qa-1", volume=PERSISTENT)
    stopped_by_its_lease(fake, fake.pods[pod.entry.pod_id], 2, 100)  # idle, long before its deadline
    again = rent("qa-1", volume=PERSISTENT).entry
    ran_usd = 2 * again.hourly_usd
    for usd in (ran_usd, 2 * ran_usd):
        entry = ledger.spent(pod.name, usd)
        assert spent_usd(entry, entry.begun_s) == pytest.approx(ran_usd)
    assert len(entry.spans) == 2
    assert spent_usd(ledger.spent(pod.name, 0.0), entry.begun_s) == 0.0


def test_a_hurried_account_gives_up_in_time(fake: FakeRunPod, account: RunPod, url: str) -> None:
    fake.plant("mine")
    patient = RunPod(url, Secret(fake.key), Waits(fake.clock.advance, fake.clock.now))
    began = fake.clock.now()
    fake.outage(600)
    with pytest.raises(Exception, match="longer than 20 s"):
        patient.hurried(20).pods()
    assert fake.clock.now() - began <= 20
    fake.outage_until_s = 0.0
    assert [pod.name for pod in patient.hurried(20).pods()] == ["mine"]
