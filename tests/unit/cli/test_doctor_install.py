"""``millhand doctor`` and ``millhand install`` as they are typed."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from millhand.llamafactory import pins
from millhand.pods.base import Result
from millhand.pods.local import LocalPod
from millhand.shell import Command
from tests.conftest import Millhand

BARE = {"version": "3.11.9", "executable": "/venv/bin/python", "prefix": "/venv"}


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """Facts that every local pod answers with; anything but the probe is refused."""
    facts: dict[str, object] = {"python": BARE, "cores": 8, "disk_free_gb": 100.0}

    def answer(_self: LocalPod, command: Command, **_given: object) -> Result:
        assert command.argv[1] == "-", f"not scripted: {command.argv}"
        return Result(command, 0, json.dumps(facts), "")

    monkeypatch.setattr(LocalPod, "run", answer)
    return facts


def test_a_laptop_is_told_how_to_train_and_that_it_need_not(
    machine: dict[str, object], millhand: Millhand
) -> None:
    result = millhand("doctor")
    assert result.exit_code == 0
    assert "llamafactory" in result.stdout
    assert "millhand install" in result.stderr
    assert "rent a GPU" in result.stderr


def test_json_is_one_document(machine: dict[str, object], millhand: Millhand) -> None:
    result = millhand("doctor", "--json")
    document = json.loads(result.stdout)
    assert document["can_train"] is False
    assert document["facts"]["cores"] == 8
    assert {"what": "Python", "found": "3.11.9", "wanted": ">=3.11", "state": "ok"} in document["rows"]
    assert [found["id"] for found in document["findings"]] == ["doctor.llamafactory.missing"]
    assert result.stderr == ""


def test_errors_end_with_3(machine: dict[str, object], millhand: Millhand) -> None:
    machine["python"] = {**BARE, "version": "3.9.2"}
    result = millhand("doctor")
    assert result.exit_code == 3
    assert "too old" in result.stderr


def test_another_interpreters_mend_names_it(machine: dict[str, object], millhand: Millhand) -> None:
    result = millhand("doctor", "--python", sys.executable + "x")
    assert result.exit_code == 2
    other = Path(sys.executable).with_name("python3")
    if other.exists() and str(other) != sys.executable:
        assert f"millhand install --python {other}" in millhand("doctor", "--python", other).stderr


def test_a_dry_run_shows_commands_and_runs_none(
    machine: dict[str, object], millhand: Millhand, tmp_path: Path
) -> None:
    constraint = tmp_path / "c.txt"
    constraint.write_text("torch==2.13.0\n")
    shown = millhand("install", "--dry-run", "-c", constraint)
    assert shown.exit_code == 0
    assert "torch>=2.4" in shown.stdout
    steps = json.loads(millhand("install", "--dry-run", "--json", "-c", constraint).stdout)
    assert [step["when"] for step in steps] == [None, "cpu", "cpu", "cuda"]
    assert steps[0]["argv"][1:] == [
        "-m", "pip", "install", "--no-input", "--disable-pip-version-check",
        "--constraint", str(constraint), "torch>=2.4",
    ]  # fmt: skip


def test_an_absent_constraint_file_is_wrong_usage(machine: dict[str, object], millhand: Millhand) -> None:
    assert millhand("install", "-c", "none.txt").exit_code == 2


@pytest.mark.real
def test_this_environment_can_train_and_nothing_is_missing(millhand: Millhand, tmp_path: Path) -> None:
    document = json.loads(millhand("doctor", "--json").stdout)
    assert document["can_train"] is True, document["findings"]
    assert document["facts"]["packages"]["llamafactory"] == pins.VERSION
    plan = millhand("install", "--dry-run", "--json")
    assert json.loads(plan.stdout) == []
