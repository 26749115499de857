"""A root's folders, used by several threads at once."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from millhand.pods.sync.folders import Root
from millhand.pods.sync.pull import pull
from millhand.pods.sync.push import push
from tests.unit.pods.sync.pipes import Opener
from tests.unit.pods.sync.trees import write

MANY = 100  # folders: more than are held open


@pytest.fixture
def root(tmp_path: Path) -> Root:
    for number in range(MANY):
        write(tmp_path / f"{number}" / "file", b"%d" % number)
    return Root(str(tmp_path))


def test_a_folder_stays_what_it_is_while_another_thread_opens_many(root: Root, tmp_path: Path) -> None:
    folder, name = root.place("0/file")
    with ThreadPoolExecutor(1) as pool:
        for number in range(1, MANY):
            pool.submit(root.place, f"{number}/file").result()
    found = folder.status(name)
    assert found is not None
    assert found.st_ino == (tmp_path / "0" / "file").stat().st_ino


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="descriptors are counted in /proc")
def test_the_folders_of_a_thread_are_let_go_with_it(root: Root) -> None:
    def opened() -> int:
        return len(os.listdir("/proc/self/fd"))

    before = opened()
    for _ in range(5):
        thread = threading.Thread(target=lambda: [root.look(f"{number}/file") for number in range(MANY)])
        thread.start()
        thread.join()
    assert opened() <= before + 1
    root.look("0/file")
    root.forget()
    assert opened() <= before + 1


def test_what_comes_while_the_rest_is_still_looked_at_arrives_in_its_own_folder(tmp_path: Path) -> None:
    here, back = tmp_path / "here", tmp_path / "back"
    for number in range(3000):  # in 300 folders
        write(here / f"{number % 300}" / f"{number}", b"%d" % number)
    (tmp_path / "there").mkdir()
    push(Opener(), here, ["."], place=str(tmp_path / "there")).check()
    pull(Opener(), back, ["."], place=str(tmp_path / "there")).check()
    for number in range(3000):
        assert (back / f"{number % 300}" / f"{number}").read_bytes() == b"%d" % number
