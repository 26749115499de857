"""millhand push, against the Hub on loopback with the real client."""

from __future__ import annotations

import json

import pytest
from click.testing import Result

from millhand.runs.deliver import DELIVERED, delivered
from millhand.runs.finished import open_ledger
from millhand.runs.ledger import Run
from millhand.workspace import Workspace
from tests.conftest import Millhand
from tests.hub_fake import FakeHub, User
from tests.hub_fake.fixtures import CLIENTS_OWN, contents, hub, waits
from tests.hub_fake.made import MANIFEST, make_dataset, make_run

pytestmark = pytest.mark.filterwarnings(CLIENTS_OWN)
__all__ = ["hub", "waits"]

ID = "mill/minwon"
LEFT = {"training_args.bin", "trainer_state.json", "trainer_log.jsonl"}


@pytest.fixture
def run(workspace: Workspace) -> Run:
    return make_run(workspace)


def test_a_merged_model_is_published_privately_with_its_card_and_the_run_says_so(
    millhand: Millhand, hub: FakeHub, workspace: Workspace, run: Run
) -> None:
    result = millhand("push", "model", "qa", "--to", ID, "--json")
    assert result.exit_code == 0, result.stderr
    answer, repo = json.loads(result.stdout), hub.repo(ID)
    files = contents(repo)
    merged = {p.name: p.read_bytes() for p in (workspace.root / "outputs/qa-merged").iterdir()}
    del merged[MANIFEST]
    assert {name: files[name] for name in merged} == merged
    assert set(files) == {*merged, MANIFEST, "README.md"}
    assert "base_model" in files["README.md"].decode() or "minwon" in files["README.md"].decode()
    assert repo.private
    (fact,) = delivered(workspace, run)
    assert fact["commit"] == answer["commit"] == repo.branches["main"]
    assert {file["path"] for file in answer["files"]} == set(files)


def test_an_adapter_is_published_without_what_a_trainer_left(
    millhand: Millhand, hub: FakeHub, run: Run
) -> None:
    result = millhand("push", "model", "qa", "--to", ID, "--adapter", "--public", "--yes", "--tag", "v1")
    assert result.exit_code == 0, result.stderr
    files = contents(hub.repo(ID), "v1")
    assert {"adapter_config.json", "adapter_model.safetensors", "README.md"} <= set(files)
    assert not LEFT & set(files)
    assert not hub.repo(ID).private


def test_the_base_s_licence_the_picture_of_the_loss_and_quantized_files_go_along(
    millhand: Millhand, hub: FakeHub, workspace: Workspace, run: Run
) -> None:
    root = workspace.root
    (root / "models/tiny/LICENSE").write_text("The terms")
    (root / "outputs/qa/training_loss.png").write_bytes(b"\x89PNG\0")
    (root / "outputs/qa-merged/qa-q8_0.gguf").write_bytes(b"GGUF\0\1\2\3")
    (root / "outputs/qa-merged/Modelfile.q8_0").write_text("FROM ./qa-q8_0.gguf\n")
    assert millhand("push", "model", "qa", "--to", ID).exit_code == 0
    assert {"LICENSE", "training_loss.png", "qa-q8_0.gguf", "Modelfile.q8_0"} <= set(contents(hub.repo(ID)))


def test_a_second_push_says_that_it_is_there(millhand: Millhand, hub: FakeHub, run: Run) -> None:
    millhand("push", "model", "qa", "--to", ID)
    again = millhand("push", "model", "qa", "--to", ID)
    assert again.exit_code == 0
    assert "It was there already" in again.stderr
    assert len(hub.repo(ID).commits) == 2


def test_what_a_person_wrote_into_the_card_is_there_after_the_next_push(
    millhand: Millhand, hub: FakeHub, run: Run
) -> None:
    millhand("push", "model", "qa", "--to", ID)
    card = hub.repo(ID).read("README.md").decode()
    hub.put(ID, {"README.md": (card + "\n## 문의\n\n담당자에게 물어보세요.\n").encode()})
    assert millhand("push", "model", "qa", "--to", ID).exit_code == 0
    assert "담당자에게 물어보세요." in hub.repo(ID).read("README.md").decode()


