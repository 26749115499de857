"""Renting: the order of candidates, every fault on the way, and never two pods."""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from millhand.pods.lease import Terms
from millhand.pods.podfile import RunPodSpec
from millhand.pods.runpod import errors
from millhand.pods.runpod.candidates import Candidate
from millhand.pods.runpod.client import RunPod
from millhand.pods.runpod.models import PodState
from millhand.pods.runpod.prospect import Prospect, prospect
from millhand.pods.runpod.rent import NothingToRentError, Renter
from millhand.pods.runpod.request import create_body
from millhand.pods.runpod.volumes import make_volume
from tests.runpod_fake import FakeRunPod, NullMachines
from tests.unit.pods.runpod.wishes import spec


@dataclass
class Notes:
    """A book that keeps its lines; ``at`` says what the account had when each was written."""

    fake: FakeRunPod
    lines: list[tuple[str, str]] = field(default_factory=list)
    terms: dict[str, Terms] = field(default_factory=dict)
    asked: list[int] = field(default_factory=list)

    def intend(self, name: str, candidate: Candidate, terms: Terms) -> None:
        self.lines.append(("intended", name))
        self.asked.append(len(self.fake.created()))
        self.terms[name] = terms

    def rented(self, name: str, pod: PodState) -> None:
        self.lines.append(("rented", name))

    def refused(self, name: str, why: str) -> None:
        self.lines.append(("refused", name))

    def ending(self, name: str, why: str) -> None:
        self.lines.append(("ending", name))

    def ended(self, name: str) -> None:
        self.lines.append(("ended", name))

    @property
    def states(self) -> list[str]:
        return [state for state, _ in self.lines]


@pytest.fixture
def notes(fake: FakeRunPod) -> Notes:
    return Notes(fake)


def rent(account: RunPod, notes: Notes, wish: RunPodSpec | None = None) -> tuple[str, PodState]:
    wish = wish or spec()
    renter = Renter(account, wish, notes, "qa", "ssh-ed25519 AAAA", [].append)
    return renter.rent(prospect(account, wish).candidates)


def places(plan: Prospect) -> list[tuple[str, str, str | None]]:
    return [(c.gpu.rpartition(" ")[2], c.cloud, c.data_center) for c in plan.candidates]


def test_candidates_are_the_pod_files_order_then_stock_and_what_is_not_free_is_left_out(
    account: RunPod,
) -> None:
    plan = prospect(account, spec())
    assert places(plan) == [
        ("L4", "SECURE", "US-KS-2"),
        ("L4", "SECURE", "EU-RO-1"),
        ("4090", "SECURE", "US-KS-2"),
        ("4090", "SECURE", "EU-RO-1"),
        ("4090", "COMMUNITY", "US-KS-2"),
    ]
    assert plan.passed_over == ("NVIDIA L4, community: not on offer in this cloud",)
    assert plan.candidates[0].usd_per_hour == pytest.approx(0.44 + 40 * 0.10 / 730)
    assert plan.most_usd == 5.0


@pytest.mark.parametrize(
    ("changes", "passed_over"),
    [
        ({"max_usd_per_hour": 0.3}, "above max_usd_per_hour 0.30"),
        ({"gpus": ["NVIDIA L5"]}, "no GPU of this id"),
        ({"gpus": ["NVIDIA A100 80GB PCIe"], "max_usd_per_hour": 9}, "none is free"),
        ({"count": 9, "max_usd_per_hour": 99}, "at most 8"),
        ({"data_centers": ["AP-JP-1"], "clouds": ["secure"]}, "nothing is free in the data centres"),
    ],
)
def test_what_is_passed_over_is_told_with_its_reason(
    account: RunPod, notes: Notes, changes: dict[str, Any], passed_over: str
) -> None:
    plan = prospect(account, spec(**changes))
    assert plan.candidates == ()
    assert passed_over in "\n".join(plan.passed_over)
    with pytest.raises(NothingToRentError, match="Nothing of what the pod file allows"):
        rent(account, notes, spec(**changes))


