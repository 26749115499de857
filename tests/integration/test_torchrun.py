"""Runs under torchrun, whose workers leave the job's session and close its lock."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import Bench
from tests.patience import WITHIN_S

pytestmark = pytest.mark.real

LONG = {"max_steps": 120, "save_steps": 20, "per_device_train_batch_size": 16}


def trainers(root: Path) -> dict[int, str]:
    """The processes that work in ``root`` with the config of a run on their command line."""
    found = {}
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            line = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            if ".millhand/runs/qa/train.yaml" in line and (place / "cwd").resolve() == root:
                found[int(place.name)] = line
    return found


@pytest.fixture
def forced(bench: Bench) -> Iterator[Bench]:
    """The bench with a long run; no trainer outlives the test."""
    bench.configure(**LONG)
    yield bench
    for pid in trainers(bench.root):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def test_a_killed_agent_leaves_no_trainer_and_the_run_goes_on(forced: Bench) -> None:
    client = forced.start("train", "qa", FORCE_TORCHRUN="1")
    forced.wait_for_step(25)
    agent = forced.trainer()
    assert any("llamafactory.launcher" in line for pid, line in trainers(forced.root).items() if pid != agent)
    os.kill(agent, signal.SIGKILL)
    _, err = client.communicate(timeout=WITHIN_S)
    assert client.returncode == 1, err
    assert "exit code -9" in err
    assert not trainers(forced.root)
    forced.call("train", "qa", "--resume", FORCE_TORCHRUN="1")
    assert forced.steps() == 120


def test_a_killed_agent_and_supervisor_leave_a_trainer_that_no_second_one_joins(forced: Bench) -> None:
    client = forced.start("train", "qa", FORCE_TORCHRUN="1")
    forced.wait_for_step(3)
    agent = forced.trainer()
    supervisor = int(Path(f"/proc/{agent}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(supervisor, signal.SIGKILL)
    os.kill(agent, signal.SIGKILL)
    client.kill()
    client.communicate()
    orphans = trainers(forced.root)
    assert orphans
    _, err = forced.call("train", "qa", "--resume", FORCE_TORCHRUN="1")
    assert "is going on; following it" in err
    assert not trainers(forced.root)
    assert forced.steps() == 120
    steps = [line["current_steps"] for line in forced.log() if "loss" in line]
    assert len(steps) == len(set(steps)), "two trainers logged"


def test_ctrl_c_twice_leaves_no_trainer(forced: Bench) -> None:
    client = forced.start("train", "qa", FORCE_TORCHRUN="1")
    forced.wait_for_step(3)
    client.send_signal(signal.SIGINT)
    time.sleep(1)
    client.send_signal(signal.SIGINT)
    _, err = client.communicate(timeout=WITHIN_S)
    assert client.returncode == 130, err
    assert not trainers(forced.root)
