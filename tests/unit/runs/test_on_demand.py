"""Which pod a command takes, and that none is rented for no run before somebody agreed to it."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any

import click
import pytest

from millhand.cli import push
from millhand.cli.agreeing import agree
from millhand.errors import PodLostError, StoppedError, UsageError
from millhand.pods.podfile import find_pod
from millhand.pods.runpod.client import RunPod
from millhand.pods.ssh.faults import UnreachableError
from millhand.runs import on_demand, rented_there
from millhand.runs.on_demand import PodOnDemand
from millhand.runs.pod_ledger import PodEntry, PodLedger
from millhand.runs.release import Releaser
from millhand.runs.renting import RentedPod, Renting
from millhand.workspace import Workspace
from tests.conftest import Millhand
from tests.runpod_fake import FakeRunPod
from tests.runpod_fake.fixtures import Rent, account, fake, ledger, pod_file, rent, url

__all__ = ["account", "fake", "ledger", "pod_file", "rent", "url"]


@dataclasses.dataclass
class Line:
    """A client's way to pods whose sshds nobody asks; ``asked`` holds what it was to agree to."""

    workspace: Workspace
    account: RunPod
    taken: list[str] = dataclasses.field(default_factory=list)
    asked: list[str] = dataclasses.field(default_factory=list)
    told: list[str] = dataclasses.field(default_factory=list)

    def agree(self, renting: Renting, stopped: PodEntry | None) -> None:
        self.asked.append("start" if stopped else "rent")

    def take(self, run: str = "", **options: object) -> PodOnDemand:
        """Have a command need its pod."""
        agreeing = {"agree": self.agree, **options}
        pod = PodOnDemand(
            self.workspace, find_pod(self.workspace, "l4"), self.account, self.told.append, **agreeing
        )
        if run:
            pod.claim(run)
        assert pod.ssh
        return pod


@pytest.fixture
def line(workspace: Workspace, account: RunPod, ledger: PodLedger, monkeypatch: pytest.MonkeyPatch) -> Line:
    made = Line(workspace, account)

    def arm(_workspace: Workspace, pod: RentedPod, **_: object) -> None:
        made.taken.append(pod.name)
        ledger.set(pod.name, armed=True)

    monkeypatch.setattr(on_demand, "arm", arm)
    monkeypatch.setattr(on_demand, "open_ssh_pod", lambda *_, **__: SimpleNamespace(close=lambda: None))
    monkeypatch.setattr(on_demand.atexit, "register", lambda _: None)
    return made


def test_what_needs_a_pod_for_no_run_takes_the_pod_of_a_run(
    line: Line, rent: Rent, ledger: PodLedger, fake: FakeRunPod
) -> None:
    line.take("qa-1")
    line.take()
    assert (line.taken[0], len(fake.pods), line.asked) == (line.taken[1], 1, [])
    assert any("rented for run qa-1: it ends with that run" in told for told in line.told)


def test_the_pod_that_was_put_up_comes_before_those_of_runs(line: Line, rent: Rent) -> None:
    line.take("qa-1")
    mine = rent("").name
    line.take()
    assert line.taken[-1] == mine


def test_of_several_runs_pods_the_newest_that_runs_is_taken(
    line: Line, rent: Rent, ledger: PodLedger, fake: FakeRunPod
) -> None:
    for run in ("qa-1", "qa-2", "qa-3", "qa-4"):
        line.take(run)
    first, second, third, fourth = line.taken
    entries = {entry.name: entry for entry in ledger.entries()}
    fake.stop(fake.pods[entries[fourth].pod_id])
    fake.terminate(fake.pods[entries[third].pod_id])
    line.take()
    assert (line.taken[-1], line.asked) == (second, [])
    ledger.set(first, key_mark="another key's")
    fake.terminate(fake.pods[entries[second].pod_id])
    fake.terminate(fake.pods[entries[first].pod_id])
    line.take()
    assert (line.asked, ledger.entries()[-1].owner) == (["rent"], "pod:l4")


