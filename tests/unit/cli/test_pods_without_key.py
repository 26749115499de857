"""What is rented, asked for without a key: the ledger answers what it can."""

from __future__ import annotations

import json

import pytest

from millhand.runs.pod_ledger import open_pod_ledger
from millhand.workspace import Workspace
from tests.conftest import Millhand
from tests.unit.runs.test_published import entry


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RUNPOD_API_KEY", raising=False)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("pods", "No pod is rented."),
        ("cost", "Nothing was rented yet."),
        ("reap", "Nothing is due."),
        ("down", "No pod is rented."),
    ],
)
def test_where_nothing_was_ever_rented_no_key_is_asked_for(
    workspace: Workspace, millhand: Millhand, command: str, said: str
) -> None:
    told = millhand(command)
    assert (told.exit_code, said in told.stderr) == (0, True), told.stderr
    answer = millhand(command, "--json")
    assert (answer.exit_code, json.loads(answer.stdout)) == (0, [])


def test_a_pod_that_was_never_rented_is_not_ended(workspace: Workspace, millhand: Millhand) -> None:
    told = millhand("down", "l4")
    assert told.exit_code == 2
    assert "No pod 'l4' is in this workspace's ledger." in told.stderr


def test_costs_are_shown_by_the_ledger(workspace: Workspace, millhand: Millhand) -> None:
    ledger = open_pod_ledger(workspace)
    for name, bill in (("millhand-l4-1", 1.25), ("millhand-l4-2", None)):
        ledger.add(entry(name, pod_id=name, rented_s=0.0, bill_usd=bill))
    told = millhand("cost")
    assert told.exit_code == 0, told.stderr
    assert "1.25" in told.stdout
    assert "millhand-l4-2: no key is set to read the bills with." in told.stderr
    assert [row["bill_usd"] for row in json.loads(millhand("cost", "--json").stdout)] == [1.25, None]
    assert millhand("pods").exit_code == 2  # how they stand is RunPod's to say