def test_data_centres_of_the_pod_file_come_in_its_order(account: RunPod) -> None:
    plan = prospect(account, spec(gpus=["NVIDIA L4"], data_centers=["EU-RO-1", "US-KS-2"]))
    assert [c.data_center for c in plan.candidates] == ["EU-RO-1", "US-KS-2"]


def test_a_volume_decides_the_place_and_is_mounted(fake: FakeRunPod, account: RunPod, notes: Notes) -> None:
    wish = spec(allow_loss=False, volume={"name": "mine", "size_gb": 50, "path": "/data"})
    there = fake.add_volume("mine", 200, "EU-RO-1")
    fake.add_volume("other", 200, "US-KS-2")
    plan = prospect(account, wish)
    assert {c.data_center for c in plan.candidates} == {"EU-RO-1"}
    assert (plan.to_make, plan.monthly_usd) == (False, pytest.approx(14.0))
    rent(account, notes, wish)
    body = fake.created()[-1]
    assert body["mounts"] == {"network": [{"volumeId": there["id"], "path": "/data"}]}
    assert body["dataCenterIds"] == ["EU-RO-1"]
    assert notes.terms[body["name"]].storage == "network"


def test_a_missing_volume_is_made_where_the_best_candidate_is_even_if_the_answer_is_lost(
    fake: FakeRunPod, account: RunPod
) -> None:
    wish = spec(allow_loss=False, volume={"name": "mine", "size_gb": 50})
    plan = prospect(account, wish)
    assert (plan.to_make, plan.monthly_usd) == (True, pytest.approx(3.5))
    assert wish.volume is not None
    fake.fault("POST", "/network-volumes", status=400, detail="full")
    fake.fault("POST", "/network-volumes", how="cut-after")
    made = make_volume(account, wish.volume, plan.candidates, [].append)
    assert (made.data_center, [v["id"] for v in fake.volumes]) == ("EU-RO-1", [made.id])
    with pytest.raises(ValueError, match="without its volume"):
        create_body(wish, plan.candidates[0], name="n", public_key="k", terms=Terms(hours=1))


def test_the_request_is_whole_and_holds_no_secret(fake: FakeRunPod, account: RunPod, notes: Notes) -> None:
    name, pod = rent(account, notes, spec(min_cuda="12.8", persistent_gb=20, allow_loss=False))
    body = fake.created()[0]
    assert body["gpu"] == {"id": "NVIDIA L4", "count": 1, "minCudaVersion": "12.8"}
    assert (body["ports"], body["cloud"]) == (["22/tcp"], "SECURE")
    assert body["mounts"] == {"persistent": {"size": 20, "path": "/workspace"}}
    assert body["env"]["PUBLIC_KEY"] == "ssh-ed25519 AAAA"
    assert fake.key not in str(body)
    terms = msgspec.json.decode(body["env"]["MILLHAND_LEASE"], type=Terms)
    assert terms == notes.terms[name]
    assert (terms.end_action, terms.storage, terms.spend_usd) == ("stop", "persistent", 5.0)
    assert terms.deadline_epoch_s is not None
    assert abs(terms.deadline_epoch_s - (fake.pods[pod.id].created_s + 8 * 3600)) < 5
    assert pod.direct is not None
    assert name.startswith("millhand-qa-")


def test_the_containers_command_starts_the_keeper_whoever_splits_it(
    fake: FakeRunPod, account: RunPod, notes: Notes, tmp_path: Path
) -> None:
    rent(account, notes)
    body = fake.created()[0]
    argv = shlex.split(body["args"])
    assert argv == ["bash", "-c", 'eval "$MILLHAND_START"']
    # the real program, with a `sleep` that ends at once: it has no pod's id, and says so
    (tmp_path / "sleep").write_text("#!/bin/sh\n/bin/sleep 0.2\n")
    (tmp_path / "sleep").chmod(0o755)
    start = body["env"]["MILLHAND_START"].replace("sleep 5", "exit")
    env = {**body["env"], "MILLHAND_START": start, "PATH": f"{tmp_path}:/usr/local/bin:/usr/bin:/bin"}
    ran = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=60)
    assert "RUNPOD_POD_ID is not a pod's id" in ran.stderr


