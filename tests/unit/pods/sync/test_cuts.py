"""The connection breaks, two push at once, a file changes under the hand: nothing half, nothing twice."""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from millhand.pods.sync import hashes
from millhand.pods.sync.hashes import BLOCK
from millhand.pods.sync.lanes import CutError
from millhand.pods.sync.pull import pull
from millhand.pods.sync.push import push
from millhand.pods.sync.transfer import Choice
from tests.unit.pods.sync.pipes import CutOpener, Opener, Pipe
from tests.unit.pods.sync.trees import OLD, tree, write

LARGE = 6 * BLOCK + 99


def made(root: Path) -> Path:
    """A tree with all that travels: small files, large ones, a folder, a link."""
    draw = hashlib.shake_256
    for number in range(20):
        write(root / f"d{number % 2}" / f"{number}", draw(b"%d" % number).digest(9000))
    write(root / "large", draw(b"large").digest(LARGE))
    lines = [b"%d %s\n" % (n, draw(b"%d" % n).hexdigest(200).encode()) for n in range(5000)]
    write(root / "rows", b"".join(lines))
    (root / "empty").mkdir()
    (root / "link").symlink_to("d0/0")
    return root


def whole_or_old(there: Path, here: Path, old: bytes) -> None:
    """No target is half-written."""
    for path in there.rglob("*"):
        if path.is_file() and not path.name.startswith(".millhand-") and ".millhand" not in path.parts:
            expected = (here / path.relative_to(there)).read_bytes()
            assert path.read_bytes() in (expected, old)


def parts(root: Path) -> list[Path]:
    return list(root.rglob(".millhand-*.part"))


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(written=st.integers(0, LARGE + 1_000_000), read=st.none() | st.integers(0, 1500))
def test_a_push_that_is_cut_anywhere_goes_on(
    tmp_path_factory: pytest.TempPathFactory, written: int, read: int | None
) -> None:
    base = tmp_path_factory.mktemp("cut")
    here, there = made(base / "here"), base / "there"
    old = (here / "rows").read_bytes()[: 2 * BLOCK]
    write(there / "rows", old, OLD - 10**12)
    try:
        first = push(CutOpener(written, read), here, ["."], place=str(there)).files
    except CutError:
        first = -1
    whole_or_old(there, here, old)
    report = push(Opener(), here, ["."], place=str(there)).check()
    assert tree(there) == tree(here)
    assert not parts(there)
    if first >= 0:
        assert report.files == 0


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(read=st.integers(0, LARGE + 1_000_000))
def test_a_pull_that_is_cut_anywhere_goes_on(tmp_path_factory: pytest.TempPathFactory, read: int) -> None:
    base = tmp_path_factory.mktemp("cut")
    there, here = made(base / "there"), base / "here"
    old = (there / "rows").read_bytes()[: 2 * BLOCK]
    write(here / "rows", old, OLD - 10**12)
    with contextlib.suppress(CutError):
        pull(CutOpener(read=read), here, ["."], place=str(there))
    whole_or_old(here, there, old)
    pull(Opener(), here, ["."], place=str(there)).check()
    assert tree(here) == tree(there)
    assert not parts(here)


@pytest.mark.parametrize("old", [b"", b"start" * 500_000])
def test_what_has_arrived_is_not_sent_again(tmp_path: Path, old: bytes) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    content = os.urandom(24 * BLOCK)
    write(here / "large", content)
    if old:
        write(there / "large", old)
    with pytest.raises(CutError, match="goes on from there"):
        push(CutOpener(16 * BLOCK), here, ["."], place=str(there))
    report = push(Opener(), here, ["."], place=str(there)).check()
    assert report.sent < 11 * BLOCK
    assert report.reused >= 14 * BLOCK
    back = tmp_path / "back"
    with pytest.raises(CutError):
        pull(CutOpener(read=16 * BLOCK), back, ["."], place=str(there))
    got = pull(Opener(), back, ["."], place=str(there)).check()
    assert got.received < 11 * BLOCK
    assert tree(back) == tree(there) == tree(here)


