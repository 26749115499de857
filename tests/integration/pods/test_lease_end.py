"""A run whose lease is over before it is done: it saves, says why, and goes on under another lease."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from millhand.pods.keeper_terms import state_folder
from tests.integration.conftest import Bench
from tests.integration.pods.rented import Rented, renting
from tests.patience import WITHIN_S

pytestmark = pytest.mark.real
STEPS = 300
SOON_S = 20


@pytest.fixture
def rented(bench: Bench, tmp_path: Path) -> Iterator[Rented]:
    with renting(bench, tmp_path / "runpod") as made:
        yield made


def test_a_run_that_its_lease_ends_says_so_and_goes_on_under_another(rented: Rented) -> None:
    rented.bench.configure(max_steps=STEPS, save_steps=STEPS)
    client = rented.start("train", "qa", "--pod", "l4")
    rented.wait_for_step(3)
    [pod] = rented.pods()
    order = state_folder({"volume": str(rented.volume)}, pod.id) / "lease.order.json"
    order.write_text(json.dumps({"id": "soon", "hours": SOON_S / 3600}))
    _, err = client.communicate(timeout=WITHIN_S)
    assert client.returncode == 1, err
    assert re.search(
        r"lease of its pod ended run qa: its time was over; its checkpoint of step \d+ is kept", err
    )
    assert "raise `hours` in runpod/l4.yaml" in err
    rented.wait(lambda: not rented.pods())
    answer = rented.train("--resume")
    assert answer["results"]["steps"] == STEPS
    assert "Going on from step" in rented.told[-1]
    assert len(rented.account.created()) == 2
