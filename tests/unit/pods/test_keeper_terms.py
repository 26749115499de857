"""What a lease may say, and what a pod's requests and rules make of it; nothing runs here."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millhand.pods import keeper_api, keeper_look, keeper_rules
from millhand.pods.keeper_look import Look, Scout
from millhand.pods.keeper_rules import Keeper
from millhand.pods.keeper_terms import read_lease, setting, state_folder
from millhand.pods.lease import Terms, lease_text

VALUES = st.none() | st.booleans() | st.floats() | st.integers() | st.text() | st.lists(st.integers())
FIELDS = st.sampled_from([*json.loads(lease_text(Terms(hours=1))), "unknown"])


@given(st.dictionaries(FIELDS, VALUES))
def test_a_lease_is_held_as_it_says_or_refused(said: dict[str, Any]) -> None:
    try:
        lease = read_lease(json.dumps(said))
    except ValueError:
        return
    assert lease["hours"] > 0
    assert lease["end_action"] in ("stop", "terminate")
    numbers = [value for value in lease.values() if isinstance(value, float)]
    assert all(math.isfinite(number) and number >= 0 for number in numbers)


def test_the_clients_terms_are_the_keepers() -> None:
    lease = read_lease(lease_text(Terms(hours=2, deadline_epoch_s=9.0, spend_usd=3, usd_per_hour=0.4)))
    assert set(lease) == set(json.loads(lease_text(Terms(hours=1))))
    assert (lease["hours"], lease["spend_usd"], lease["jobs"]) == (2, 3, "/workspace/.millhand/jobs")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({}, "hours"),
        ({"hours": 0}, "hours"),
        ({"hours": 1, "spend_usd": 3}, "usd_per_hour"),
        ({"hours": 1, "api_url": "http://api.example.com"}, "https"),
        ({"hours": 1, "api_url": "https://"}, "https"),
        ({"hours": 1, "end_action": "pause"}, "end_action"),
    ],
)
def test_what_cannot_be_held_is_named(said: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read_lease(json.dumps(said))


@pytest.mark.parametrize("pod", ["", "../x", "a/b", "."])
def test_a_pods_id_cannot_lead_out_of_the_folder(pod: str) -> None:
    with pytest.raises(ValueError, match="pod's id"):
        state_folder({"volume": "/workspace"}, pod)


def test_a_variable_comes_from_this_process_or_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLHAND_ASKED", "here")
    assert setting("MILLHAND_ASKED") == "here"
    assert setting("MILLHAND_NOWHERE") == ""


@pytest.mark.parametrize(
    ("words", "training"),
    [
        ("/v/bin/python /v/bin/llamafactory-cli train a.yaml", ["llamafactory train"]),
        ("python -m llamafactory.cli export a.yaml", ["llamafactory export"]),
        ("python -m torch.distributed.run --module llamafactory.launcher a.yaml", ["llamafactory train"]),
        ("python /v/site-packages/llamafactory/launcher.py a.yaml", ["llamafactory train"]),
        ("llamafactory-cli webui", []),
        ("python -m llamafactory.cli version", []),
        ("tail -f llamafactory-cli.log train", []),
        ("", []),
    ],
)
def test_training_by_hand_is_known_by_its_command_line(words: str, training: list[str]) -> None:
    assert list(keeper_look._training(words.encode().split(b" "))) == training


@pytest.fixture
def keeper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Keeper:
    monkeypatch.setattr(keeper_rules, "uptime", lambda: 1000.0)
    scout = Scout(tmp_path, tmp_path / "jobs")
    scout.look = Look(1000.0)
    return Keeper(read_lease('{"hours": 1, "idle_minutes": 5, "usd_per_hour": 1}'), "pod", scout)


def test_the_first_limit_counts(keeper: Keeper) -> None:
    keeper.held_s, keeper.spent_usd = 1800, 0.5
    assert keeper.limit() == (1800, "deadline")
    keeper.terms["spend_usd"] = 0.75
    assert keeper.limit() == (900, "spend")
    keeper.revived_until = 1000 + 950
    assert keeper.limit()[0] == 950


def test_who_sees_nothing_for_long_ends_nothing_for_idleness(keeper: Keeper) -> None:
    keeper.active_at = 0.0
    assert keeper.due() == "idle"
    keeper.active_at = 0.0
    keeper.scout.look = Look(1000 - keeper_rules.BLIND_S - 1)
    assert keeper.due() == ""
    keeper.held_s = 3601
    assert keeper.due() == "deadline"


@pytest.mark.parametrize(
    ("storage", "action", "undelivered", "refusals", "forms"),
    [
        ("network", "terminate", ("a",), 0, ["DELETE", "terminate"]),
        ("persistent", "terminate", ("a",), 9, ["stop"]),
        ("persistent", "terminate", (), 0, ["DELETE", "terminate"]),
        ("persistent", "stop", (), 0, ["stop"]),
        ("persistent", "stop", (), 3, ["DELETE", "terminate", "stop"]),
        ("container", "terminate", ("a",), 0, ["DELETE", "terminate"]),
    ],
)
def test_how_a_pod_is_ended(
    keeper: Keeper, storage: str, action: str, undelivered: tuple[str, ...], refusals: int, forms: list[str]
) -> None:
    keeper.terms.update(storage=storage, end_action=action)
    keeper.scout.look = Look(1000.0, undelivered=undelivered)
    keeper.refusals = refusals
    assert [(body or {"action": "DELETE"})["action"] for _, _, body in keeper.forms()] == forms


class Api:
    """Answers as ``says`` of the form that is asked; it turns the clock and ends nothing."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, keeper: Keeper, says: Callable[[str], int]) -> None:
        self.now_s, self.says, self.asked = 1000.0, says, list[str]()
        for module in (keeper_rules, keeper_api):
            monkeypatch.setattr(module, "uptime", lambda: self.now_s)
        monkeypatch.setattr(keeper_api, "ask", self.ask)
        monkeypatch.setattr(keeper.scout, "tell", lambda *_, **__: None)
        monkeypatch.setenv("RUNPOD_API_KEY", "key")

    def ask(
        self, method: str, _url: str, *, key: str = "", body: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        if not key:
            return 404, Message()
        self.asked.append((body or {"action": method})["action"])
        return self.says(self.asked[-1]), Message()

    def pass_time(self, keeper: Keeper, seconds: float) -> None:
        for _ in range(int(seconds)):
            self.now_s += 1
            keeper.scout.look = keeper.scout.look._replace(at=self.now_s)
            keeper.tick()


@pytest.mark.parametrize("answer", [204, 404, 410])
@pytest.mark.parametrize("deaf", ["DELETE", "terminate"])
def test_a_form_that_is_answered_and_ends_nothing_is_followed_by_the_other(
    keeper: Keeper, monkeypatch: pytest.MonkeyPatch, answer: int, deaf: str
) -> None:
    api = Api(monkeypatch, keeper, lambda form: answer if form == deaf else 500)
    keeper.held_s = 3600
    api.pass_time(keeper, 1)
    assert keeper.story["phase"] == ("ended" if deaf == "DELETE" else "ending")
    api.pass_time(keeper, 600)
    assert {"DELETE", "terminate"} == set(api.asked)


def test_who_follows_a_job_hears_why_before_its_pod_ends(
    keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = Api(monkeypatch, keeper, lambda _: 204)
    keeper.scout.look = Look(1000.0, jobs=("/jobs/train",))
    keeper.held_s = 3600 - 120
    api.pass_time(keeper, 20)
    assert keeper.scout._stopping == (pytest.approx(115), "deadline")
    keeper.scout.look = Look(api.now_s)
    api.pass_time(keeper, 9)
    assert api.asked == []
    api.pass_time(keeper, 3)
    assert api.asked == ["DELETE"]


def test_what_was_asked_in_vain_is_told(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    api = Api(monkeypatch, keeper, lambda _: 404)
    keeper.held_s = 3600
    api.pass_time(keeper, 4000)
    assert 60 <= len(api.asked) <= 70
    assert api.asked[:4] == ["DELETE", "terminate", "DELETE", "terminate"]
    assert keeper.story["fault"] == "HTTP 404 to terminate, and it still runs"


def test_a_stop_that_is_answered_and_does_nothing_is_no_reason_to_lose_a_disk(
    keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper.terms.update(storage="persistent", end_action="stop")
    keeper.scout.look = Look(1000.0, undelivered=("a",))
    api = Api(monkeypatch, keeper, lambda _: 404)
    keeper.held_s = 3600
    api.pass_time(keeper, 600)
    assert set(api.asked) == {"stop"}
    keeper.scout.look = Look(api.now_s)
    api.pass_time(keeper, 200)
    assert {"DELETE", "terminate"} <= set(api.asked)


@pytest.mark.parametrize(
    ("restarted", "away_s", "billed_s"), [(False, 7200, 7200), (True, 300, 300), (True, 7200, 600)]
)
def test_what_a_pod_cost_while_nobody_counted(
    keeper: Keeper, monkeypatch: pytest.MonkeyPatch, restarted: bool, away_s: float, billed_s: float
) -> None:
    monkeypatch.setattr(keeper_rules, "boot_key", lambda: "host/2")
    past = {
        "pod": "pod", "phase": "held", "boot": "host/1" if restarted else "host/2", "uptime_s": 1000 - away_s,
        "heartbeat_s": 0.0, "held_s": 60.0, "spent_usd": 1.0, "terms": dict(keeper.terms), "given": {},
        "armed_s": 0.0, "boots": 1, "keepers": 1, "restarts": [],
    }  # fmt: skip
    keeper.take_up(past)
    assert keeper.held_s == 60 + away_s
    assert keeper.spent_usd == pytest.approx(1 + billed_s / 3600)
    assert keeper.story["boots"] == (2 if restarted else 1)
