"""Looking at a run on a rented pod, and stopping it: what is billed on is said, with the way to end it."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from millhand.pods.base import Job, JobHandle
from millhand.pods.local import LocalPod
from millhand.runs.finished import open_ledger
from millhand.runs.ledger import Run
from millhand.runs.pod_ledger import PodLedger
from millhand.shell import Command
from millhand.workspace import Workspace
from tests.conftest import Millhand
from tests.runpod_fake.fixtures import Rent, account, fake, ledger, pod_file, rent, url

__all__ = ["account", "fake", "ledger", "pod_file", "rent", "url"]
TRAINER = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("step 1", flush=True)
time.sleep(60 if "--long" in sys.argv else 0)
"""


class Rented(LocalPod):
    """This machine in the place of a rented one."""

    name = "l4"

    def close(self) -> None:
        """Nothing to hang up."""


@pytest.fixture
def start(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., JobHandle]]:
    open_ledger(workspace).add(Run("qa-1", "qa", "c", "f", "l4", "outputs/qa", 1.0, {"config": {}}))
    pod = Rented(workspace.root)
    monkeypatch.setattr("millhand.runs.rented_there.there", lambda *_: pod)

    def begin(*arguments: str) -> JobHandle:
        return pod.start(Job("train-qa-1", Command((sys.executable, "-c", TRAINER, *arguments))))

    yield begin
    pod.attach("train-qa-1").stop(0)


def test_stopping_a_run_says_what_is_billed_on_and_how_it_ends(
    millhand: Millhand, start: Callable[..., JobHandle], rent: Rent
) -> None:
    name = rent("qa-1").name
    handle = start("--long")
    while not handle.log():
        time.sleep(0.02)
    stopped = millhand("stop", "qa")
    assert stopped.exit_code == 0, stopped.output
    *_, last = stopped.stderr.splitlines()
    assert (
        last
        == f"{name} is billed on at $0.44 an hour: `millhand down {name}` ends it, its lease in any case."
    )
    answer = json.loads(millhand("stop", "qa", "--json").stdout)
    assert answer["billed"] == [{"pod": name, "usd_per_hour": pytest.approx(0.44)}]


@pytest.mark.parametrize("disk", ["persistent_gb: 20", "allow_loss: true"])
def test_a_pod_whose_idle_rule_waits_for_what_lies_on_it_is_said_to_stay(
    millhand: Millhand, start: Callable[..., JobHandle], rent: Rent, disk: str
) -> None:
    name = rent("qa-1", volume=disk).name
    start().stop(5)
    said = millhand("stop", "qa").stderr
    assert (
        f"`millhand down {name}` ends it. As long as what a run made lies on it alone, only its lease" in said
    )


@pytest.mark.parametrize("command", [("attach", "qa"), ("logs", "qa"), ("ps",), ("ps", "--pod", "runpod/l4")])
def test_whoever_looks_is_told_what_is_billed_on(
    millhand: Millhand, start: Callable[..., JobHandle], rent: Rent, command: tuple[str, ...]
) -> None:
    name = rent("qa-1").name
    handle = start()
    while handle.status().alive:
        time.sleep(0.02)
    shown = millhand(*command)
    assert (shown.exit_code, shown.stderr.splitlines()[-1].split(" at ")[0]) == (0, f"{name} is billed on")
    assert "billed" not in shown.stdout


def test_a_pod_that_is_stopped_or_ending_is_not_said_to_be_billed_on(
    millhand: Millhand, start: Callable[..., JobHandle], rent: Rent, ledger: PodLedger
) -> None:
    stopped, ending = rent("qa-1").name, rent("qa-2").name
    ledger.set(stopped, state="stopped")
    ledger.set(ending, state="ending")
    assert "billed" not in millhand("ps").stderr


def test_what_fails_while_a_pod_is_looked_at_does_not_hide_that_it_is_billed(
    millhand: Millhand, start: Callable[..., JobHandle], rent: Rent
) -> None:
    name = rent("").name
    shown = millhand("logs", "qa")
    assert (shown.exit_code, "has printed nothing" in shown.stderr) == (2, True)
    assert f"{name} is billed on" in shown.stderr
