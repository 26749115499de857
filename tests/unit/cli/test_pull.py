"""millhand pull, against the Hub on loopback with the real client."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import pytest

from millhand.datasets.built import for_others, read_built
from millhand.runs.ledger import Run
from millhand.workspace import Workspace, create_workspace
from tests.conftest import Millhand
from tests.hub_fake import FakeHub
from tests.hub_fake.fixtures import CLIENTS_OWN, contents, hub, waits
from tests.hub_fake.made import make_dataset, make_run

pytestmark = pytest.mark.filterwarnings(CLIENTS_OWN)
__all__ = ["hub", "waits"]

ID = "mill/minwon"


@pytest.fixture
def run(workspace: Workspace) -> Run:
    return make_run(workspace)


def test_a_dataset_goes_and_comes_back_into_another_workspace(
    millhand: Millhand, hub: FakeHub, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_dataset(workspace)
    assert millhand("push", "dataset", "minwon", "--to", "mill/minwon-data").exit_code == 0
    other, _ = create_workspace(tmp_path / "other")
    monkeypatch.chdir(other.root)
    pulled = millhand("pull", "dataset", "mill/minwon-data", "--json")
    assert pulled.exit_code == 0, pulled.stderr
    assert json.loads(pulled.stdout)["dataset"] == "minwon"
    for file in ("rows.jsonl", "dataset.yaml"):
        assert (other.registry / "minwon" / file).read_bytes() == (
            workspace.registry / "minwon" / file
        ).read_bytes()
    assert json.loads(millhand("data", "show", "minwon", "--json").stdout)["rows"] == 2
    assert json.loads(millhand("pull", "dataset", "mill/minwon-data", "--json").stdout)["again"]
    (other.registry / "minwon" / "rows.jsonl").write_text("{}\n")
    clash = millhand("pull", "dataset", "mill/minwon-data")
    assert clash.exit_code == 2
    assert "another dataset" in clash.stderr


def test_a_dataset_that_was_built_comes_back_with_all_its_parts(
    millhand: Millhand, hub: FakeHub, workspace: Workspace
) -> None:
    shipped = Path(__file__).parents[3] / "dataset_registry" / "security_manual"
    shutil.copytree(shipped, workspace.registry / "security_manual")
    pushed = millhand("push", "dataset", "security_manual", "--to", "mill/manual")
    assert pushed.exit_code == 0, pushed.stderr
    parts = ("rows.jsonl", "validation.jsonl", "test.jsonl", "dataset.yaml", "build.json")
    assert set(contents(hub.repo("mill/manual", "dataset"))) == {*parts, "README.md"}
    shutil.rmtree(workspace.registry / "security_manual")
    assert millhand("pull", "dataset", "mill/manual").exit_code == 0
    back = workspace.registry / "security_manual"
    for part in parts[:-1]:
        assert (back / part).read_bytes() == (shipped / part).read_bytes()
    standing = read_built(shipped / "build.json")
    assert standing
    assert read_built(back / "build.json") == for_others(standing)
    listed = json.loads(millhand("data", "list", "--json").stdout)
    assert {"security_manual", "security_manual_test"} <= {item["name"] for item in listed}
    assert not (workspace.state / "pulled" / "mill--manual").exists()


@pytest.mark.parametrize(
    "definition",
    ["name: ../up\n", "name: x\nbroken: [\n", "rows: 1\n", "name: x\nfile: ../../secret.jsonl\n"],
)
def test_a_definition_that_is_broken_or_leads_elsewhere_is_not_entered(
    millhand: Millhand, hub: FakeHub, workspace: Workspace, definition: str
) -> None:
    make_dataset(workspace)
    whole = (workspace.registry / "minwon/dataset.yaml").read_text()
    text = whole.replace("name: minwon\n", definition) if "file:" in definition else definition
    hub.make("mill/odd", "dataset")
    hub.put("mill/odd", {"dataset.yaml": text.encode(), "rows.jsonl": b"{}\n"}, "dataset")
    before = sorted(workspace.registry.rglob("*"))
    assert millhand("pull", "dataset", "mill/odd").exit_code in (2, 3)
    assert sorted(workspace.registry.rglob("*")) == before
    assert millhand("data", "list").exit_code == 0


@pytest.mark.parametrize("name", ["data", "data.partial", "fetched"])
def test_a_dataset_comes_back_whatever_its_name(
    millhand: Millhand, hub: FakeHub, workspace: Workspace, name: str
) -> None:
    make_dataset(workspace, name)
    assert millhand("push", "dataset", name, "--to", "mill/odd").exit_code == 0
    assert millhand("data", "remove", name, "--yes").exit_code == 0
    pulled = millhand("pull", "dataset", "mill/odd")
    assert pulled.exit_code == 0, pulled.stderr
    assert json.loads(millhand("data", "show", name, "--json").stdout)["rows"] == 2


def test_a_dataset_that_its_owner_mended_comes_after_a_broken_one(
    millhand: Millhand, hub: FakeHub, workspace: Workspace
) -> None:
    make_dataset(workspace)
    files = {n: (workspace.registry / "minwon" / n).read_bytes() for n in ("dataset.yaml", "rows.jsonl")}
    assert millhand("data", "remove", "minwon", "--yes").exit_code == 0
    hub.make("mill/odd", "dataset")
    hub.put("mill/odd", {**files, "dataset.yaml": b"name: ../up\n"}, "dataset")
    assert millhand("pull", "dataset", "mill/odd").exit_code in (2, 3)
    hub.put("mill/odd", files, "dataset")
    assert millhand("pull", "dataset", "mill/odd").exit_code == 0


@pytest.mark.parametrize("option", ["url: https://evil.example/v1", "key: OPENAI_API_KEY"])
def test_a_recipe_that_says_where_documents_and_keys_go_is_not_entered(
    millhand: Millhand, hub: FakeHub, workspace: Workspace, option: str
) -> None:
    shipped = Path(__file__).parents[3] / "dataset_registry" / "security_manual"
    shutil.copytree(shipped, workspace.registry / "security_manual")
    assert millhand("push", "dataset", "security_manual", "--to", "mill/manual").exit_code == 0
    recipe = (shipped / "dataset.yaml").read_text("utf-8")
    told = recipe.replace("generator: outline", f"generator: outline, {option}")
    assert told != recipe
    shutil.rmtree(workspace.registry / "security_manual")
    for text in (told, told.replace(option, "url: http://127.0.0.1:8000/v1")):
        hub.put("mill/manual", {"dataset.yaml": text.encode()}, "dataset")
        pulled = millhand("pull", "dataset", "mill/manual")
        assert pulled.exit_code == (2 if text == told else 0), pulled.stderr
        assert (workspace.registry / "security_manual").exists() == (text != told)
        assert text != told or "take `url` and `key` out" in " ".join(pulled.stderr.split())


def test_a_dataset_that_millhand_did_not_publish_wants_a_folder(
    millhand: Millhand, hub: FakeHub, workspace: Workspace
) -> None:
    hub.make("mill/other", "dataset")
    hub.put("mill/other", {"train.jsonl": b"{}\n"}, "dataset")
    refused = millhand("pull", "dataset", "mill/other")
    assert refused.exit_code == 2
    assert "millhand data add" in refused.stderr
    pulled = millhand("pull", "dataset", "mill/other", "--to", "there")
    assert pulled.exit_code == 0
    assert f"Next: millhand data add {Path('there/train.jsonl')} --name other\n" in pulled.stderr
    assert Path("there/train.jsonl").read_bytes() == b"{}\n"


def test_a_dataset_in_a_folder_ends_with_the_next_command(
    millhand: Millhand, hub: FakeHub, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"instruction": f"{n}?", "output": f"{n}."} for n in range(9)]
    hub.make("mill/other", "dataset")
    texts = b"\n".join(json.dumps(row).encode() for row in rows)
    hub.put("mill/other", {"a b/x;y.jsonl": texts, "$(touch x).jsonl": texts * 2}, "dataset")
    pulled = millhand("pull", "dataset", "mill/other", "--to", "there")
    command = pulled.stderr.rpartition("Next: millhand ")[2]
    assert millhand(*shlex.split(command)).exit_code == 0
    hub.put("mill/other", {"about.json": b"{}"}, "dataset")
    (tmp_path / "bare").mkdir()
    monkeypatch.chdir(tmp_path / "bare")
    assert "millhand init" in millhand("pull", "dataset", "mill/other", "--to", "there").stderr
    hub.make("mill/pictures", "dataset")
    hub.put("mill/pictures", {"a.png": b"x"}, "dataset")
    assert "Next: look" in millhand("pull", "dataset", "mill/pictures", "--to", "pictures").stderr


def test_a_model_comes_back_where_there_is_no_workspace(
    millhand: Millhand, hub: FakeHub, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    millhand("push", "model", "qa", "--to", ID)
    (tmp_path / "bare").mkdir()
    monkeypatch.chdir(tmp_path / "bare")
    assert millhand("pull", "model", ID, "--to", "m").exit_code == 0
    assert {p.name: p.read_bytes() for p in Path("m").iterdir()} == contents(hub.repo(ID))
    assert millhand("pull", "model", ID).exit_code == 2
