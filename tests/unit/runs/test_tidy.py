"""What commands end in passing: pods of the ledger that are over; quietly, soon, and never in the way."""

from __future__ import annotations

import time

import msgspec
import pytest

from millhand.pods.runpod.client import RunPod
from millhand.runs.pod_ledger import PodEntry, PodLedger
from millhand.runs.reap import reap
from millhand.runs.release import Releaser
from millhand.runs.tidy import WITHIN_S, tidy
from millhand.shell import Secret
from tests.runpod_fake import FakeRunPod
from tests.runpod_fake.fixtures import Rent, account, fake, ledger, pod_file, releaser, rent, url, waits

__all__ = ["account", "fake", "ledger", "pod_file", "releaser", "rent", "url"]


@pytest.fixture
def told(releaser: Releaser) -> list[str]:
    lines: list[str] = []
    object.__setattr__(releaser, "say", lines.append)
    return lines


def abandoned(ledger: PodLedger, fake: FakeRunPod, entry: PodEntry) -> None:
    """As its client left it that was killed while it waited for the host; an hour ago."""
    fake.clock.advance(3600)
    hour_ago = time.time() - 3600
    change = {"state": "rented", "ready_s": None, "touched_s": hour_ago}
    ledger.change(entry.name, lambda e: msgspec.structs.replace(e, **change), touch=False)


def test_a_host_that_never_started_is_ended_by_the_next_command(
    rent: Rent, releaser: Releaser, ledger: PodLedger, fake: FakeRunPod, told: list[str]
) -> None:
    pod, stranger = rent("qa-1"), fake.plant("millhand-qa-1-00000000")
    abandoned(ledger, fake, pod.entry)
    tidy(releaser, "qa-2", "pod:l4")
    assert list(fake.pods) == [stranger.id]
    assert told == [f"{pod.name} is terminated: nobody waits for it to come up any more."]


def test_whoever_goes_on_with_a_pod_waits_for_it_again(
    rent: Rent, releaser: Releaser, ledger: PodLedger, fake: FakeRunPod, told: list[str]
) -> None:
    pod = rent("qa-1")
    abandoned(ledger, fake, pod.entry)
    tidy(releaser, "qa-1", "pod:l4")
    assert (len(fake.pods), told) == (1, [])
    assert rent("qa-1").name == pod.name


@pytest.mark.parametrize(
    ("fields", "hours", "why"),
    [
        ({"state": "ending"}, 0.0, "its release was begun"),
        ({}, 9.0, "its lease is over"),
        ({}, 0.5, ""),
    ],
)
def test_what_is_over_is_ended_and_nothing_else(
    rent: Rent,
    releaser: Releaser,
    ledger: PodLedger,
    fake: FakeRunPod,
    told: list[str],
    fields: dict[str, object],
    hours: float,
    why: str,
) -> None:
    pod = rent("qa-1")
    ledger.set(pod.name, **fields)
    fake.clock.advance(hours * 3600)
    tidy(releaser, "qa-1")
    assert (len(fake.pods), told) == ((0, [f"{pod.name} is terminated: {why}."]) if why else (1, []))


def test_a_pod_that_has_cost_its_limit_by_the_ledger_is_left_to_its_keeper_and_to_reap(
    rent: Rent, releaser: Releaser, fake: FakeRunPod, told: list[str]
) -> None:
    pod = rent("qa-1", lease="lease: {hours: 99, spend_usd: 1, idle_minutes: 20}")
    fake.clock.advance(2.5 * 3600)
    tidy(releaser, "qa-1")
    assert (told, list(fake.pods)) == ([], [pod.entry.pod_id])
    assert [r.action for r in reap(releaser)] == ["terminated"]


def test_where_nothing_is_due_one_request_is_made_and_without_pods_none(
    rent: Rent, releaser: Releaser, fake: FakeRunPod
) -> None:
    tidy(releaser)
    assert fake.requests == []
    rent("qa-1", volume="persistent_gb: 20")
    rent("qa-2", volume="persistent_gb: 20")
    fake.requests.clear()
    tidy(releaser)
    assert len(fake.requests) <= 1


def test_a_stopped_pod_is_left_and_not_asked_about(
    rent: Rent, releaser: Releaser, fake: FakeRunPod, told: list[str]
) -> None:
    pod = rent("qa-1", volume="persistent_gb: 20")
    releaser.release(pod.entry, stop=True)
    fake.clock.advance(9 * 3600)
    fake.requests.clear()
    tidy(releaser)
    assert (told, len(fake.requests) <= 1) == ([], True)


def test_an_api_that_is_away_holds_no_command_up_for_long(
    rent: Rent, releaser: Releaser, ledger: PodLedger, fake: FakeRunPod, told: list[str]
) -> None:
    first, second = rent("qa-1"), rent("qa-2")
    for pod in (first, second):
        ledger.set(pod.name, state="ending")
    began = fake.clock.now()
    fake.fault("DELETE", "/pods/.*", status=500, times=99)
    tidy(releaser)
    assert fake.clock.now() - began <= WITHIN_S
    assert [line.partition(" ")[0] for line in told] == [first.name, second.name]
    assert all("may be billed on" in line and "`millhand reap`" in line for line in told)


def test_an_api_that_says_nothing_at_all_fails_no_command(
    rent: Rent, ledger: PodLedger, fake: FakeRunPod, url: str
) -> None:
    ledger.set(rent("qa-1").name, state="ending")
    told: list[str] = []
    fake.outage(600, "cut")
    began = fake.clock.now()
    tidy(Releaser(RunPod(url, Secret(fake.key), waits(fake)), ledger, told.append))
    assert (told, fake.clock.now() - began <= WITHIN_S) == ([], True)  # the command itself is about to say it


def test_when_the_time_is_over_the_rest_is_named_and_left(
    rent: Rent, releaser: Releaser, ledger: PodLedger, fake: FakeRunPod, told: list[str]
) -> None:
    first, second = rent("qa-1"), rent("qa-2")
    for pod in (first, second):
        ledger.set(pod.name, state="ending")
    fake.requests.clear()
    fake.on_request = lambda method, path: fake.clock.advance(WITHIN_S)
    tidy(releaser)
    assert told[-1].startswith(f"{second.name} should be over")
    assert not any(second.entry.pod_id in path for _, path, _ in fake.requests)
