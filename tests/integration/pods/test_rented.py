"""The whole run on a rented pod: rent, sync, train, fetch, release, with a real sshd and the real trainer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hub_fake import FakeHub
from tests.hub_fake.fixtures import contents, environment, hub, waits
from tests.integration.conftest import Bench
from tests.integration.pods.rented import Rented, renting
from tests.patience import WITHIN_S
from tests.runpod_fake.processes import marked

pytestmark = pytest.mark.real
__all__ = ["hub", "waits"]


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


def test_a_rented_pod_sends_the_model_and_is_released_when_it_was_seen_on_the_hub(
    rented: Rented, hub: FakeHub
) -> None:
    push = ["push", "model", "qa", "--to", "mill/qa", "--pod", "l4", "--override", "licence:bicycle=a test"]
    rented.train("--keep")
    rented.call("export", "qa", "--pod", "l4", "--there")
    [pod] = rented.pods()
    hub.order("commit", status=403, message="Forbidden", times=1)
    failed = rented.bench.start(*push, **rented.env, **environment(hub))
    failed.communicate(timeout=WITHIN_S)
    assert failed.returncode == 3
    assert rented.pods() == [pod], "nothing was published, and its pod was ended"
    rented.bench.call(*push, **rented.env, **environment(hub))
    there = rented.there() / "outputs/qa-merged/model.safetensors"
    assert contents(hub.repo("mill/qa"))["model.safetensors"] == there.read_bytes()
    assert rented.pods() == []
    _, err = rented.bench.call(*push, code=2, **rented.env, **environment(hub))
    assert "a push rents none" in err
    assert rented.pods() == []


def test_down_tells_a_training_and_ends_its_pod_when_it_has_saved(rented: Rented) -> None:
    rented.bench.configure(max_steps=100_000, save_steps=100_000)
    client = rented.start("train", "qa", "--pod", "l4")
    rented.wait_for_step(3)
    state = rented.there() / ".millhand/jobs/train-qa/state.json"
    rented.wait(lambda: json.loads(state.read_text()).get("step") is not None)
    [pod] = rented.pods()
    _, err = rented.call("down", "l4", code=2)
    assert f"Run qa runs on {pod.name}: step " in err
    assert rented.pods() == [pod]
    out, err = rented.call("down", "l4", "--now")
    assert f"{pod.name} is terminated" in out
    assert "qa ended with its checkpoint of step" in err
    [kept] = (rented.there() / "outputs/qa").glob("checkpoint-*")
    assert (kept / "trainer_state.json").is_file()
    client.communicate(timeout=WITHIN_S)
    assert client.returncode == 130
    assert (rented.pods(), len(rented.account.created())) == ([], 1), "another pod was rented"
