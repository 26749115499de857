"""What a sync tells on the way."""

from __future__ import annotations

import os
from pathlib import Path

from millhand.pods.sync.hashes import BLOCK
from millhand.pods.sync.pull import pull
from millhand.pods.sync.push import push
from millhand.pods.sync.tree import shown
from tests.unit.pods.sync.pipes import Opener
from tests.unit.pods.sync.trees import write


class Counter:
    """Adds up what it is told."""

    def __init__(self) -> None:
        self.expected, self.there = [0, 0], [0, 0]

    def total(self, files: int, size: int) -> None:
        self.expected = [self.expected[0] + files, self.expected[1] + size]

    def done(self, files: int, size: int) -> None:
        self.there = [self.there[0] + files, self.there[1] + size]


def test_progress_ends_where_it_was_to_end_and_the_report_agrees(tmp_path: Path) -> None:
    here, there, opener = tmp_path / "here", str(tmp_path / "there"), Opener()
    for number in range(10):
        write(here / f"{number}", os.urandom(number * 1000))
    write(here / "large", os.urandom(4 * BLOCK + 5))
    write(here / "zeros", bytes(3 * BLOCK))
    sent = Counter()
    report = push(opener, here, ["."], place=there, progress=sent).check()
    assert sent.there == sent.expected == [report.files, report.size]
    write(here / "large", b"new" + (here / "large").read_bytes())
    sent = Counter()
    report = push(opener, here, ["."], place=there, progress=sent).check()
    assert sent.there == sent.expected == [1, 4 * BLOCK + 8]
    got = Counter()
    report = pull(opener, tmp_path / "back", ["."], place=there, progress=got).check()
    assert got.there == got.expected == [report.files, report.size]


def test_a_path_is_shown_on_one_line_and_can_be_printed() -> None:
    assert shown("a b\n\x1b[31m한글\udcff") == "a b\\n\\x1b[31m한글\\udcff"
