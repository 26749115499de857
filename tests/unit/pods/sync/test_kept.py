"""An agent that serves one sync after the other."""

from __future__ import annotations

from pathlib import Path

import pytest

from millhand.pods.sync.lanes import CutError, Kept
from millhand.pods.sync.pull import pull
from millhand.pods.sync.push import push
from millhand.pods.sync.transfer import Choice
from tests.patience import WITHIN_S
from tests.unit.pods.sync.pipes import CutOpener, Opener


@pytest.fixture
def here(tmp_path: Path) -> Path:
    here = tmp_path / "here"
    (here / "data").mkdir(parents=True)
    (here / "data" / "rows.jsonl").write_text("one\n")
    return here


def test_one_agent_serves_both_ways_and_several_places(here: Path, tmp_path: Path) -> None:
    opener = Opener()
    kept = Kept(opener)
    for name in ("a", "b"):
        assert push(kept, here, ["data"], place=str(tmp_path / name)).check().files == 1
        assert (tmp_path / name / "data" / "rows.jsonl").read_text() == "one\n"
    (tmp_path / "b" / "data" / "rows.jsonl").write_text("two\n")
    assert pull(kept, here, ["data"], place=str(tmp_path / "b")).check().files == 1
    assert (here / "data" / "rows.jsonl").read_text() == "two\n"
    assert opener.opened == 1
    kept.close()
    assert opener.pipes[0].process.wait(WITHIN_S) == 0


def test_a_change_between_two_syncs_is_seen(here: Path, tmp_path: Path) -> None:
    kept, place = Kept(Opener()), tmp_path / "there"
    push(kept, here, ["data"], place=str(place))
    (place / "data" / "rows.jsonl").write_text("six\n")  # the size it had
    report = push(kept, here, ["data"], place=str(place))
    assert report.files == 1
    assert (place / "data" / "rows.jsonl").read_text() == "one\n"
    (here / "data" / "more.jsonl").write_bytes(b"x" * 3_000_000)
    assert push(kept, here, ["data"], place=str(place)).files == 1
    assert report.sent < push(kept, here, ["data"], place=str(place)).sent + 1000  # each sync counts its own
    kept.close()


def test_a_dry_run_keeps_it_and_changes_nothing(here: Path, tmp_path: Path) -> None:
    opener = Opener()
    kept, place = Kept(opener), tmp_path / "there"
    planned = push(kept, here, ["data"], place=str(place), choice=Choice(dry_run=True)).planned
    assert [one.path for one in planned] == ["data", "data/rows.jsonl"]
    assert not place.exists()
    assert push(kept, here, ["data"], place=str(place)).files == 1
    assert opener.opened == 1
    kept.close()


def test_one_that_has_died_is_replaced(here: Path, tmp_path: Path) -> None:
    opener = Opener()
    kept, place = Kept(opener), tmp_path / "there"
    push(kept, here, ["data"], place=str(place))
    opener.pipes[0].process.kill()
    opener.pipes[0].process.wait()
    lane = kept.take()
    if lane is not None:  # its end is heard by a thread
        lane._thread.join(WITHIN_S)
        kept.put_back(lane)
    (here / "data" / "rows.jsonl").write_text("two\n")
    assert push(kept, here, ["data"], place=str(place)).files == 1
    assert opener.opened == 2
    kept.close()


def test_one_that_was_cut_is_not_kept(here: Path, tmp_path: Path) -> None:
    (here / "data" / "large.bin").write_bytes(bytes(range(256)) * 20_000)
    kept = Kept(CutOpener(written=1_000_000))
    with pytest.raises(CutError):
        push(kept, here, ["data"], place=str(tmp_path / "there"))
    assert kept.take() is None


def test_two_at_once_have_one_each_and_one_stays(here: Path, tmp_path: Path) -> None:
    opener = Opener()
    kept = Kept(opener)
    push(kept, here, ["data"], place=str(tmp_path / "a"))
    lane = kept.take()
    assert lane is not None
    push(kept, here, ["data"], place=str(tmp_path / "b"))
    kept.put_back(lane)
    assert opener.opened == 2
    assert opener.pipes[0].process.wait(WITHIN_S) == 0
    kept.close()