def test_no_capacity_and_no_access_lead_to_the_next_candidate(
    fake: FakeRunPod, account: RunPod, notes: Notes
) -> None:
    fake.no_capacity.add(("NVIDIA L4", "SECURE", "US-KS-2"))
    fake.forbidden.add(("NVIDIA L4", "SECURE", "EU-RO-1"))
    _, pod = rent(account, notes)
    assert pod.gpu is not None
    assert (pod.gpu.id, pod.data_center_id) == ("NVIDIA GeForce RTX 4090", "US-KS-2")
    assert notes.states == ["intended", "refused", "intended", "refused", "intended", "rented"]
    assert notes.asked == [0, 1, 2]  # each is written down before it is asked for


def test_where_nothing_is_free_every_reason_is_told(fake: FakeRunPod, account: RunPod, notes: Notes) -> None:
    fake.fault("POST", "/pods", status=400, detail="no instances", times=99)
    with pytest.raises(NothingToRentError) as caught:
        rent(account, notes)
    assert str(caught.value).count("no instances") == 5
    assert not fake.pods


def test_a_key_that_may_rent_nothing_is_told_so_with_its_own_mend(
    fake: FakeRunPod, account: RunPod, notes: Notes
) -> None:
    fake.fault("POST", "/pods", status=403, detail="access denied", times=99)
    with pytest.raises(errors.NotAllowedError) as caught:
        rent(account, notes)
    assert caught.value.message.count("access denied") == 5
    assert caught.value.mend.startswith("Give the key read and write access to pods")
    fake.faults.clear()
    fake.no_capacity.add(("NVIDIA L4", "SECURE", "US-KS-2"))
    fake.fault("POST", "/pods", status=403, times=99, when=lambda body: body["dataCenterIds"] != ["US-KS-2"])
    fake.fault("POST", "/pods", status=400, times=99)
    with pytest.raises(NothingToRentError, match="400"):
        rent(account, notes)


def test_a_key_that_may_make_no_volume_is_told_so(fake: FakeRunPod, account: RunPod) -> None:
    wish = spec(allow_loss=False, volume={"name": "mine", "size_gb": 50})
    assert wish.volume is not None
    fake.fault("POST", "/network-volumes", status=403, times=99)
    with pytest.raises(errors.NotAllowedError) as caught:
        make_volume(account, wish.volume, prospect(account, wish).candidates, [].append)
    assert "network volumes" in caught.value.mend


@pytest.mark.parametrize("status", [409, 500])
def test_a_host_that_does_not_work_and_cannot_be_given_back_is_told_as_billed(
    fake: FakeRunPod, account: RunPod, notes: Notes, status: int
) -> None:
    fake.fates["US-KS-2"] = "old-driver"
    fake.fault("DELETE", "/pods/.*", status=status, times=99)
    with pytest.raises(errors.ApiError, match="is billed, and could not be ended") as caught:
        rent(account, notes)
    assert f"`millhand down {notes.lines[-1][1]}`" in caught.value.mend
    assert (notes.states, len(fake.created())) == (["intended", "rented", "ending"], 1)


@pytest.mark.parametrize(
    ("status", "kind"), [(402, errors.NoBalanceError), (422, errors.InvalidRequestError)]
)
def test_an_empty_balance_or_a_wrong_body_stops_at_once(
    fake: FakeRunPod, account: RunPod, notes: Notes, status: int, kind: type[Exception]
) -> None:
    fake.fault("POST", "/pods", status=status)
    with pytest.raises(kind):
        rent(account, notes)
    assert (len(fake.created()), notes.states) == (1, ["intended", "refused"])


def test_an_empty_balance_says_what_to_do(fake: FakeRunPod, account: RunPod, notes: Notes) -> None:
    fake.balance_usd = 0.1
    with pytest.raises(errors.NoBalanceError, match="an hour of credit"):
        rent(account, notes)


