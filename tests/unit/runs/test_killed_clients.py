"""A client is killed at each of its requests, one after the other: the next one finds or ends its pod."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from millhand.pods.podfile import find_pod
from millhand.pods.runpod.client import RunPod
from millhand.runs.pod_ledger import open_pod_ledger
from millhand.runs.release import Releaser
from millhand.runs.renting import Renting
from millhand.shell import Secret
from millhand.workspace import Workspace, create_workspace
from tests.runpod_fake import Clock, FakeRunPod, serving
from tests.runpod_fake.fixtures import POD_FILE, waits

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
# The client does not wait: what it waits for is there at once.
RENT = """\
import sys
from pathlib import Path
from millhand.pods.podfile import find_pod
from millhand.pods.runpod.client import RunPod
from millhand.waits import Waits
from millhand.runs.renting import Renting
from millhand.shell import Secret
from millhand.workspace import Workspace
workspace = Workspace(Path(sys.argv[1]))
account = RunPod(sys.argv[2], Secret(sys.stdin.read()), Waits(lambda seconds: None))
renting = Renting(workspace, account, find_pod(workspace, "l4"), print, run="qa-1")
renting.rent(make=True)
"""
DOWN = (
    RENT.replace("renting.rent(make=True)", "")
    + """\
from millhand.runs.release import Releaser
releaser = Releaser(account, renting.ledger, print)
for entry in releaser.ledger.entries(alive=True):
    releaser.release(entry)
"""
)


class Killer:
    """Kills a child when its ``number``-th request comes in; ``hit`` says whether it came to that."""

    def __init__(self, fake: FakeRunPod, number: int) -> None:
        self.fake, self.left, self.hit = fake, number, False
        self.child: subprocess.Popen[str] | None = None
        fake.on_request = self

    def __call__(self, method: str, path: str) -> None:
        self.left -= 1
        if self.left == 0 and self.child is not None:
            self.hit = True
            os.kill(self.child.pid, signal.SIGKILL)
            self.child.wait()

    def run(self, code: str, workspace: Workspace, url: str, key: str) -> None:
        argv = [sys.executable, "-c", code, str(workspace.root), url]
        env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
        self.child = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=env
        )
        _, said = self.child.communicate(key)
        assert self.hit or self.child.returncode == 0, said
        self.fake.on_request = None


def account_at(folder: Path) -> tuple[FakeRunPod, Workspace]:
    fake = FakeRunPod(Clock(time.time(), speed=1.0), provision_s=0, start_s=0, direct_null_s=0)
    fake.log_hold_s = 0.1
    workspace, _ = create_workspace(folder)
    (workspace.root / "runpod" / "l4.yaml").write_text(POD_FILE, encoding="utf-8")
    return fake, workspace


def wish(workspace: Workspace, fake: FakeRunPod, url: str) -> Renting:
    account = RunPod(url, Secret(fake.key), waits(fake))
    return Renting(workspace, account, find_pod(workspace, "l4"), [].append, "qa-1")


def test_a_client_killed_at_any_request_of_renting_leaves_one_pod_to_the_next(tmp_path: Path) -> None:
    for number in itertools.count(1):
        fake, workspace = account_at(tmp_path / str(number))
        stranger = fake.plant("millhand-qa-1-00000000")
        with serving(fake) as url:
            killer = Killer(fake, number)
            killer.run(RENT, workspace, url, fake.key)
            pod = wish(workspace, fake, url).rent(make=True)
        mine = [p.name for p in fake.pods.values() if p is not stranger]
        assert mine == [pod.name], number
        assert len({body["name"] for body in fake.created()}) <= 2
        assert len(fake.volumes) == 1, number
        if not killer.hit:
            break
    assert number > 5


def test_a_client_killed_at_any_request_of_ending_leaves_none_to_the_next(tmp_path: Path) -> None:
    for number in itertools.count(1):
        fake, workspace = account_at(tmp_path / str(number))
        stranger = fake.plant("millhand-qa-1-00000000")
        with serving(fake) as url:
            wish(workspace, fake, url).rent(make=True)
            killer = Killer(fake, number)
            killer.run(DOWN, workspace, url, fake.key)
            releaser = Releaser(
                RunPod(url, Secret(fake.key), waits(fake)), open_pod_ledger(workspace), [].append
            )
            for entry in releaser.ledger.entries(alive=True):
                releaser.release(entry)
        assert list(fake.pods.values()) == [stranger], number
        assert [entry.state for entry in releaser.ledger.entries()] == ["ended"], number
        if not killer.hit:
            break
    assert number > 2
