"""Fixtures around the fake: import those that a test room needs into its conftest."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from millhand.pods.runpod.client import RunPod, Waits
from millhand.shell import Secret
from tests.runpod_fake.server import serving
from tests.runpod_fake.state import FakeRunPod

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
    made.log_hold_s = 0.3
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