@pytest.mark.parametrize("how", ["cut-after", "answer-after"])
def test_a_lost_answer_is_found_by_the_name_and_nothing_is_asked_twice(
    fake: FakeRunPod, account: RunPod, notes: Notes, how: Any
) -> None:
    stranger = fake.plant("millhand-qa-0000000")
    fake.fault("POST", "/pods", how=how)
    name, pod = rent(account, notes)
    assert (pod.name, len(fake.created())) == (name, 1)
    assert set(fake.pods) == {stranger.id, pod.id}


@pytest.mark.parametrize("how", [{"how": "cut"}, {"status": 502}])
def test_a_request_that_never_came_is_asked_again_under_the_same_name(
    fake: FakeRunPod, account: RunPod, notes: Notes, how: dict[str, Any]
) -> None:
    fake.fault("POST", "/pods", **how, times=3)
    name, _ = rent(account, notes)
    assert ([body["name"] for body in fake.created()], len(fake.pods)) == ([name] * 4, 1)
    assert notes.states == ["intended", "rented"]


def test_a_request_that_takes_effect_late_leaves_one_pod(
    fake: FakeRunPod, account: RunPod, notes: Notes
) -> None:
    fake.fault("POST", "/pods", how="cut")

    def late(method: str, path: str) -> None:
        if method == "POST" and len(fake.created()) == 2:  # while the second is asked, the first comes to be
            fake.plant(fake.created()[0]["name"])

    fake.on_request = late
    name, _ = rent(account, notes)
    assert [p.name for p in fake.pods.values()] == [name]


def test_when_the_api_stays_away_the_pod_stays_written_down(
    fake: FakeRunPod, account: RunPod, notes: Notes
) -> None:
    fake.fault("POST", "/pods", how="cut", times=99)
    with pytest.raises(errors.OutcomeUnknownError, match="did not answer"):
        rent(account, notes)
    assert notes.states == ["intended"]


@pytest.mark.parametrize("fate", ["old-driver", "stuck", "error"])
def test_a_host_that_never_works_is_ended_and_its_place_put_last(
    fake: FakeRunPod, account: RunPod, notes: Notes, fate: Any
) -> None:
    fake.fates["US-KS-2"] = fate
    began = fake.clock.now()
    _, pod = rent(account, notes)
    assert (pod.data_center_id, list(fake.pods)) == ("EU-RO-1", [pod.id])
    assert notes.states == ["intended", "rented", "ending", "ended", "intended", "rented"]
    assert fake.clock.now() - began < 480 + 120
    assert len({name for _, name in notes.lines}) == 2


def test_hosts_are_not_tried_for_ever(fake: FakeRunPod, account: RunPod, notes: Notes) -> None:
    fake.fates.update(dict.fromkeys(("US-KS-2", "EU-RO-1"), "old-driver"))
    with pytest.raises(NothingToRentError, match="reports nothing yet"):
        rent(account, notes)
    assert (len(fake.created()), len(fake.pods)) == (3, 0)


def test_a_pod_that_is_billed_above_the_limit_is_ended(
    fake: FakeRunPod, account: RunPod, notes: Notes
) -> None:
    fake.price_factor = 2.5
    with pytest.raises(NothingToRentError, match=r"above max_usd_per_hour 0\.80"):
        rent(account, notes)
    assert not fake.pods


def test_a_pod_that_vanishes_while_it_comes_up_is_given_up(
    fake: FakeRunPod, account: RunPod, notes: Notes
) -> None:
    seen: list[str] = []

    def vanish(method: str, path: str) -> None:
        if method == "GET" and path.count("/") == 2 and path.startswith("/pods/") and not seen:
            seen.append(path)
            fake.terminate(next(iter(fake.pods.values())))

    fake.on_request = vanish
    _, pod = rent(account, notes)
    assert list(fake.pods) == [pod.id]
    assert "ended" in notes.states


def test_nothing_is_booted_for_a_host_that_does_not_work(
    fake: FakeRunPod, account: RunPod, notes: Notes
) -> None:
    fake.fates["US-KS-2"] = "old-driver"
    _, pod = rent(account, notes)
    assert isinstance(fake.machines, NullMachines)
    assert fake.machines.booted == [pod.id]
