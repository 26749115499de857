"""What keeps `millhand push` from sending, showing or losing what it should not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from millhand.hub.target import Target
from millhand.pods.local import LocalPod
from millhand.runs.deliver_there import DeliveringThere, ParcelThere
from millhand.runs.ledger import Run
from millhand.workspace import Workspace
from tests.conftest import Millhand
from tests.hub_fake import FakeHub
from tests.hub_fake.fixtures import CLIENTS_OWN, contents, hub, waits
from tests.hub_fake.made import MANIFEST, make_dataset, make_run

pytestmark = pytest.mark.filterwarnings(CLIENTS_OWN)
__all__ = ["hub", "waits"]

ID = "mill/minwon"
ENDPOINT = "http://10.3.7.21:8000/v1"
PUSH = ("push", "model", "qa", "--to", ID)
SHOW = (*PUSH, "--public", "--yes")


@pytest.fixture
def run(workspace: Workspace) -> Run:
    return make_run(workspace)


@pytest.mark.parametrize("how", ["gone", "cut"])
def test_a_merged_model_that_lacks_a_part_is_not_sent_over_a_whole_one(
    millhand: Millhand, hub: FakeHub, workspace: Workspace, run: Run, how: str
) -> None:
    assert millhand("push", "model", "qa", "--to", ID).exit_code == 0
    whole = contents(hub.repo(ID))
    shard = workspace.root / "outputs/qa-merged/model-00002-of-00002.safetensors"
    data = shard.read_bytes()
    shard.unlink()
    if how == "cut":
        shard.write_bytes(data[:-1])
    result = millhand("push", "model", "qa", "--to", ID, "--json")
    assert [f["id"] for f in json.loads(result.stdout)["findings"]] == ["hub.no-weights"]
    assert "millhand export qa" in result.stdout
    assert contents(hub.repo(ID)) == whole


def test_another_run_s_merged_model_is_not_sent(
    millhand: Millhand, hub: FakeHub, workspace: Workspace, run: Run
) -> None:
    path = workspace.root / "outputs/qa-merged/millhand_run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "run": "other-3"}))
    refused = millhand("push", "model", "qa", "--to", ID)
    assert refused.exit_code == 2
    assert "not what run qa made" in refused.stderr
    assert hub.requests == []


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        (PUSH, "there is no merged model here"),
        (("push", "model", "nosuch", "--to", ID), "There is no project 'nosuch'"),
        (("push", "dataset", "nosuch", "--to", ID), "nosuch"),
    ],
)
def test_what_lies_here_is_looked_at_before_a_token_is_asked_for(
    millhand: Millhand, workspace: Workspace, run: Run, arguments: tuple[str, ...], wrong: str
) -> None:
    shutil.rmtree(workspace.root / "outputs/qa-merged")
    refused = millhand(*arguments)
    assert refused.exit_code == 2
    assert wrong in refused.stderr
    assert "HF_TOKEN" not in refused.stderr


def test_without_a_token_it_is_said_that_the_hub_was_not_asked(millhand: Millhand, run: Run) -> None:
    refused = millhand(*PUSH)
    assert refused.exit_code == 3
    assert refused.stderr.count("HF_TOKEN is not set") == 1
    assert "millhand: The Hub was not asked." in refused.stderr


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


def test_an_override_that_opens_nothing_is_told_with_the_subjects_there_are(
    millhand: Millhand, hub: FakeHub, workspace: Workspace
) -> None:
    make_dataset(workspace, licence="")
    push = ("push", "dataset", "minwon", "--to", ID, "--override")
    right, slip = "licence:minwon=by letter", "licence:mimwon=by letter"
    mistyped = millhand(*push, slip)
    assert mistyped.exit_code == 2
    assert "licence:mimwon opens nothing" in mistyped.stderr
    assert "licence:minwon" in mistyped.stderr
    assert millhand(*push, right, "--override", "secrets:rows.jsonl=ours").exit_code == 2
    assert hub.requests == []
    assert millhand(*push, right).exit_code == 0


def test_weights_that_are_taken_away_are_told(millhand: Millhand, hub: FakeHub, run: Run) -> None:
    assert millhand(*PUSH).exit_code == 0
    adapter = millhand(*PUSH, "--adapter", "--json")
    shards = [f"model-0000{number}-of-00002.safetensors" for number in (1, 2)]
    gone = json.loads(adapter.stdout)["removed"]
    assert set(shards) <= set(gone)
    assert not set(gone) & set(contents(hub.repo(ID)))
    merged = millhand(*PUSH)
    assert "Taken away there: adapter_config.json, adapter_model.safetensors." in merged.stderr


def test_quantized_files_of_another_time_stay_beside_a_merged_model(
    millhand: Millhand, hub: FakeHub, run: Run
) -> None:
    hub.make(ID)
    hub.put(ID, {"qa-q4_k_m.gguf": b"GGUF", "Modelfile.q4_k_m": b"FROM ./qa-q4_k_m.gguf"})
    pushed = millhand(*PUSH, "--json")
    assert json.loads(pushed.stdout)["removed"] == []
    assert {"qa-q4_k_m.gguf", "Modelfile.q4_k_m"} <= set(contents(hub.repo(ID)))


@pytest.mark.parametrize(("sent", "exported", "ends"), [
    ("outputs/qa", True, False), ("outputs/qa", False, True), ("outputs/qa-merged", True, True),
])  # fmt: skip
def test_a_rented_pod_stays_while_a_merged_model_on_it_was_not_sent(
    workspace: Workspace, run: Run, sent: str, exported: bool, ends: bool
) -> None:
    class Rented(LocalPod):
        def release(self) -> None:
            ended.append(sent)

    ended: list[str] = []
    pod = Rented(workspace.root)
    if not exported:
        shutil.rmtree(workspace.root / "outputs/qa-merged")
    delivering = DeliveringThere(workspace, cast(Any, None), Target("model", ID), pod=pod)
    parcel = ParcelThere(cast(Any, None), {}, bool, run=run, folder=sent)
    said = delivering.release(parcel)
    assert bool(ended) is ends
    assert ends or "outputs/qa-merged lies there and was not sent" in str(said)


def test_to_show_it_to_everyone_somebody_must_agree(millhand: Millhand, hub: FakeHub, run: Run) -> None:
    result = millhand("push", "model", "qa", "--to", ID, "--public", "--json")
    assert result.exit_code == 2
    assert "--yes" in json.loads(result.stdout)["mend"]
    assert not {"preupload", "commit", "create"} & set(hub.stages())


@pytest.mark.parametrize("token", ["hf_토큰", "hf_a b", "hf_a\tb", "“hf_abc”"])
def test_a_token_that_cannot_be_sent_is_not_shown(
    millhand: Millhand, hub: FakeHub, run: Run, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    result = millhand(*PUSH, "--json")
    assert [f["id"] for f in json.loads(result.stdout)["findings"]] == ["hub.bad-token"]
    assert token not in result.output
    assert hub.requests == []
