"""Fetching from a Hub on loopback with the real client: whole, verified, and only then named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from millhand.errors import FindingsError, MillhandError, UsageError
from millhand.hub.client import Hub, open_hub
from millhand.hub.fetch import Fetched, fetch, find_source, read_text
from tests.hub_fake import FakeHub, User
from tests.hub_fake.fixtures import CLIENTS_OWN, ID, PART, Line, hub, line, waits

pytestmark = pytest.mark.filterwarnings(CLIENTS_OWN)
__all__ = ["hub", "line", "waits"]


@pytest.fixture
def pull(line: Line, tmp_path: Path) -> Pull:
    line.push()
    return Pull(line, tmp_path / "here" / "minwon")


class Pull:
    """Fetches what was pushed."""

    def __init__(self, line: Line, folder: Path) -> None:
        self.line, self.folder, self.said = line, folder, list[str]()

    def line_as(self, token: str) -> Hub:
        return open_hub(
            {"HF_ENDPOINT": self.line.hub.url, "HF_TOKEN": token}, self.said.append, signed_in=False
        )

    def __call__(self, token: str | None = None, revision: str = "") -> Fetched:
        opened = self.line_as(self.line.hub.token if token is None else token)
        return fetch(opened, find_source(opened, ID, "model", revision), self.folder)

    def files(self) -> dict[str, bytes]:
        return {
            p.relative_to(self.folder).as_posix(): p.read_bytes()
            for p in self.folder.rglob("*")
            if p.is_file()
        }


def test_what_was_pushed_comes_back_and_nothing_else(pull: Pull) -> None:
    assert not pull().again
    assert pull.files() == pull.line.wanted()
    assert [path.name for path in pull.folder.parent.iterdir()] == ["minwon"]


def test_a_second_fetch_looks_and_fetches_nothing(pull: Pull, hub: FakeHub) -> None:
    pull()
    before = hub.stages()
    assert pull().again
    assert set(hub.stages() - before) == {"info", "tree"}


def test_a_folder_of_something_else_is_left_alone(pull: Pull) -> None:
    pull()
    (pull.folder / "config.json").write_text("mine")
    with pytest.raises(UsageError, match="is not empty"):
        pull()
    assert (pull.folder / "config.json").read_text() == "mine"


@pytest.mark.parametrize("to", [".", "", "..", "../here"])
def test_the_folder_that_a_person_stands_in_is_not_replaced(
    pull: Pull, hub: FakeHub, tmp_path: Path, to: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "empty" / "here"
    here.mkdir(parents=True)
    monkeypatch.chdir(here)
    pull.folder = Path(to)
    with pytest.raises(UsageError, match=r"the folder that you are in|is not empty"):
        pull()
    assert "cdn" not in hub.stages()
    assert [path.name for path in here.parent.iterdir()] == ["here"]


@pytest.mark.parametrize("how", ["relative", "link"])
def test_an_empty_folder_is_filled(
    pull: Pull, tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "here").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "empty", target_is_directory=True)
    monkeypatch.chdir(tmp_path / "here")
    pull.folder = Path("../empty" if how == "relative" else "../link")
    pull()
    pull.folder = tmp_path / "empty"
    assert pull.files() == pull.line.wanted()
    assert pull().again


@pytest.mark.parametrize("kind", ["folder", "link", "file", "downloaded"])
def test_a_partial_folder_of_a_person_s_is_left_alone(
    pull: Pull, hub: FakeHub, tmp_path: Path, kind: str
) -> None:
    mine = tmp_path / "mine" / "notes.txt"
    mine.parent.mkdir()
    mine.write_text("mine")
    stage = pull.folder.with_name("minwon.partial")
    stage.parent.mkdir()
    if kind == "link":
        stage.symlink_to(mine.parent, target_is_directory=True)
    elif kind == "file":
        mine = mine.rename(stage)
    else:
        mine = mine.parent.rename(stage) / mine.name
    if kind == "downloaded":  # by the library's own command
        (stage / ".cache" / "huggingface").mkdir(parents=True)
    with pytest.raises(UsageError, match=r"minwon\.partial first"):
        pull()
    assert mine.read_text() == "mine"
    assert "cdn" not in hub.stages()


def test_what_is_left_of_another_commit_is_swept(pull: Pull, hub: FakeHub) -> None:
    hub.order("cdn", how="cut", times=1000)
    with pytest.raises(MillhandError):
        pull()
    stage = pull.folder.with_name("minwon.partial")
    (stage / "old.json").write_text("{}")
    hub.faults.clear()
    pull()
    assert pull.files() == pull.line.wanted()


@pytest.mark.parametrize("how", ["answer", "cut", "cut-midway"])
@pytest.mark.parametrize("stage", ["info", "tree", "head", "get", "cdn"])
def test_a_fault_that_passes_is_survived(pull: Pull, hub: FakeHub, stage: str, how: str) -> None:
    hub.order(stage, how=how, status=503, after_bytes=PART)
    assert pull().folder == pull.folder
    assert pull.files() == pull.line.wanted()


@pytest.mark.parametrize("how", ["answer", "cut"])
@pytest.mark.parametrize("stage", ["info", "tree", "head", "get", "cdn"])
def test_after_a_fault_that_stays_the_next_fetch_goes_on(
    pull: Pull, hub: FakeHub, stage: str, how: str
) -> None:
    fault = hub.order(stage, how=how, status=500, times=1000, skip=1 if stage == "cdn" else 0)
    with pytest.raises(MillhandError) as caught:
        pull()
    assert not pull.folder.exists()
    fault.times = 0
    fetched = hub.stages()["cdn"]
    pull()
    assert pull.files() == pull.line.wanted()
    if stage == "cdn":
        assert hub.stages()["cdn"] == fetched + 1  # the object that had arrived is not fetched again
    assert hub.token not in str(caught.value) + "".join(pull.said)
    assert "Signature" not in str(caught.value) + "".join(pull.said)


def test_bytes_that_are_not_what_the_hub_lists_never_get_the_name(pull: Pull, hub: FakeHub) -> None:
    repo = hub.repo(ID)
    entry = repo.head().files["model-00001-of-00002.safetensors"]
    whole = repo.where(entry).read_bytes()
    repo.where(entry).write_bytes(b"x" * len(whole))
    with pytest.raises(FindingsError) as caught:
        pull()
    assert [finding.id for finding in caught.value.findings] == ["hub.different"]
    assert not pull.folder.exists()
    repo.where(entry).write_bytes(whole)
    pull()
    assert pull.files() == pull.line.wanted()


def test_pickles_are_left_out_and_a_model_of_pickles_alone_is_refused(pull: Pull, hub: FakeHub) -> None:
    hub.put(ID, {"pytorch_model.bin": b"\x80\x04"})
    assert pull().source.left_out == ("pytorch_model.bin",)
    assert "pytorch_model.bin" not in pull.files()
    hub.make("mill/old")
    hub.put("mill/old", {"pytorch_model.bin": b"\x80\x04", "config.json": b"{}"})
    with pytest.raises(FindingsError, match="pickles only"):
        find_source(pull.line_as(hub.token), "mill/old", "model")


def test_what_may_run_code_is_left_out_of_a_model_and_tables_are_left_in_a_dataset(
    pull: Pull, hub: FakeHub
) -> None:
    endings = ["dill", "h5", "keras", "mar", "nemo", "npy", "NPZ", "pdparams", "tar"]
    files = {f"sub/weights.{ending}": b"x" for ending in endings} | {".bin": b"x"}
    hub.put(ID, files)
    assert set(pull().source.left_out) == set(files)
    assert pull.files() == pull.line.wanted()
    hub.make("mill/rows", "dataset")
    hub.put("mill/rows", {"rows.npy": b"x", "rows.pkl": b"x"}, "dataset")
    source = find_source(pull.line_as(hub.token), "mill/rows", "dataset")
    assert source.left_out == ("rows.pkl",)
    assert "rows.npy" in source.files


def test_the_library_is_given_few_patterns_however_many_files_there_are(
    pull: Pull, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import HfApi

    patterns, whole = list[object](), HfApi.snapshot_download

    def download(api: HfApi, repository: str, **how: Any) -> str:
        patterns.extend([*(how.get("allow_patterns") or ()), *(how.get("ignore_patterns") or ())])
        return str(whole(api, repository, **how))

    monkeypatch.setattr(HfApi, "snapshot_download", download)
    hub.put(ID, {f"many/{number}.bin": b"x" for number in range(60)} | {"sub/.gitattributes": b"x"})
    assert len(pull().source.left_out) == 60
    assert pull.files() == {**pull.line.wanted(), "sub/.gitattributes": b"x"}
    assert len(patterns) <= 3


def test_a_name_that_leads_out_of_the_folder_is_refused(pull: Pull, hub: FakeHub) -> None:
    hub.put(ID, {"../../escape.json": b"{}"})
    with pytest.raises(FindingsError, match=r"escape\.json"):
        pull()


@pytest.mark.parametrize(
    "name", ["CONFIG.json", "config.json/x.json", "a/.GIT/config", "NUL.json", "a./b.json", "a\x1b[2J.bin"]
)
def test_names_that_another_disk_bends_are_refused_and_nothing_is_written(
    pull: Pull, hub: FakeHub, name: str
) -> None:
    hub.put(ID, {name: b"{}"})
    with pytest.raises(FindingsError) as caught:
        pull()
    assert {finding.id for finding in caught.value.findings} == {"hub.unsafe-name"}
    assert "\x1b" not in str(caught.value)
    assert not pull.folder.parent.exists()


def test_a_revision_is_fetched_by_its_name_and_one_that_is_not_there_is_said(pull: Pull) -> None:
    pull.line.push(branch="v2", tag="v2.0")
    assert pull(revision="v2.0").source.commit == pull.line.hub.repo(ID).tags["v2.0"]
    with pytest.raises(FindingsError, match="has no such revision"):
        pull(revision="v9")


def test_a_gated_a_private_and_a_missing_repository_each_have_their_finding(pull: Pull, hub: FakeHub) -> None:
    hub.users.append(User("other", "hf_" + "o" * 34))
    assert _finding(pull, hub.users[1].token) == "hub.not-found"
    repo = hub.repo(ID)
    repo.private, repo.gated = False, True
    repo.save()
    assert _finding(pull, hub.users[1].token) == "hub.gated"
    assert _finding(pull, "") == "hub.gated"
    assert _finding(pull, "hf_" + "x" * 34) == "hub.bad-token"


def _finding(pull: Pull, token: str) -> str:
    with pytest.raises(FindingsError) as caught:
        pull(token)
    (finding,) = caught.value.findings
    assert finding.mend
    return finding.id


def test_a_text_is_read_as_it_is(pull: Pull, hub: FakeHub) -> None:
    assert (
        read_text(pull.line_as(hub.token), ID, "model", "main", "README.md")
        == pull.line.wanted()["README.md"].decode()
    )