def test_public_is_asked_for_and_no_means_no(
    millhand: Millhand, hub: FakeHub, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("click.confirm", lambda *_, **__: False)
    result = millhand("push", "model", "qa", "--to", ID, "--public")
    assert result.exit_code == 130
    assert hub.find("model", ID) is None


def test_a_dry_run_shows_every_file_and_makes_nothing(
    millhand: Millhand, hub: FakeHub, workspace: Workspace, run: Run
) -> None:
    result = millhand("push", "model", "qa", "--to", ID, "--dry-run", "--json")
    rows = {row["path"]: row for row in json.loads(result.stdout)["files"]}
    assert rows["config.json"]["state"] == "new"
    assert all(len(row["sha256"]) == 64 and row["size"] > 0 for row in rows.values())
    assert hub.find("model", ID) is None
    assert not set(hub.stages()) & {"create", "preupload", "commit", "put"}
    assert delivered(workspace, run) == []
    text = millhand("push", "model", "qa", "--to", ID, "--dry-run")
    assert rows["config.json"]["sha256"] in text.stdout
    assert "bytes would go" in text.stderr


def test_after_a_break_a_dry_run_says_what_is_there_and_the_run_is_not_delivered(
    millhand: Millhand, hub: FakeHub, workspace: Workspace, run: Run
) -> None:
    fault = hub.order("commit", how="cut", times=1000)
    broken = millhand("push", "model", "qa", "--to", ID)
    assert broken.exit_code == 1
    assert "goes on where it stopped" in broken.stderr
    assert open_ledger(workspace).done("qa", f"{DELIVERED}model:{ID}@main") is None
    dry = json.loads(millhand("push", "model", "qa", "--to", ID, "--dry-run", "--json").stdout)
    assert {row["path"] for row in dry["files"] if row["stored"]} == {
        f"model-0000{number}-of-00002.safetensors" for number in (1, 2)
    }
    fault.times = 0
    received = dict(hub.received)
    assert millhand("push", "model", "qa", "--to", ID).exit_code == 0
    assert dict(hub.received) == received
    assert len(delivered(workspace, run)) == 1


def test_a_run_is_named_by_option_or_where_no_project_has_its_name(
    millhand: Millhand, hub: FakeHub, workspace: Workspace, run: Run
) -> None:
    make_run(workspace, "qa-2")
    for arguments, meant in (
        (["qa"], "qa-2"),
        (["qa", "--run", "qa"], "qa"),
        (["qa-2"], "qa-2"),
    ):
        result = millhand("push", "model", *arguments, "--to", ID, "--dry-run", "--json")
        assert json.loads(result.stdout)["run"] == meant


def test_the_model_s_card_names_the_dataset_that_was_pushed_before(
    millhand: Millhand, hub: FakeHub, run: Run
) -> None:
    millhand("push", "dataset", "minwon", "--to", "mill/minwon-data")
    millhand("push", "model", "qa", "--to", ID)
    assert "mill/minwon-data" in hub.repo(ID).read("README.md").decode()
    millhand("push", "model", "qa", "--to", "mill/open", "--public", "--yes")
    assert "mill/minwon-data" not in hub.repo("mill/open").read("README.md").decode()


# One finding each, and nothing is sent where that can be known.
def test_a_missing_token(millhand: Millhand, hub: FakeHub, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN")
    assert one_finding(millhand("push", "model", "qa", "--to", ID, "--json")) == "hub.no-token"
    assert hub.requests == []


def test_a_token_from_the_env_file(
    millhand: Millhand, hub: FakeHub, workspace: Workspace, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    with (workspace.root / ".env").open("a") as file:
        file.write(f"HF_TOKEN={hub.token}\n")
    assert millhand("push", "model", "qa", "--to", ID).exit_code == 0


@pytest.mark.parametrize("user", ["bad", "read", "stranger", "fine", "org-reader"])
def test_a_token_without_the_right(
    millhand: Millhand, hub: FakeHub, run: Run, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = "hf_" + user.replace("-", "") * 6
    made = {
        "read": User("mill", token, "read"),
        "stranger": User("other", token),
        "fine": User("mill", token, "fineGrained", scopes=("elsewhere",)),
        "org-reader": User("other", token, orgs=(("mill", "read"),)),
    }
    hub.users += [made[user]] if user in made else []
    monkeypatch.setenv("HF_TOKEN", token)
    found = one_finding(millhand("push", "model", "qa", "--to", ID, "--json"))
    assert found == ("hub.bad-token" if user == "bad" else "hub.no-right")
    assert set(hub.stages()) == {"whoami"}


@pytest.mark.parametrize(
    "name", ["minwon", "a/b/c", "mill/-x", "mill/a--b", "mill/a.git", "밀/이름", "mill/" + "x" * 99]
)
def test_a_bad_name(millhand: Millhand, hub: FakeHub, run: Run, name: str) -> None:
    assert one_finding(millhand("push", "model", "qa", "--to", name, "--json")) == "hub.bad-name"
    assert hub.requests == []


@pytest.mark.parametrize("option", [("--revision", "a..b"), ("--tag", "a b"), ("--revision", "0" * 40)])
def test_a_bad_branch_or_tag(millhand: Millhand, hub: FakeHub, run: Run, option: tuple[str, str]) -> None:
    assert one_finding(millhand("push", "model", "qa", "--to", ID, *option, "--json")) == "hub.bad-name"
    assert hub.requests == []


def test_a_name_that_is_another_type_s(millhand: Millhand, hub: FakeHub, run: Run) -> None:
    hub.make(ID, "dataset")
    assert one_finding(millhand("push", "model", "qa", "--to", ID, "--json")) == "hub.other-type"
    assert hub.find("model", ID) is None


def test_a_public_repository_without_public(millhand: Millhand, hub: FakeHub, run: Run) -> None:
    hub.make(ID, private=False)
    assert one_finding(millhand("push", "model", "qa", "--to", ID, "--json")) == "hub.public"
    assert "preupload" not in hub.stages()


def test_a_tag_that_is_on_another_commit(millhand: Millhand, hub: FakeHub, run: Run) -> None:
    hub.make(ID)
    repo = hub.repo(ID)
    repo.tags["v1"] = repo.branches["main"]
    repo.save()
    found = one_finding(millhand("push", "model", "qa", "--to", ID, "--tag", "v1", "--json"))
    assert found == "hub.tag-taken"
    assert not set(hub.stages()) & {"preupload", "batch", "commit"}


@pytest.mark.parametrize("stage", ["create", "preupload", "batch", "commit"])
def test_no_space(millhand: Millhand, hub: FakeHub, run: Run, stage: str) -> None:
    if stage == "batch":
        hub.quota_bytes = 100_000
    else:
        hub.order(stage, status=403, message="Private repository storage limit reached, please upgrade")
    assert one_finding(millhand("push", "model", "qa", "--to", ID, "--json")) == "hub.no-space"
    assert stage == "commit" or not hub.received


def test_pickled_weights_are_refused(
    millhand: Millhand, hub: FakeHub, workspace: Workspace, run: Run
) -> None:
    (workspace.root / "outputs/qa-merged/pytorch_model.bin").write_bytes(b"\x80\x04")
    assert one_finding(millhand("push", "model", "qa", "--to", ID, "--json")) == "hub.pickle"
    assert hub.requests == []


def test_a_licence_that_is_not_known_wants_a_reason_that_the_card_tells(
    millhand: Millhand, hub: FakeHub, workspace: Workspace
) -> None:
    make_dataset(workspace, licence="")
    assert one_finding(millhand("push", "dataset", "minwon", "--to", ID, "--json")) == "hub.licence"
    assert hub.requests == []
    opened = millhand("push", "dataset", "minwon", "--to", ID, "--override", "licence:minwon=우리 것입니다")
    assert opened.exit_code == 0, opened.stderr
    assert "우리 것입니다" in hub.repo(ID, "dataset").read("README.md").decode()


def test_a_rate_limit_is_waited_for_as_long_as_it_asks(
    millhand: Millhand, hub: FakeHub, run: Run, waits: list[float]
) -> None:
    hub.order("whoami", status=429, message="Too many", headers={"Retry-After": "7"})
    result = millhand("push", "model", "qa", "--to", ID)
    assert result.exit_code == 0
    assert 8.0 in waits
    assert "Trying again in 8 s" in result.stderr


def one_finding(result: Result) -> str:
    """The id of the one finding of severity error; it says what to do."""
    errors = [f for f in json.loads(result.stdout)["findings"] if f["severity"] == "error"]
    assert result.exit_code == 3, result.stderr
    assert len(errors) == 1
    assert errors[0]["mend"]
    return str(errors[0]["id"])
