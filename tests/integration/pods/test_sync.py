"""Syncing over a real OpenSSH sshd on loopback: both ways, several connections, and cuts."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from millhand.pods.ssh.connection import Connection
from millhand.pods.ssh.hostkeys import Pinned
from millhand.pods.sync.hashes import BLOCK
from millhand.pods.sync.lanes import CutError, Opener, agent
from millhand.pods.sync.pull import pull
from millhand.pods.sync.push import push
from millhand.pods.sync.transfer import Choice
from tests.sshd import Sshd, running_sshd
from tests.unit.pods.sync.trees import tree, write

pytestmark = pytest.mark.skipif(
    not shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin"), reason="there is no sshd"
)


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    with running_sshd(tmp_path / "sshd") as running:
        yield running


@pytest.fixture
def connection(sshd: Sshd) -> Iterator[Connection]:
    pinned = Pinned((sshd.fingerprint,))
    connection = Connection("pod", lambda: sshd.address, lambda _: pinned, python=sys.executable)
    yield connection
    connection.close()


@pytest.fixture
def opener(connection: Connection) -> Opener:
    return lambda transport: connection.open_agent(agent(), transport=transport)


def made(root: Path) -> Path:
    for number in range(300):
        write(root / f"d{number % 3}" / f"{number} 한글.json", os.urandom(3000))
    write(root / "large", os.urandom(20 * BLOCK + 5))
    (root / "empty").mkdir()
    (root / "link").symlink_to("large")
    return root


@pytest.mark.parametrize("lanes", [1, 3])
def test_a_tree_goes_there_and_back(tmp_path: Path, opener: Opener, lanes: int) -> None:
    here, there, back = made(tmp_path / "here"), tmp_path / "there", tmp_path / "back"
    choice = Choice(lanes=lanes)
    assert push(opener, here, ["."], place=str(there), choice=choice).check().files == 301
    assert pull(opener, back, ["."], place=str(there), choice=choice).check().files == 301
    assert tree(here) == tree(there) == tree(back)
    assert push(opener, here, ["."], place=str(there), choice=choice).check().files == 0


def test_a_cut_connection_is_told_and_the_next_sync_goes_on(
    tmp_path: Path, opener: Opener, sshd: Sshd
) -> None:
    here, there = made(tmp_path / "here"), tmp_path / "there"
    write(here / "huge", os.urandom(200 * BLOCK))
    moved = threading.Event()

    class Watch:
        """Cuts when a fifth has arrived."""

        size = 0

        def total(self, files: int, size: int) -> None:
            pass

        def done(self, files: int, size: int) -> None:
            self.size += size
            if self.size > 44 * BLOCK and not moved.is_set():
                moved.set()
                threading.Thread(target=sshd.cut).start()

    with pytest.raises(CutError, match="not done"):
        push(opener, here, ["."], place=str(there), progress=Watch())
    report = push(opener, here, ["."], place=str(there)).check()
    assert tree(here) == tree(there)
    assert report.sent < 200 * BLOCK
    assert not list(there.rglob("*.part"))
