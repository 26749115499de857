"""``millhand sync`` between two folders: what it asks, what it answers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from millhand.cli.sync import sync
from millhand.errors import UsageError
from millhand.pods.sync.pull import pull
from millhand.pods.sync.push import push
from millhand.pods.sync.report import Report
from millhand.runs.moving import named_paths
from millhand.workspace import Workspace
from tests.conftest import HELP_NAMES, Millhand
from tests.unit.pods.sync.test_deleting import InProcess
from tests.unit.pods.sync.trees import write


class Box:
    """A pod whose workspace is a folder here."""

    name = "box"

    def __init__(self, here: Path, there: Path) -> None:
        self.here, self.there = here, there

    def sync(self, way: str, paths: Sequence[str], choice: Any = None, progress: Any = None) -> Report:
        move = push if way == "up" else pull
        return move(InProcess(), self.here, paths, place=str(self.there), choice=choice, progress=progress)


@pytest.fixture
def box(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Box:
    box = Box(workspace.root, tmp_path / "there")
    box.there.mkdir()

    @contextmanager
    def reached(workspace: Workspace, name: str, say: object) -> Iterator[Box]:
        yield box

    monkeypatch.setattr("millhand.runs.watching.reached", reached)
    monkeypatch.setattr("millhand.cli.sync.open_pod", lambda workspace, name: box)
    return box


def run(box: Box, project: str = "qa", *extra: str) -> None:
    for name in ("adapter", "old", *extra):
        write(box.here / "outputs" / project / name, b"x")
    write(box.there / "outputs" / project / "adapter", b"x")


@pytest.mark.parametrize("way", ["up", "down"])
@pytest.mark.parametrize("named", [[], ["."], ["./"], ["outputs/qa", ""]])
def test_delete_asks_for_named_folders(box: Box, millhand: Millhand, way: str, named: list[str]) -> None:
    run(box)
    told = millhand("sync", way, "--pod", "box", "--delete", "--yes", *named)
    assert (told.exit_code, "--dry-run" in told.stderr) == (2, True)
    assert (box.here / "outputs/qa/old").exists()


def test_what_would_go_is_shown_and_only_goes_when_somebody_agrees(box: Box) -> None:
    run(box)
    command = ["down", "--pod", "box", "outputs/qa", "--delete"]
    no = CliRunner().invoke(sync, command, input="n\n", help_option_names=HELP_NAMES)
    assert (no.exit_code, (box.here / "outputs/qa/old").exists()) == (0, True)
    assert "outputs/qa/old  1 bytes" in no.stderr
    assert "Remove 1 file," in no.stderr
    assert "Nothing is removed." in no.stderr
    yes = CliRunner().invoke(sync, command, input="y\n", help_option_names=HELP_NAMES)
    assert (yes.exit_code, (box.here / "outputs/qa/old").exists()) == (0, False)
    assert "removed        1" in yes.stdout


@pytest.mark.parametrize("way", ["up", "down"])
def test_where_nobody_can_be_asked_nothing_goes_and_yes_is_agreed_beforehand(
    box: Box, millhand: Millhand, way: str
) -> None:
    run(box)
    there = write(box.there / "outputs/qa/theirs", b"x")
    extra = there if way == "up" else box.here / "outputs/qa/old"
    told = millhand("sync", way, "--pod", "box", "outputs/qa", "--delete", "--json")
    assert (told.exit_code, "--yes" in json.loads(told.stdout)["mend"], extra.exists()) == (2, True, True)
    told = millhand("sync", way, "--pod", "box", "outputs/qa", "--delete", "--json", "--yes")
    assert (told.exit_code, json.loads(told.stdout)["deleted"], extra.exists()) == (0, 1, False)
    assert f"outputs/qa/{extra.name}" in told.stderr


def test_a_fresh_volume_takes_nothing_from_this_computer(box: Box, millhand: Millhand) -> None:
    run(box, "qa", "checkpoint-8/a", "merged/model")
    write(box.there / "outputs/law/adapter", b"x")
    (box.there / "outputs/qa/adapter").unlink()
    (box.there / "outputs/qa").rmdir()
    before = {path for path in (box.here / "outputs").rglob("*") if path.is_file()}
    for named in (["outputs"], ["outputs/qa"], ["models"]):
        millhand("sync", "down", "--pod", "box", *named, "--delete", "--yes")
    assert before <= set((box.here / "outputs").rglob("*"))


@pytest.mark.parametrize("way", ["up", "down"])
def test_checkpoints_go_only_when_they_are_asked_for(box: Box, millhand: Millhand, way: str) -> None:
    for side in (box.here, box.there):
        write(side / "outputs/qa/checkpoint-8/both", b"x")
        write(side / "outputs/qa/adapter", b"x")
        write(side / "outputs/qa/checkpoint-8" / side.name, b"x")
    extra = (box.there if way == "up" else box.here) / "outputs/qa/checkpoint-8"
    command = ["sync", way, "--pod", "box", "outputs/qa", "--delete", "--yes"]
    assert millhand(*command).exit_code == 0
    assert (extra / extra.parents[2].name).exists()
    assert millhand(*command, "--checkpoints").exit_code == 0
    assert not (extra / extra.parents[2].name).exists()


def test_a_dry_run_asks_nobody_and_shows_what_would_go(box: Box, millhand: Millhand) -> None:
    run(box)
    told = millhand("sync", "down", "--pod", "box", "outputs/qa", "--delete", "--dry-run", "--json")
    planned = json.loads(told.stdout)["planned"]
    assert [one for one in planned if one["action"] == "delete"] == [
        {"action": "delete", "path": "outputs/qa/old", "size": 1}
    ]
    assert (box.here / "outputs/qa/old").exists()


def test_what_was_left_out_is_in_the_one_document_of_the_answer(box: Box, millhand: Millhand) -> None:
    run(box)
    told = millhand("sync", "down", "--pod", "box", "outputs/qa", "outputs/none", "--json")
    answer = json.loads(told.stdout)
    assert (told.exit_code, answer["checked"]) == (3, 1)
    assert "left out" in answer["error"]
    assert [(f["file"], f["id"]) for f in answer["findings"]] == [("outputs/none", "sync.missing")]
    assert "outputs/none" in millhand("sync", "down", "--pod", "box", "outputs/none").stderr


def test_what_stays_although_the_other_side_lacks_it_is_said(box: Box, millhand: Millhand) -> None:
    run(box)
    write(box.here / "outputs/law/adapter", b"x")
    told = millhand("sync", "down", "--pod", "box", "outputs", "--delete", "--yes")
    assert told.exit_code == 0
    assert "outputs/law: stays" in told.stderr


def test_outputs_go_up_only_when_they_are_named(box: Box, millhand: Millhand) -> None:
    """The pod may be writing them, also where no ignore file keeps them here."""
    (box.here / ".gitignore").unlink()
    write(box.here / "outputs/qa/trainer_log.jsonl", b"old")
    write(box.there / "outputs/qa/trainer_log.jsonl", b"newer")
    write(box.here / "notes.md", b"x")
    assert millhand("sync", "up", "--pod", "box").exit_code == 0
    assert (box.there / "notes.md").exists()
    assert (box.there / "outputs/qa/trainer_log.jsonl").read_bytes() == b"newer"
    assert millhand("sync", "up", "--pod", "box", "outputs/qa").exit_code == 0
    assert (box.there / "outputs/qa/trainer_log.jsonl").read_bytes() == b"old"


def test_windows_types_paths_with_its_own_slashes() -> None:
    typed = [".\\outputs\\qa\\", "outputs/qa", "a\\b"]
    assert named_paths(typed, delete=True, windows=True) == ["outputs/qa", "outputs/qa", "a/b"]
    assert named_paths(["a\\b", "./a//b/"], delete=False, windows=False) == ["a\\b", "a/b"]
    with pytest.raises(UsageError, match="--delete"):
        named_paths([".\\"], delete=True, windows=True)
