"""``millhand down``: the pod that is meant and no other, and not under what runs on it."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result

from millhand.cli.up import down
from millhand.errors import MillhandError
from millhand.pods.base import Job, JobHandle
from millhand.pods.lease import LeaseState
from millhand.pods.local import LocalPod
from millhand.pods.runpod.client import RunPod
from millhand.runs import live
from millhand.runs.finished import open_ledger
from millhand.runs.ledger import Run
from millhand.runs.pod_ledger import PodEntry, PodLedger
from millhand.shell import Command
from millhand.workspace import Workspace
from tests.conftest import HELP_NAMES
from tests.runpod_fake import FakeRunPod
from tests.runpod_fake.fixtures import Rent, account, fake, ledger, pod_file, rent, url

__all__ = ["account", "fake", "ledger", "pod_file", "rent", "url"]
OWN_DISK = "persistent_gb: 20"
TRAINER = """
import json, pathlib, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
folder = pathlib.Path("outputs/qa")
folder.mkdir(parents=True, exist_ok=True)
row = {"current_steps": 4, "total_steps": 99, "loss": 1}
(folder / "trainer_log.jsonl").write_text(json.dumps(row) + "\\n")
time.sleep(60)
"""


class Rented(LocalPod):
    """This machine in the place of a rented one, or one that does not answer."""

    silent = False

    @property
    def ssh(self) -> Rented:
        return self

    def jobs(self) -> list[str]:
        if self.silent:
            raise MillhandError("It does not answer.")
        return super().jobs()

    def close(self) -> None:
        """Nothing to hang up."""


class Site:
    """A workspace with pods, one of which is this machine; ``lease`` is what its keeper says."""

    def __init__(self, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pod, self.lease = Rented(workspace.root), LeaseState()
        self.asked: list[str] = []
        self.ledger = open_ledger(workspace)
        self.ledger.add(Run("qa-1", "qa", "c", "f", "l4", "outputs/qa", 1.0, {"config": {}}))
        monkeypatch.setattr(live, "there", self._there)
        monkeypatch.setattr(live, "PodLease", lambda *_: SimpleNamespace(state=lambda: self.lease))

    def _there(self, _workspace: object, _file: object, entry: PodEntry, *_: object, **__: object) -> Rented:
        self.asked.append(entry.name)
        return self.pod

    def trains(self, job: str = "train-qa-1") -> JobHandle:
        """Have a job run, four steps of 99 done."""
        self.ledger.begin("qa-1", "train")
        handle = self.pod.start(Job(job, Command((sys.executable, "-c", TRAINER)), output="outputs/qa"))
        while handle.status().step != 4:
            time.sleep(0.02)
        return handle


@pytest.fixture
def site(workspace: Workspace, account: RunPod, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr("millhand.pods.runpod.client.open_account", lambda *_: account)
    made = Site(workspace, monkeypatch)
    yield made
    made.pod.silent = False
    for job in made.pod.jobs():
        made.pod.attach(job).stop(0)


def ask(*arguments: str, answer: str = "") -> Result:
    """``millhand down ARGUMENTS``; without an answer nobody is there."""
    return CliRunner().invoke(
        down, [*arguments], input=f"{answer}\n" if answer else "", help_option_names=HELP_NAMES
    )


def refusal(result: Result) -> str:
    assert isinstance(result.exception, MillhandError), result.output
    return str(result.exception)


def test_a_pod_on_which_nothing_runs_is_ended_by_its_pod_files_name(
    site: Site, rent: Rent, fake: FakeRunPod
) -> None:
    name = rent("").name
    result = ask("l4")
    assert (result.exit_code, result.stdout.startswith(f"{name} is terminated"), fake.pods) == (0, True, {})
    assert result.stderr == ""


def test_a_training_is_told_and_nothing_ends_where_nobody_answers(
    site: Site, rent: Rent, fake: FakeRunPod
) -> None:
    name, handle = rent("qa-1").name, site.trains()
    told = refusal(ask("l4"))
    assert f"Run qa-1 runs on {name}: step 4 of 99. Nothing was ended." in told
    assert "`--now` ends it all the same" in told
    assert (len(fake.pods), handle.status().alive) == (1, True)
    no = ask("l4", answer="n")
    assert (no.exit_code, "step 4 of 99" in no.stderr, len(fake.pods)) == (1, True, 1)
    assert handle.status().alive


@pytest.mark.parametrize(("options", "answer"), [((), "y"), (("--now",), "")])
def test_a_run_saves_before_its_pod_ends(
    site: Site, rent: Rent, fake: FakeRunPod, options: tuple[str, ...], answer: str
) -> None:
    rent("qa-1")
    handle = site.trains()
    result = ask("l4", *options, answer=answer)
    assert (result.exit_code, fake.pods) == (0, {}), result.output
    assert "Run qa-1 runs on" in result.stderr
    assert "Stopping qa-1: it saves after the current step." in result.stderr
    assert (handle.status().phase, handle.status().exit_code) == ("exited", 0)


def test_a_run_is_not_kept_waiting_for_what_would_be_lost_with_the_pod(
    site: Site, rent: Rent, fake: FakeRunPod
) -> None:
    rent("qa-1", volume=OWN_DISK)
    handle = site.trains()
    assert "would be lost" in ask("l4").stderr
    assert site.asked == []
    assert ask("l4", "--lose", "--now").exit_code == 0
    assert (fake.pods, handle.status().alive) == ({}, True)  # it ends with its machine


def test_a_run_saves_on_a_disk_that_is_kept(site: Site, rent: Rent, fake: FakeRunPod) -> None:
    rent("qa-1", volume=OWN_DISK)
    handle = site.trains()
    assert "is stopped" in ask("l4", "--stop", "--now").stdout
    assert not handle.status().alive
    assert [pod.stopped for pod in fake.pods.values()] == [True]


def test_a_job_of_another_pod_on_the_same_volume_keeps_no_pod(
    site: Site, rent: Rent, fake: FakeRunPod
) -> None:
    rent("")
    handle = site.trains()
    long_after = (handle.status().started_s or 0.0) + 3600
    site.lease = LeaseState(alive=True, active=("client",), now_s=long_after)
    assert (ask("l4").exit_code, fake.pods, handle.status().alive) == (0, {}, True)


def test_a_job_that_its_keeper_sees_or_has_not_seen_yet_is_told(site: Site, rent: Rent) -> None:
    rent("")
    started_s = site.trains().status().started_s or 0.0
    site.lease = LeaseState(alive=True, active=("job train-qa-1",), now_s=started_s + 3600)
    assert "Run qa-1 runs on" in refusal(ask("l4"))
    site.lease = LeaseState(alive=True, now_s=started_s + 1)
    assert "Run qa-1 runs on" in refusal(ask("l4"))


def test_a_training_by_hand_is_told_and_a_page_is_not(site: Site, rent: Rent, fake: FakeRunPod) -> None:
    rent("")
    site.trains("webui-7860")
    site.lease = LeaseState(alive=True, active=("llamafactory train", "GPU at 98 %"))
    assert "A training that was started by hand (llamafactory train) runs on" in refusal(ask())
    site.lease = LeaseState(alive=True, active=("GPU at 98 %",))
    assert (ask().exit_code, fake.pods) == (0, {})


def test_a_pod_that_does_not_answer_is_ended_unless_a_run_may_train_on_it(
    site: Site, rent: Rent, fake: FakeRunPod
) -> None:
    site.pod.silent = True
    fake.clock.advance(time.time() - fake.clock.now())
    rent("")
    site.ledger.begin("qa-1", "train")
    told = refusal(ask("l4"))
    assert "Run qa-1 may be running on" in told
    assert len(fake.pods) == 1
    site.ledger.finish("qa-1", "train", {})
    result = ask("l4")
    assert (result.exit_code, fake.pods) == (0, {})
    assert "could not be asked what runs on it: It does not answer." in result.stderr


def test_a_run_that_was_broken_off_before_a_pod_was_there_keeps_it_not(
    site: Site, rent: Rent, fake: FakeRunPod
) -> None:
    site.pod.silent = True
    site.ledger.begin("qa-1", "train")
    fake.clock.advance(time.time() - fake.clock.now() + 3600)
    rent("")
    assert (ask("l4").exit_code, fake.pods) == (0, {})


def test_of_several_one_must_be_named_in_full(site: Site, rent: Rent, fake: FakeRunPod) -> None:
    first, second, third = rent("").name, rent("qa-1").name, rent("qa-2").name
    for what in ((), ("l4",), ("runpod/l4.yaml",)):
        told = refusal(ask(*what))
        assert all(name in told for name in (first, second, third))
        assert "(run qa-2, $0.44 an hour)" in told
    assert f"`millhand down {first}`; or end them all: `millhand down l4 --all`" in refusal(ask("l4"))
    assert len(fake.pods) == 3
    assert ask("qa-2").exit_code == 0
    assert {pod.name for pod in fake.pods.values()} == {first, second}
    assert ask(second).exit_code == 0
    assert {pod.name for pod in fake.pods.values()} == {first}


def test_all_of_a_pod_file_are_no_others(
    workspace: Workspace, site: Site, rent: Rent, fake: FakeRunPod, ledger: PodLedger
) -> None:
    other = rent("qa-2").name
    ledger.set(other, pod_file="big")
    rent("")
    rent("qa-1")
    assert ask("l4", "--all").exit_code == 0
    assert {pod.name for pod in fake.pods.values()} == {other}


def test_one_that_ended_by_itself_is_no_choice(site: Site, rent: Rent, fake: FakeRunPod) -> None:
    gone, there = rent("").entry, rent("qa-1").name
    fake.terminate(fake.pods[gone.pod_id])
    result = ask("l4")
    assert (result.exit_code, fake.pods, there in result.stdout) == (0, {}, True)


def test_what_was_to_be_ended_is_ended_along(
    site: Site, rent: Rent, fake: FakeRunPod, ledger: PodLedger
) -> None:
    begun = rent("qa-2", volume=OWN_DISK).name
    ledger.set(begun, state="ending")
    ledger.set(rent("qa-1", volume=OWN_DISK).name, safe=True)
    assert (ask("l4").exit_code, fake.pods) == (0, {})


def test_where_all_are_to_end_none_does_while_one_trains(site: Site, rent: Rent, fake: FakeRunPod) -> None:
    rent("")
    rent("qa-1")
    site.trains()
    assert "Nothing was ended." in refusal(ask("--all"))
    assert len(fake.pods) == 2


def test_an_account_that_does_not_answer_for_one_pod_keeps_no_other(
    site: Site, rent: Rent, fake: FakeRunPod
) -> None:
    bad, good = rent("").entry, rent("qa-1").name
    fake.fault("GET", f"/pods/{bad.pod_id}", status=400, detail="no", times=99)
    result = ask("--all")
    assert (result.exit_code != 0, good in result.stdout) == (True, True)
    assert [pod.name for pod in fake.pods.values()] == [bad.name]
