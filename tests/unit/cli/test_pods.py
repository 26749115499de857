"""up, down, pods, cost, reap on the command line, against the fake API."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from millhand.cli.up import up
from millhand.pods.runpod.client import RunPod, open_account
from millhand.runs.pod_ledger import open_pod_ledger
from millhand.workspace import Workspace
from tests.conftest import HELP_NAMES, Millhand
from tests.runpod_fake import FakeRunPod
from tests.runpod_fake.fixtures import POD_FILE, account, fake, pod_file, url

__all__ = ["account", "fake", "pod_file", "url"]


@pytest.fixture(autouse=True)
def _account(account: RunPod, fake: FakeRunPod, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNPOD_API_KEY", fake.key)
    monkeypatch.setattr("millhand.pods.runpod.client.open_account", lambda workspace, tell: account)
    # nobody answers at the address of a fake pod; tests/integration/pods/test_rented_pod.py has real ones
    monkeypatch.setattr("millhand.runs.arming.arm", lambda *_, **__: None)


@pytest.fixture
def volume(fake: FakeRunPod) -> dict[str, Any]:
    return fake.add_volume("millhand", 100, "US-KS-2")


def test_a_dry_run_shows_the_priced_plan_and_rents_nothing(
    pod_file: Path, fake: FakeRunPod, millhand: Millhand
) -> None:
    shown = millhand("up", "l4", "--dry-run")
    assert shown.exit_code == 0, shown.output
    assert "US-KS-2" in shown.stdout
    assert "0.445" in shown.stdout
    assert "after 8 h, at $5.00, or idle for 20 min" in shown.stderr
    assert "The most that it can cost: $5.00." in shown.stderr
    assert "is not there yet and would be made: $7.00 a month" in shown.stderr
    plan = json.loads(millhand("up", "runpod/l4.yaml", "--dry-run", "--json").stdout)
    assert plan["candidates"][0]["gpu"] == "NVIDIA L4"
    assert (plan["volume_to_make"], plan["lease"]["end"]) == (True, "terminate")
    assert (fake.created(), fake.volumes) == ([], [])


def test_up_asks_rents_and_is_repeated_without_a_second_pod(
    pod_file: Path, fake: FakeRunPod, millhand: Millhand, volume: dict[str, Any]
) -> None:
    no = CliRunner().invoke(up, ["l4"], input="n\n", help_option_names=HELP_NAMES)
    assert (no.exit_code, fake.created()) == (1, [])
    assert "Rent it?" in no.stderr
    yes = CliRunner().invoke(up, ["l4", "--json"], input="y\n", help_option_names=HELP_NAMES)
    assert yes.exit_code == 0, yes.output
    facts = json.loads(yes.stdout)
    again = millhand("up", "l4", "--json")
    assert json.loads(again.stdout) == facts
    assert len(fake.created()) == 1
    shown = millhand("up", "l4")
    assert facts["host_keys"][0] in shown.stdout
    assert "`millhand down l4`" in shown.stderr


def test_a_wait_that_is_broken_off_says_what_is_billed_on(
    pod_file: Path,
    fake: FakeRunPod,
    millhand: Millhand,
    volume: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("millhand.runs.arming.arm", interrupted)
    broken_off = millhand("up", "l4", "--yes")
    (pod,) = fake.pods.values()
    assert broken_off.exit_code == 130
    assert (
        f"{pod.name} is billed on at $0.44 an hour: `millhand down {pod.name}` ends it" in broken_off.stderr
    )


def test_the_life_of_a_pod_on_the_command_line(
    pod_file: Path, fake: FakeRunPod, millhand: Millhand, volume: dict[str, Any]
) -> None:
    stranger = fake.plant("training")
    assert "No pod is rented" in millhand("pods").stderr
    assert "No pod is rented" in millhand("down").stderr
    assert "Nothing was rented yet" in millhand("cost").stderr
    assert "Nothing is due" in millhand("reap").stderr
    name = json.loads(millhand("up", "l4", "--yes", "--json").stdout)["pod"]
    fake.clock.advance(2 * 3600)
    table = millhand("pods").stdout
    assert name in table
    assert "2.0 h" in table
    assert "training" not in table
    (row,) = json.loads(millhand("pods", "--json").stdout)
    assert (row["status"], row["pod_file"], row["left_h"] < 6) == ("RUNNING", "l4", True)
    down = millhand("down", "l4")
    assert (down.exit_code, down.stdout.startswith(f"{name} is terminated: 2.0")) == (0, True)
    assert list(fake.pods) == [stranger.id]
    assert "no such pod any more" in millhand("down", "l4").stderr
    cost = millhand("cost", "l4")
    assert "all" in cost.stdout
    (row,) = json.loads(millhand("cost", "--json").stdout)
    assert row["bill_usd"] == pytest.approx(row["ledger_usd"], rel=0.02)
    assert "Nothing was rented for qa" in millhand("cost", "qa").stderr
    assert json.loads(millhand("pods", "--json").stdout) == []
    assert json.loads(millhand("pods", "--all", "--json").stdout)[0]["status"] == "ENDED"


def test_down_takes_no_pod_of_others_and_asks_which_of_several(
    workspace: Workspace, pod_file: Path, fake: FakeRunPod, millhand: Millhand, volume: dict[str, Any]
) -> None:
    stranger = fake.plant("millhand-l4-cafecafe")
    names = [json.loads(millhand("up", "l4", "--yes", "--json").stdout)["pod"]]
    (workspace.root / "runpod" / "big.yaml").write_text(POD_FILE, encoding="utf-8")
    names.append(json.loads(millhand("up", "big", "--yes", "--json").stdout)["pod"])
    for wrong in (stranger.name, stranger.id, "training"):
        refused = millhand("down", wrong, "--lose")
        assert (refused.exit_code, "ledger" in refused.stderr) == (2, True)
    several = millhand("down")
    assert (several.exit_code, all(name in several.stderr for name in names)) == (2, True)
    done = json.loads(millhand("down", "--all", "--json").stdout)
    assert [one["pod"] for one in done] == names
    assert list(fake.pods) == [stranger.id]


def test_where_one_pod_cannot_be_ended_the_answer_is_still_one_document(
    workspace: Workspace, pod_file: Path, fake: FakeRunPod, millhand: Millhand, volume: dict[str, Any]
) -> None:
    kept = POD_FILE.replace("volume: {name: millhand, size_gb: 100}", "persistent_gb: 20")
    (workspace.root / "runpod" / "disk.yaml").write_text(kept, encoding="utf-8")
    names = [json.loads(millhand("up", pod, "--yes", "--json").stdout)["pod"] for pod in ("disk", "l4")]
    told = millhand("down", "--all", "--json")
    answer = json.loads(told.stdout)
    assert [one["pod"] for one in answer["done"]] == names[1:]
    assert [one["pod"] for one in answer["failed"]] == names[:1]
    assert (told.exit_code, answer["error"], answer["findings"]) == (2, answer["failed"][0]["error"], [])
    assert "--stop" in answer["mend"]


def test_what_would_be_lost_is_refused_with_the_way_out(
    pod_file: Path, fake: FakeRunPod, millhand: Millhand
) -> None:
    text = POD_FILE.replace("volume: {name: millhand, size_gb: 100}", "persistent_gb: 20")
    pod_file.write_text(text, encoding="utf-8")
    millhand("up", "l4", "--yes")
    refused = millhand("down")
    assert (refused.exit_code, "--stop" in refused.stderr, len(fake.pods)) == (2, True, 1)
    assert "is stopped" in millhand("down", "--stop").stdout
    assert "is terminated" in millhand("down", "--lose").stdout


def test_reap_says_what_is_due_and_ends_it(
    pod_file: Path, fake: FakeRunPod, millhand: Millhand, volume: dict[str, Any]
) -> None:
    millhand("up", "l4", "--yes")
    fake.clock.advance(9 * 3600)
    assert "its lease is over" in millhand("reap", "--dry-run").stdout
    assert len(fake.pods) == 1
    (row,) = json.loads(millhand("reap", "--json").stdout)
    assert (row["action"], row["why"], fake.pods) == ("terminated", "its lease is over", {})


@pytest.mark.parametrize("dry", [False, True])
def test_reap_fails_where_a_pod_may_be_billed_on(
    workspace: Workspace,
    pod_file: Path,
    fake: FakeRunPod,
    millhand: Millhand,
    volume: dict[str, Any],
    dry: bool,
) -> None:
    name = json.loads(millhand("up", "l4", "--yes", "--json").stdout)["pod"]
    fake.clock.advance(9 * 3600)
    if dry:  # a pod of another account's
        open_pod_ledger(workspace).set(name, key_mark="another", pod_id="gone")
        fake.clock.advance(-5 * 3600)
    fake.fault("DELETE", "/pods/.*", status=409, detail="in a cluster", times=99)
    told = millhand("reap", *(["--dry-run"] if dry else []), "--json")
    rows = json.loads(told.stdout)
    assert (told.exit_code, [row["action"] for row in rows][:1]) == (1, ["unknown" if dry else "failed"])
    assert "may be billed on" in told.stderr
    table = millhand("reap", *(["--dry-run"] if dry else []))
    assert (table.exit_code, name[:12] in table.stdout) == (1, True)


@pytest.mark.parametrize(
    "command", [("pods", "--json"), ("cost", "--json"), ("up", "big", "--yes", "--json")], ids=lambda c: c[0]
)
def test_what_is_over_is_ended_in_passing_and_told_beside_the_answer(
    workspace: Workspace,
    pod_file: Path,
    fake: FakeRunPod,
    millhand: Millhand,
    volume: dict[str, Any],
    command: tuple[str, ...],
) -> None:
    (workspace.root / "runpod" / "big.yaml").write_text(POD_FILE, encoding="utf-8")
    stranger = fake.plant("millhand-l4-cafecafe")
    name = json.loads(millhand("up", "l4", "--yes", "--json").stdout)["pod"]
    lost = fake.pods[next(pod.id for pod in fake.pods.values() if pod.name == name)]
    open_pod_ledger(workspace).set(name, state="ending")
    millhand("up", "big", "--dry-run")
    assert not lost.gone
    told = millhand(*command)
    assert told.exit_code == 0, told.output
    assert json.loads(told.stdout) is not None
    assert f"{name} is terminated: its release was begun." in told.stderr
    assert (lost.gone, stranger.gone) == (True, False)


def test_nothing_free_is_told_with_every_reason(
    pod_file: Path, fake: FakeRunPod, millhand: Millhand, volume: dict[str, Any]
) -> None:
    fake.fault("POST", "/pods", status=400, detail="no instances", times=99)
    told = millhand("up", "l4", "--yes", "--json")
    assert told.exit_code == 1
    assert "NVIDIA L4, secure, US-KS-2" in json.loads(told.stdout)["error"]


def test_what_is_not_rented_cannot_be_put_up(workspace: Workspace, millhand: Millhand) -> None:
    told = millhand("up", "local")
    assert (told.exit_code, "nothing is rented" in told.stderr) == (2, True)


def test_the_account_is_that_of_the_key_in_the_environment_or_env(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RUNPOD_API_KEY", raising=False)
    monkeypatch.delenv("RUNPOD_API_URL", raising=False)
    from millhand.errors import UsageError

    with pytest.raises(UsageError, match=r"RUNPOD_API_KEY=… into \.env"):
        open_account(workspace)
    with (workspace.root / ".env").open("a", encoding="utf-8") as env:
        env.write("RUNPOD_API_KEY=rpa_one\n")
    opened = open_account(workspace)
    assert (opened.key.reveal(), opened.url) == ("rpa_one", "https://api.runpod.io/v2")
    monkeypatch.setenv("RUNPOD_API_KEY", "rpa_two")
    monkeypatch.setenv("RUNPOD_API_URL", "http://127.0.0.1:1/v2")
    opened = open_account(workspace)
    assert (opened.key.reveal(), opened.url) == ("rpa_two", "http://127.0.0.1:1/v2")
