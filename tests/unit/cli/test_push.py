"""What keeps `millhand push` from sending, showing or losing what it should not."""

from __future__ import annotations

import json

import pytest

from millhand.runs.ledger import Run
from millhand.workspace import Workspace
from tests.conftest import Millhand
from tests.hub_fake import FakeHub
from tests.hub_fake.fixtures import CLIENTS_OWN, contents, hub, waits
from tests.hub_fake.made import make_run

pytestmark = pytest.mark.filterwarnings(CLIENTS_OWN)
__all__ = ["hub", "waits"]

ID = "mill/minwon"
PUSH = ("push", "model", "qa", "--to", ID)
SHOW = (*PUSH, "--public", "--yes")


@pytest.fixture
def run(workspace: Workspace) -> Run:
    return make_run(workspace)


def test_a_private_repository_s_older_commits_are_not_shown_silently(
    millhand: Millhand, hub: FakeHub, run: Run
) -> None:
    hub.make(ID)
    hub.put(ID, {"rows.csv": b"name,telephone"})
    repo = hub.repo(ID)
    repo.add("main", "Take it away", {})
    repo.save()
    for more in ((), ("--dry-run",)):
        refused = millhand(*SHOW, "--json", *more)
        assert refused.exit_code == 3, refused.stderr
        assert [f["id"] for f in json.loads(refused.stdout)["findings"]][-1] == "hub.history"
    assert hub.repo(ID).private
    assert not {"preupload", "commit", "settings"} & set(hub.stages())
    assert millhand(*PUSH).exit_code == 0  # for its own readers there is nothing new


def test_a_branch_s_files_are_shown_too(millhand: Millhand, hub: FakeHub, run: Run) -> None:
    hub.make(ID)
    repo = hub.repo(ID)
    repo.branches["old"] = repo.branches["main"]
    repo.add("old", "Another", {"rows.csv": repo.keep_blob(b"name,telephone")})
    repo.save()
    assert millhand(*SHOW).exit_code == 3


@pytest.mark.parametrize("stage", ["commit", "settings"])
def test_a_repository_that_a_broken_push_made_is_shown_by_the_next_one(
    millhand: Millhand, hub: FakeHub, run: Run, stage: str
) -> None:
    fault = hub.order(stage, how="cut", times=1000)
    assert millhand(*SHOW).exit_code == 1
    assert hub.repo(ID).private
    fault.times = 0
    again = millhand(*SHOW)
    assert again.exit_code == 0, again.stderr
    assert not hub.repo(ID).private
    assert "config.json" in contents(hub.repo(ID))


@pytest.mark.parametrize("stage", ["preupload", "commit"])
def test_what_a_person_writes_into_the_card_meanwhile_is_not_lost(
    millhand: Millhand, hub: FakeHub, workspace: Workspace, run: Run, stage: str
) -> None:
    assert millhand(*PUSH).exit_code == 0
    card = hub.repo(ID).read("README.md")
    theirs = card + "\n## 문의\n\n구청 1층\n".encode()
    (workspace.root / "outputs/qa/training_loss.png").write_bytes(b"\x89PNG")  # the new card names it
    hub.on[stage] = lambda: hub.put(ID, {"README.md": theirs})
    stopped = millhand(*PUSH)
    assert stopped.exit_code == 1
    assert "The card was changed on the Hub meanwhile" in stopped.stderr
    assert hub.repo(ID).read("README.md") == theirs
    assert millhand(*PUSH).exit_code == 0
    assert "구청 1층" in hub.repo(ID).read("README.md").decode()
    assert "training_loss.png" in contents(hub.repo(ID))
