"""Fixtures around the fake: import those that a test room needs into its conftest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from millhand.pods.podfile import find_pod
from millhand.pods.runpod.client import RunPod
from millhand.runs.pod_ledger import PodLedger, open_pod_ledger
from millhand.runs.release import Releaser
from millhand.runs.renting import RentedPod, Renting
from millhand.shell import Secret
from millhand.waits import Waits
from millhand.workspace import Workspace
from tests.runpod_fake.server import serving
from tests.runpod_fake.state import FakeRunPod

Rent = Callable[..., RentedPod]
POD_FILE = """\
kind: runpod
gpus: [NVIDIA L4, NVIDIA GeForce RTX 4090]
clouds: [secure, community]
image: runpod/pytorch:1.0.2-cu1281-torch280-ubuntu2404
max_usd_per_hour: 0.8
volume: {name: millhand, size_gb: 100}
lease: {hours: 8, spend_usd: 5, idle_minutes: 20}
"""


@pytest.fixture
def fake() -> FakeRunPod:
    """An account with two GPU types in stock; its clock is turned by the client's waits alone."""
    made = FakeRunPod()
    made.log_hold_s = 0.05
    return made


@pytest.fixture
def url(fake: FakeRunPod) -> Iterator[str]:
    """Where it is served."""
    with serving(fake) as served:
        yield served


@pytest.fixture
def account(fake: FakeRunPod, url: str) -> RunPod:
    """A client whose waits turn the fake's clock and cost nothing."""
    return RunPod(url, Secret(fake.key), waits(fake))


def waits(fake: FakeRunPod) -> Waits:
    """Waiting that turns the fake's clock."""
    return Waits(fake.clock.advance, fake.clock.now)


@pytest.fixture
def pod_file(workspace: Workspace) -> Path:
    path = workspace.root / "runpod" / "l4.yaml"
    path.write_text(POD_FILE, encoding="utf-8")
    return path


@pytest.fixture
def ledger(workspace: Workspace) -> PodLedger:
    return open_pod_ledger(workspace)


@pytest.fixture
def rent(workspace: Workspace, account: RunPod, pod_file: Path, fake: FakeRunPod) -> Rent:
    fake.add_volume("millhand", 100, "US-KS-2")

    def renting(run: str = "", **changes: str) -> RentedPod:
        return wish(workspace, account, run, **changes).rent()

    return renting


def wish(workspace: Workspace, account: RunPod, run: str = "", **changes: str) -> Renting:
    path, text = workspace.root / "runpod" / "l4.yaml", POD_FILE
    for old, new in changes.items():
        text = "".join(f"{new}\n" if line.startswith(f"{old}:") else line for line in text.splitlines(True))
    path.write_text(text, encoding="utf-8")
    return Renting(workspace, account, find_pod(workspace, "l4"), [].append, run=run)


@pytest.fixture
def releaser(account: RunPod, ledger: PodLedger) -> Releaser:
    return Releaser(account, ledger, [].append)
