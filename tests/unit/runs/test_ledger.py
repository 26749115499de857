"""The ledger: runs, step marks, remembered hashes, several clients."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from millhand.errors import MillhandError
from millhand.runs.ledger import Ledger, Run


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "state" / "ledger.sqlite")


def run(name: str, project: str = "qa", created_s: float = 1.0) -> Run:
    return Run(name, project, "c.yaml", "f", "local", f"outputs/{name}", created_s, {"data": {"질문": "ab"}})


def test_runs_come_back_as_they_were_oldest_first(ledger: Ledger) -> None:
    assert ledger.runs() == []
    for entered in (run("b", created_s=2.0), run("a"), run("c", project="other", created_s=3.0)):
        ledger.add(entered)
    assert ledger.runs("qa") == [run("a"), run("b", created_s=2.0)]
    assert [entered.name for entered in ledger.runs()] == ["a", "b", "c"]


def test_a_run_keeps_that_it_is_to_be_merged_and_moves_with_it(ledger: Ledger) -> None:
    ledger.add(run("qa"))
    moved = ledger.move(ledger.export_too(run("qa")), "ssh://kim@gpu.lab:22/data")
    assert moved.exports
    assert ledger.runs() == [moved]


def test_a_ledger_of_an_earlier_millhand_is_gone_on_with(ledger: Ledger, tmp_path: Path) -> None:
    ledger.add(run("qa"))
    with closing(sqlite3.connect(tmp_path / "state" / "ledger.sqlite")) as db:
        db.execute("ALTER TABLE run DROP COLUMN exports")
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: ledger.runs(), range(8))) == [[run("qa")]] * 8
    assert ledger.export_too(run("qa")) in ledger.runs()


def test_a_step_is_done_only_after_its_mark_and_not_when_it_begins_again(ledger: Ledger) -> None:
    ledger.add(run("qa"))
    ledger.begin("qa", "train")
    assert ledger.done("qa", "train") is None
    ledger.finish("qa", "train", {"exit_code": 0})
    mark = ledger.done("qa", "train")
    assert mark is not None
    assert mark.facts == {"exit_code": 0}
    ledger.begin("qa", "train")
    assert ledger.done("qa", "train") is None
    assert [step.name for step in ledger.steps("qa")] == ["train"]


def test_many_clients_may_write_at_once(ledger: Ledger) -> None:
    ledger.add(run("qa"))

    def mark(number: int) -> None:
        ledger.begin("qa", f"step-{number}")
        ledger.finish("qa", f"step-{number}", {"number": number})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(mark, range(40)))
    assert sorted(step.facts["number"] for step in ledger.steps("qa")) == list(range(40))


def test_a_damaged_ledger_is_told_with_its_path_and_not_touched(ledger: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "state" / "ledger.sqlite"
    path.parent.mkdir()
    path.write_bytes(b"not a database at all, but long enough to be looked at" * 40)
    before = path.read_bytes()
    with pytest.raises(MillhandError, match=r"ledger\.sqlite cannot be used"):
        ledger.runs()
    assert path.read_bytes() == before


def test_a_project_is_forgotten_with_its_steps_and_no_other(ledger: Ledger) -> None:
    ledger.add(run("qa"))
    ledger.add(run("other", project="other"))
    for name in ("qa", "other"):
        ledger.begin(name, "train")
    ledger.forget("qa")
    assert [entered.name for entered in ledger.runs()] == ["other"]
    assert (ledger.steps("qa"), len(ledger.steps("other"))) == ([], 1)


def test_a_hash_is_remembered_until_the_file_changes(ledger: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"one")
    assert ledger.sha256(path) == hashlib.sha256(b"one").hexdigest()
    stat = path.stat()
    path.write_bytes(b"two")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    assert ledger.sha256(path) == hashlib.sha256(b"two").hexdigest()
    path.write_bytes(b"too")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    assert ledger.sha256(path) == hashlib.sha256(b"two").hexdigest(), "the same size and time: not read again"


def test_a_ledger_that_cannot_be_brought_up_to_date_is_told(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("millhand.runs.ledger._LATER", "ALTER TABLE nowhere ADD COLUMN exports INTEGER")
    ledger.runs()
    with closing(sqlite3.connect(tmp_path / "state" / "ledger.sqlite")) as db:
        db.execute("ALTER TABLE run DROP COLUMN exports")
    with pytest.raises(MillhandError, match="cannot be used"):
        ledger.runs()
