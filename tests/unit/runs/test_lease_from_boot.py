"""A pod holds its own lease from its first second on: real keepers, started by the request that rents it."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from millhand.pods.keeper_terms import state_folder
from millhand.pods.lease import LeaseState, Terms
from millhand.pods.podfile import find_pod
from millhand.pods.runpod.client import RunPod
from millhand.runs.pod_ledger import open_pod_ledger
from millhand.runs.release import Releaser
from millhand.runs.renting import RentedPod, Renting
from millhand.runs.standing import standing
from millhand.shell import Secret
from millhand.workspace import Workspace
from tests.patience import WITHIN_S
from tests.runpod_fake import Clock, FakeRunPod, serving
from tests.runpod_fake.fixtures import POD_FILE
from tests.runpod_fake.processes import ProcessMachines

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a pod runs Linux")
SKEW_S = 3 * 3600.0  # RunPod's clock is not this computer's


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[ProcessMachines]:
    made = ProcessMachines(tmp_path / "containers")
    yield made
    made.close()


@pytest.fixture
def fake(machines: ProcessMachines) -> FakeRunPod:
    clock = Clock(time.time() + SKEW_S, speed=1.0)
    made = FakeRunPod(clock, machines, provision_s=0, start_s=0, direct_null_s=0)
    made.log_hold_s = 0.3
    made.add_volume("millhand", 100, "US-KS-2")
    return made


@pytest.fixture
def account(fake: FakeRunPod) -> Iterator[RunPod]:
    with serving(fake) as url:
        yield RunPod(url, Secret(fake.key))


def wish(workspace: Workspace, account: RunPod, folder: Path, hours: float) -> Renting:
    lease = f"lease: {{hours: {hours:.6f}, spend_usd: 5, idle_minutes: 20}}"
    text = POD_FILE.replace("size_gb: 100}", f"size_gb: 100, path: {folder}}}")
    text = text.replace("lease: {hours: 8, spend_usd: 5, idle_minutes: 20}", lease)
    (workspace.root / "runpod" / "l4.yaml").write_text(text, encoding="utf-8")
    return Renting(workspace, account, find_pod(workspace, "l4"), [].append, run="qa-1")


def until(holds: Callable[[], object], within_s: float = WITHIN_S) -> None:
    end = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end, "it did not come to be"
        time.sleep(0.05)


def state(pod: RentedPod) -> LeaseState:
    folder = state_folder({"volume": pod.folder}, pod.entry.pod_id)
    file = folder / "lease.json"
    return msgspec.json.decode(file.read_bytes(), type=LeaseState) if file.is_file() else LeaseState()


def test_a_pod_ends_itself_with_nobody_looking(
    workspace: Workspace, account: RunPod, fake: FakeRunPod, tmp_path: Path
) -> None:
    stranger = fake.plant("training")
    pod = wish(workspace, account, tmp_path / "volume", 6 / 3600).rent()
    assert pod.entry.pod_id in fake.pods
    until(lambda: pod.entry.pod_id not in fake.pods)
    assert list(fake.pods) == [stranger.id]
    releaser = Releaser(account, open_pod_ledger(workspace), [].append)
    assert standing(releaser) == []
    entry = releaser.ledger.find(pod.name)
    assert entry is not None
    assert (entry.state, releaser.release(entry).action) == ("ended", "gone")


def test_a_restarted_container_holds_the_same_deadline(
    workspace: Workspace, account: RunPod, fake: FakeRunPod, machines: ProcessMachines, tmp_path: Path
) -> None:
    pod = wish(workspace, account, tmp_path / "volume", 1.0).rent()
    made = fake.pods[pod.entry.pod_id]
    until(lambda: state(pod).phase == "held" and state(pod).left_s is not None)
    before = keepers(made.id)
    account.act(made.id, "restart")  # process 1 is gone and with it the keeper: the command starts another
    until(lambda: keepers(made.id) not in ([], before))
    terms = msgspec.json.decode(made.env["MILLHAND_LEASE"], type=Terms)
    assert terms == pod.terms
    assert terms.deadline_epoch_s == pytest.approx(made.created_s + 3600, abs=5)
    took_s = time.time()
    until(lambda: (state(pod).heartbeat_s or 0) > took_s)
    again = state(pod)
    assert again.left_s is not None
    assert 3000 < again.left_s < 3600
    assert machines.starts[made.id] == 2
    Releaser(account, open_pod_ledger(workspace), [].append).release(pod.entry)
    assert made.id not in fake.pods


def test_a_keeper_that_is_killed_is_started_again(
    workspace: Workspace, account: RunPod, fake: FakeRunPod, tmp_path: Path
) -> None:
    pod = wish(workspace, account, tmp_path / "volume", 1.0).rent()
    until(lambda: state(pod).phase == "held")
    before = keepers(pod.entry.pod_id)
    assert len(before) == 1
    os.kill(before[0], signal.SIGKILL)
    until(lambda: keepers(pod.entry.pod_id) not in ([], before))
    Releaser(account, open_pod_ledger(workspace), [].append).release(pod.entry)
    until(lambda: keepers(pod.entry.pod_id) == [])


def keepers(pod_id: str) -> list[int]:
    """The keepers of a pod: Pythons that hold, and bear its id."""
    found = []
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            try:
                words = (place / "cmdline").read_bytes().split(b"\0")
                env = (place / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"hold" in words and f"RUNPOD_POD_ID={pod_id}".encode() in env:
                found.append(int(place.name))
    return found
