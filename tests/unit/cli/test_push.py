"""What keeps `millhand push` from sending, showing or losing what it should not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

from millhand.runs.ledger import Run
from millhand.workspace import Workspace
from tests.conftest import Millhand
from tests.hub_fake import FakeHub
from tests.hub_fake.fixtures import CLIENTS_OWN, contents, hub, waits
from tests.hub_fake.made import MANIFEST, make_run

pytestmark = pytest.mark.filterwarnings(CLIENTS_OWN)
__all__ = ["hub", "waits"]

ID = "mill/minwon"
ENDPOINT = "http://10.3.7.21:8000/v1"
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


@pytest.fixture
def manual(workspace: Workspace) -> Path:
    """The folder of a dataset that was built, with an endpoint of the maker's in recipe and build."""
    shipped = Path(__file__).parents[3] / "dataset_registry" / "security_manual"
    folder = workspace.registry / "security_manual"
    shutil.copytree(shipped, folder)
    recipe = yaml.safe_load((folder / "dataset.yaml").read_text("utf-8"))
    recipe["steps"].append({"generate": {"purposes": ["qa"], "url": ENDPOINT, "key": "LAB_KEY"}})
    (folder / "dataset.yaml").write_text(yaml.safe_dump(recipe, allow_unicode=True), "utf-8")
    built = json.loads((folder / "build.json").read_text("utf-8"))
    built["steps"][-1]["options"]["url"] = ENDPOINT
    (folder / "build.json").write_text(json.dumps(built, ensure_ascii=False), "utf-8")
    return folder


def test_a_recipe_goes_without_its_maker_s_endpoint(millhand: Millhand, hub: FakeHub, manual: Path) -> None:
    pushed = millhand("push", "dataset", "security_manual", "--to", ID)
    assert pushed.exit_code == 0, pushed.stderr
    files = contents(hub.repo(ID, "dataset"))
    for word in ("10.3.7.21", "LAB_KEY"):
        assert [name for name, data in files.items() if word in data.decode()] == []
    sent, own = (
        yaml.safe_load(data) for data in (files["dataset.yaml"], (manual / "dataset.yaml").read_text())
    )
    assert sent["steps"] == [*own["steps"][:-1], {"generate": {"purposes": ["qa"]}}]
    assert own["steps"][-1]["generate"]["url"] == ENDPOINT


@pytest.mark.parametrize("path", ["/srv/lab/manual.pdf", "C:\\lab\\manual.pdf", "~/manual.pdf"])
def test_an_absolute_path_of_a_recipe_is_found(
    millhand: Millhand, hub: FakeHub, manual: Path, path: str
) -> None:
    recipe = yaml.safe_load((manual / "dataset.yaml").read_text("utf-8"))
    recipe["sources"][0]["path"] = path
    (manual / "dataset.yaml").write_text(yaml.safe_dump(recipe, allow_unicode=True), "utf-8")
    refused = millhand("push", "dataset", "security_manual", "--to", ID, "--json")
    assert refused.exit_code == 3, refused.stderr
    assert [f["id"] for f in json.loads(refused.stdout)["findings"]] == ["hub.absolute-path"]
    assert hub.requests == []


@pytest.mark.parametrize("more", [(), ("--adapter",)])
def test_a_manifest_goes_without_the_pod_and_the_kernel(
    millhand: Millhand, hub: FakeHub, workspace: Workspace, run: Run, more: tuple[str, ...]
) -> None:
    own = workspace.root / ("outputs/qa" if more else "outputs/qa-merged") / MANIFEST
    whole = json.loads(own.read_text("utf-8")) | {
        "pod": "gpu7.corp.example-2222",
        "machine": {"platform": "Linux-6.1.0-lab7-x86_64-with-glibc2.36", "cores": 2},
    }
    own.write_text(json.dumps(whole), "utf-8")
    assert millhand(*PUSH, *more).exit_code == 0
    files = contents(hub.repo(ID))
    for word in (b"corp.example", b"lab7"):
        assert [name for name, data in files.items() if word in data] == []
    told = json.loads(files[MANIFEST])
    assert told.pop("machine") == {"platform": "Linux-x86_64", "cores": 2}
    assert told == {key: value for key, value in whole.items() if key not in ("pod", "machine")}
    assert json.loads(own.read_text("utf-8")) == whole
