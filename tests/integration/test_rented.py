"""The whole run on a rented pod: rent, sync, train, fetch, release, with a real sshd and the real trainer."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import Bench
from tests.integration.rented import Rented, renting
from tests.runpod_fake.processes import marked

pytestmark = pytest.mark.real


@pytest.fixture
def rented(bench: Bench, tmp_path: Path) -> Iterator[Rented]:
    with renting(bench, tmp_path / "runpod") as made:
        yield made


def test_a_run_is_rented_trained_brought_home_and_its_pod_released(rented: Rented) -> None:
    stranger = rented.account.plant("somebody-elses")
    answer = rented.train()
    assert answer["results"]["steps"] == 12
    home = rented.bench.root / "outputs/qa/adapter_model.safetensors"
    there = rented.there() / "outputs/qa/adapter_model.safetensors"
    assert hashlib.sha256(home.read_bytes()).digest() == hashlib.sha256(there.read_bytes()).digest()
    assert rented.pods() == [stranger]
    ended = set(rented.machines.sshds) - {stranger.id}
    assert len(ended) == 1
    assert not any(marked(pod) for pod in ended)
