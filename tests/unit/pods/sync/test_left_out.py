"""What a sync leaves where it is: ignored files, secrets, each side's own notes, what nobody named."""

from __future__ import annotations

from pathlib import Path

import pytest

from millhand.errors import FindingsError
from millhand.pods.sync.pull import pull
from millhand.pods.sync.push import push
from millhand.pods.sync.transfer import Choice
from tests.unit.pods.sync.pipes import Opener
from tests.unit.pods.sync.trees import tree, write


@pytest.fixture
def opener() -> Opener:
    return Opener()


def test_nothing_is_deleted_unless_asked_and_then_only_what_is_named_and_not_ignored(
    tmp_path: Path, opener: Opener
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    write(here / "a" / "keep", b"1")
    write(here / ".gitignore", b"*.log\n")
    for name in ("a/old", "a/deep/old", "a/x.log", "b/other"):
        write(there / name, b"0")
    write(here / "a" / "deep" / "keep", b"1")
    push(opener, here, ["a"], place=str(there)).check()
    assert (there / "a/old").exists()
    report = push(opener, here, ["a"], place=str(there), choice=Choice(delete=True)).check()
    assert sorted(str(p.relative_to(there)) for p in there.rglob("*") if ".millhand" not in p.parts) == [
        "a",
        "a/deep",
        "a/deep/keep",
        "a/keep",
        "a/x.log",
        "b",
        "b/other",
    ]
    assert report.deleted == 2
    (there / "a/keep").unlink()
    assert pull(opener, here, ["a"], place=str(there), choice=Choice(delete=True)).check().deleted == 1
    assert not (here / "a/keep").exists()


def test_ignored_and_secret_files_stay_but_what_is_named_goes(tmp_path: Path, opener: Opener) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    write(here / ".gitignore", b"outputs/\n.millhand/\n")
    for name in (
        "a",
        "outputs/run/model",
        ".env",
        ".git/config",
        "id_ed25519",
        "k.pem",
        ".millhand/ledger.sqlite",
    ):
        write(here / name, b"x")
    push(opener, here, ["."], place=str(there)).check()
    assert set(tree(there)) == {"a", ".gitignore"}
    push(opener, here, ["outputs/run"], place=str(there)).check()
    assert (there / "outputs/run/model").exists()
    for name in (".env", ".git", ".millhand/ledger.sqlite", "id_ed25519"):
        with pytest.raises(FindingsError, match="secrets"):
            push(opener, here, [name], place=str(there)).check()
        write(there / name / "x" if name == ".git" else there / name, b"planted")
    pull(opener, here, ["."], place=str(there)).check()
    assert (here / ".env").read_bytes() == b"x"
    assert not (here / ".git/x").exists()


@pytest.mark.parametrize("way", ["up", "down"])
def test_each_side_keeps_millhands_notes_of_its_own(tmp_path: Path, opener: Opener, way: str) -> None:
    """No ignore file is needed: a job's state here is not that of the job there."""
    here, there = tmp_path / "here", tmp_path / "there"
    for side in (here, there):
        for name in ("jobs/train-qa/state.json", "jobs/train-qa/only", "runs/qa/train.yaml"):
            write(side / ".millhand" / name, side.name.encode())
        write(side / "deep" / ".millhand" / "jobs" / "a", side.name.encode())
        write(side / f"of {side.name}", b"x")
    move, source, target = (push, here, there) if way == "up" else (pull, there, here)
    move(opener, here, ["."], place=str(there)).check()
    assert (target / f"of {source.name}").exists()
    for path in (*target.glob(".millhand/[jr]*/**/*"), target / "deep/.millhand/jobs/a"):
        assert path.is_dir() or path.read_bytes() == target.name.encode()
    with pytest.raises(FindingsError, match="notes of its own"):
        move(opener, here, [".millhand"], place=str(there)).check()
    move(opener, here, [".millhand/runs/qa"], place=str(there)).check()
    assert (target / ".millhand/runs/qa/train.yaml").read_bytes() == source.name.encode()
    assert (target / ".millhand/jobs/train-qa/state.json").read_bytes() == target.name.encode()


def test_what_lies_in_an_ignored_folder_there_is_not_brought(tmp_path: Path, opener: Opener) -> None:
    write(tmp_path / "here" / ".gitignore", b"outputs/\n")
    for name in ("outputs/qa/adapter", "a"):
        write(tmp_path / "there" / name, b"x")
    pull(opener, tmp_path / "here", ["."], place=str(tmp_path / "there")).check()
    assert set(tree(tmp_path / "here")) == {".gitignore", "a"}


def test_what_is_skipped_goes_only_when_it_is_named(tmp_path: Path, opener: Opener) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for name in ("outputs/qa/adapter", "a/outputs"):
        write(here / name, b"x")
    choice = Choice(skip=("outputs",))
    push(opener, here, ["."], place=str(there), choice=choice).check()
    assert set(tree(there)) == {"a", "a/outputs"}
    push(opener, here, ["outputs/qa"], place=str(there), choice=choice).check()
    assert (there / "outputs/qa/adapter").exists()