@pytest.mark.parametrize("stopped", [False, True])
def test_what_only_looks_takes_the_pod_that_work_for_no_run_takes(
    line: Line, rent: Rent, ledger: PodLedger, monkeypatch: pytest.MonkeyPatch, stopped: bool
) -> None:
    looked: list[str] = []
    monkeypatch.setattr(rented_there, "there", lambda _w, _p, entry, _s: looked.append(entry.name))
    line.take("qa-1")
    line.take("qa-2")
    mine = rent("").name
    rent("qa-3")  # the newest, and nobody has seen its lease held
    if stopped:
        ledger.set(mine, state="stopped")
    rented_there.rented_there(line.workspace, find_pod(line.workspace, "l4"), "", line.told.append)
    line.take()
    assert looked == [line.taken[-1]] == [line.taken[1] if stopped else mine]


def test_a_pod_is_found_whose_file_had_another_name(line: Line, rent: Rent, ledger: PodLedger) -> None:
    mine, of_run = rent(""), rent("qa-1")
    root = line.workspace.root
    (root / "pods").mkdir()
    (root / "runpod/l4.yaml").rename(root / "pods/l4.yaml")
    renting = Renting(line.workspace, line.account, find_pod(line.workspace, "pods/l4"), line.told.append)
    assert renting.rent().name == mine.name
    assert dataclasses.replace(renting, run="qa-1").rent().name == of_run.name
    assert {(e.pod_file, e.owner) for e in ledger.entries()} == {
        ("pods/l4", "pod:pods/l4"),
        ("pods/l4", "qa-1"),
    }


def test_a_pod_whose_lease_was_never_seen_held_is_left_to_the_run_that_waits_for_it(
    line: Line, rent: Rent
) -> None:
    waiting = rent("qa-1").name
    line.take()
    assert (line.asked, waiting in line.taken) == (["rent"], False)


def test_a_run_takes_no_pod_of_another_run(line: Line, rent: Rent, fake: FakeRunPod) -> None:
    line.take("qa-1")
    line.take("qa-2")
    assert (len(set(line.taken)), len(fake.pods), line.asked) == (2, 2, [])


def test_nothing_is_rented_for_no_run_unless_somebody_agrees(
    line: Line, rent: Rent, fake: FakeRunPod
) -> None:
    with pytest.raises(UsageError, match=r"(?s)No pod of l4 is up.*millhand up l4"):
        line.take(agree=on_demand.refuse)
    assert fake.created() == []


@pytest.mark.parametrize("command", [("sync", "up"), ("ui",), ("tensorboard",)])
def test_a_command_rents_nothing_where_nobody_answers(
    line: Line,
    rent: Rent,
    fake: FakeRunPod,
    millhand: Millhand,
    monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...],
) -> None:
    monkeypatch.setattr("millhand.pods.runpod.client.open_account", lambda *_, **__: line.account)
    shown = millhand(*command, "--pod", "l4")
    assert (shown.exit_code, fake.created()) == (2, [])
    assert "No pod of l4 is up. Rent one? Nobody is here to answer." in shown.stderr
    assert "`millhand up l4 --yes`" in shown.stderr


