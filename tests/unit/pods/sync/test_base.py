"""A large file whose older version goes together with it, block by block, for a while or all along."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millhand.pods.sync.base import Base
from millhand.pods.sync.folders import Root
from millhand.pods.sync.hashes import BLOCK
from millhand.pods.sync.lanes import Kept
from millhand.pods.sync.push import push
from millhand.pods.sync.report import Report
from millhand.pods.sync.store import Store
from tests.unit.pods.sync.pipes import Opener

_OLD = b"".join(os.urandom(40) * (BLOCK // 40) + bytes(BLOCK % 40) for _ in range(12)) + b"the end"
_CASES = {
    "appended": _OLD + os.urandom(BLOCK // 2) + b"x" * 3_000_000,
    "cut short": _OLD[: 9 * BLOCK + 5],
    "changed at two places": _OLD[:BLOCK] + b"!" + _OLD[BLOCK + 1 : 7 * BLOCK] + b"?" + _OLD[7 * BLOCK + 1 :],
    "inserted": _OLD[: 6 * BLOCK + 77] + b"new\n" * 300_000 + _OLD[6 * BLOCK + 77 :],
    "begun anew": os.urandom(11 * BLOCK),
    "zeros": _OLD[: 3 * BLOCK] + bytes(5 * BLOCK) + _OLD[8 * BLOCK :],
}


def _pushed(tmp_path: Path, opener: Opener | Kept, old: bytes, new: bytes) -> Report:
    here, there = tmp_path / "here", tmp_path / "there"
    for folder, data in ((here, new), (there, old)):
        folder.mkdir(exist_ok=True)
        (folder / "large").write_bytes(data)
    report = push(opener, here, ["large"], place=str(there)).check()
    assert (there / "large").read_bytes() == new
    assert sorted(os.listdir(there)) in (["large"], [".millhand", "large"])
    return report


@pytest.mark.parametrize("case", _CASES)
def test_it_becomes_the_new_one(tmp_path: Path, case: str) -> None:
    _pushed(tmp_path, Opener(), _OLD, _CASES[case])


def test_what_is_at_its_place_is_not_sent(tmp_path: Path) -> None:
    report = _pushed(tmp_path, Opener(), _OLD, _OLD + b"more")
    assert report.reused == 12 * BLOCK
    assert report.sent < 100_000


@settings(max_examples=15, deadline=None)
@given(
    edits=st.lists(
        st.tuples(st.integers(0, 10 * BLOCK), st.integers(0, 3000), st.integers(0, 3000)), max_size=3
    )
)
def test_any_edits(tmp_path_factory: pytest.TempPathFactory, edits: list[tuple[int, int, int]]) -> None:
    new = _OLD
    for at, removed, added in edits:
        new = new[:at] + os.urandom(added) + new[at + removed :]
    _pushed(tmp_path_factory.mktemp("edits"), Opener(), _OLD, new)


def test_an_old_file_that_changes_while_it_is_copied_does_no_harm(tmp_path: Path) -> None:
    old = tmp_path / "large"
    old.write_bytes(_OLD)
    store = Store(Root(str(tmp_path)), "0" * 8)
    first = store.copy_base("large", 12)
    old.write_bytes(bytes(len(_OLD)))  # what was copied is what was said, whatever became of it since
    part = next(tmp_path.glob(".millhand-*.part"))
    assert part.read_bytes() == _OLD[: 12 * BLOCK]
    assert Base(None, first, first).first == 12
    store.close()


def test_only_whole_blocks_are_copied(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(_OLD)
    store = Store(Root(str(tmp_path)), "0" * 8)
    assert len(store.copy_base("large", 100)) == 12
    store.close()
