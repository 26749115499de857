"""``millhand check --to``: what a push would refuse, found before a GPU hour is spent on it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from millhand.workspace import Workspace
from tests.cases import check as made
from tests.conftest import Millhand
from tests.hub_fake import FakeHub
from tests.hub_fake.fixtures import CLIENTS_OWN, hub, waits

pytestmark = pytest.mark.filterwarnings(CLIENTS_OWN)
__all__ = ["hub", "waits"]

ID = "mill/minwon"


@pytest.fixture
def furnished(workspace: Workspace) -> Workspace:
    made.furnish(workspace)
    made.write_project(workspace, "train", made.TRAIN)
    return workspace


def ids(millhand: Millhand, *options: str) -> list[str]:
    result = millhand("check", "qa", "--to", ID, "--json", *options)
    found: list[dict[str, Any]] = json.loads(result.stdout)["findings"]
    errors = [
        f"{finding['id']} {finding['file']}".strip() for finding in found if finding["severity"] == "error"
    ]
    assert result.exit_code == (3 if errors else 0)
    return errors


def test_licences_of_base_and_data_are_asked_for_before_training(
    millhand: Millhand, hub: FakeHub, furnished: Workspace
) -> None:
    base = made.TRAIN["model_name_or_path"]
    assert ids(millhand) == ["hub.licence bicycle", f"hub.licence {base}"]
    (furnished.root / str(base) / "README.md").write_text("---\nlicense: mit\n---\n")
    assert ids(millhand) == ["hub.licence bicycle"]
    assert not {"preupload", "commit", "create"} & set(hub.stages())


def test_a_token_that_may_not_write_there_is_told_before_training(
    millhand: Millhand, hub: FakeHub, furnished: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_" + "nobody" * 5)
    assert "hub.bad-token" in ids(millhand)
    monkeypatch.delenv("HF_TOKEN")
    assert "hub.no-token" in ids(millhand)


def test_it_is_asked_of_one_project(millhand: Millhand, hub: FakeHub, furnished: Workspace) -> None:
    for targets in ((), ("qa", "all")):
        result = millhand("check", *targets, "--to", ID)
        assert (result.exit_code, hub.requests) == (2, [])
        assert "millhand check PROJECT --to" in result.stderr