def test_a_push_rents_none_while_the_pod_of_another_run_is_up(
    line: Line, rent: Rent, fake: FakeRunPod, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("millhand.pods.runpod.client.open_account", lambda *_, **__: line.account)
    line.take("qa-2")
    there = push._pod(line.workspace, "l4")
    there.claim("qa-1")
    with pytest.raises(UsageError, match="a push rents none"):
        there.jobs()
    assert len(fake.created()) == 1


def test_a_push_starts_no_stopped_pod(
    line: Line, rent: Rent, ledger: PodLedger, fake: FakeRunPod, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("millhand.pods.runpod.client.open_account", lambda *_, **__: line.account)
    mine = rent("qa-1", volume="persistent_gb: 20")
    stopped = fake.pods[mine.entry.pod_id]
    fake.stop(stopped)  # and another one is up, so that a look at the pod file's finds one
    rent("qa-2", volume="persistent_gb: 20")
    there = push._pod(line.workspace, "l4")
    there.claim("qa-1")
    with pytest.raises(UsageError, match="a push rents none and starts none") as caught:
        there.jobs()
    assert stopped.stopped
    assert "--run qa-1 --pod l4 --there" in caught.value.mend


def test_a_stopped_pod_is_not_started_again_unasked(line: Line, rent: Rent, fake: FakeRunPod) -> None:
    name = rent("", volume="persistent_gb: 20").name
    (pod,) = fake.pods.values()
    fake.stop(pod)
    with pytest.raises(UsageError):
        line.take(agree=on_demand.refuse)
    assert pod.stopped
    line.take()
    assert (line.asked, line.taken, pod.stopped) == (["start"], [name], False)


@pytest.mark.parametrize(("answer", "pods"), [("y", 1), ("n", 0), ("", 0)])
def test_a_person_is_asked_with_the_price(
    line: Line, rent: Rent, fake: FakeRunPod, monkeypatch: pytest.MonkeyPatch, answer: str, pods: int
) -> None:
    from click.testing import CliRunner

    @click.command()
    def show() -> None:
        line.take(agree=agree)

    shown = CliRunner().invoke(show, input=f"{answer}\n" if answer else "")
    assert "NVIDIA L4, secure, US-KS-2: $0.45 an hour" in shown.stderr
    assert "No pod of l4 is up. Rent one?" in shown.stderr
    assert (len(fake.created()), shown.exit_code == 0) == (pods, bool(pods))
    if not answer:
        assert isinstance(shown.exception, UsageError)
        assert shown.exception.mend == "Have one first: `millhand up l4 --yes`."


@pytest.mark.parametrize("stop", [False, True])
def test_a_pod_that_somebody_ended_is_not_followed_by_another(
    line: Line, rent: Rent, ledger: PodLedger, fake: FakeRunPod, stop: bool
) -> None:
    if stop:
        rent("qa-1", volume="persistent_gb: 20")
    pod = line.take("qa-1")
    (entry,) = ledger.entries()
    Releaser(line.account, ledger, [].append).release(entry, stop=stop)
    with pytest.raises(StoppedError, match="was ended by `millhand down`"):
        pod._located(entry.name)


def test_a_pod_that_vanished_is_followed_by_another(
    line: Line, rent: Rent, ledger: PodLedger, fake: FakeRunPod
) -> None:
    pod = line.take("qa-1")
    (entry,) = ledger.entries()
    fake.terminate(fake.pods[entry.pod_id])
    with pytest.raises(PodLostError, match="Its lease ends it after 20 idle minutes, too"):
        pod._located(entry.name)


@pytest.mark.parametrize("path", ["/pods/.*/logs", "/pods/.*"])
@pytest.mark.parametrize("fault", [{"status": 503}, {"status": 429, "headers": {"Retry-After": "30"}}])
def test_a_client_that_follows_a_run_asks_again_while_runpod_does_not_answer(
    line: Line, rent: Rent, fake: FakeRunPod, path: str, fault: dict[str, Any]
) -> None:
    pod = line.take("qa-1")
    fake.fault("GET", path, **fault, times=99)
    with pytest.raises(UnreachableError, match=str(fault["status"])):
        pod._located(line.taken[0])
    fake.faults.clear()
    assert pod._located(line.taken[0]).name == line.taken[0]


def test_at_the_end_the_pod_that_was_taken_is_said_to_be_billed_on(line: Line, rent: Rent) -> None:
    pod = line.take("qa-1")
    line.take("qa-2")
    lent = line.take()
    for one, name in ((pod, line.taken[0]), (lent, line.taken[2])):
        line.told.clear()
        one._remind()
        (told,) = line.told
        assert told.startswith(f"{name} is billed on at $0.44 an hour")