def test_progress_is_made_however_often_it_is_cut(tmp_path: Path) -> None:
    here, there = made(tmp_path / "here"), tmp_path / "there"
    for _ in range(12):
        try:
            push(CutOpener(2 * BLOCK + 50_000), here, ["."], place=str(there)).check()
        except CutError:
            continue
        break
    assert tree(there) == tree(here)


def test_two_clients_that_push_at_once_leave_one_whole_version(tmp_path: Path) -> None:
    there = tmp_path / "there"
    versions = [os.urandom(12 * BLOCK) for _ in range(2)]
    for number, version in enumerate(versions):
        write(tmp_path / f"{number}" / "large", version)
        write(tmp_path / f"{number}" / "small", version[:1000])

    def pushed(number: int) -> None:
        push(Opener(), tmp_path / f"{number}", ["."], place=str(there), choice=Choice(lanes=2)).check()

    threads = [threading.Thread(target=pushed, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (there / "large").read_bytes() in versions
    assert (there / "small").read_bytes() in [version[:1000] for version in versions]
    assert not parts(there)


class _Meddling(Opener):
    """Once, when the first blocks are on the way, the file grows; those blocks go as ``spoil`` makes them."""

    def __init__(self, path: Path, spoil: Callable[[bytes], bytes] = bytes) -> None:
        super().__init__()
        self._path, self._spoil, self._done = path, spoil, threading.Event()

    def __call__(self, transport: Literal["shared", "new"]) -> Pipe:
        pipe = super().__call__(transport)
        plain = pipe.write

        def write(data: bytes | bytearray) -> None:
            if len(data) < BLOCK or self._done.is_set():
                return plain(data)
            self._done.set()
            plain(self._spoil(bytes(data)))
            with self._path.open("ab") as file:
                file.write(b"more")
            return None

        pipe.write = write  # type: ignore[method-assign]
        return pipe


def test_a_file_that_grows_while_it_is_sent_is_sent_again(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    path = write(here / "log", os.urandom(8 * BLOCK))
    report = push(_Meddling(path), here, ["."], place=str(there)).check()
    assert report.again >= 1
    assert (there / "log").read_bytes() == path.read_bytes()
    assert report.sent < 12 * BLOCK


def test_what_was_refused_is_sent_again_when_the_file_changes_meanwhile(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    path = write(here / "log", os.urandom(8 * BLOCK))
    opener = _Meddling(path, lambda data: bytes([data[0] ^ 1]) + data[1:])
    report = push(opener, here, ["."], place=str(there)).check()
    assert report.again >= 1
    assert (there / "log").read_bytes() == path.read_bytes()


def test_a_file_that_never_stands_still_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    path = write(here / "log", os.urandom(2 * BLOCK))
    write(here / "still", b"x")
    read_at = hashes.hashlib.sha256

    def growing(data: bytes = b"") -> object:
        with path.open("ab") as file:
            file.write(b"more")
        return read_at(data)

    monkeypatch.setattr(
        "millhand.pods.sync.buffers.hashlib", type("H", (), {"sha256": staticmethod(growing)})
    )
    report = push(Opener(), here, ["."], place=str(there))
    assert [finding.id for finding in report.findings] == ["sync.changing"]
    assert (there / "still").exists()
    assert not (there / "log").exists()


def test_an_agent_that_dies_is_told(tmp_path: Path) -> None:
    write(tmp_path / "here" / "a", b"1")

    class Dead(Opener):
        def __call__(self, transport: object) -> object:  # type: ignore[override]
            pipe = super().__call__("shared")
            pipe.process.kill()
            return pipe

    with pytest.raises(CutError):
        push(Dead(), tmp_path / "here", ["."], place=str(tmp_path / "there"))  # type: ignore[arg-type]
