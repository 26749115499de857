"""What the keeper takes for work: not a page that nobody looks at, but a training that was started on it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from millhand.pods.keeper_look import Scout, is_page, processes
from tests.patience import WITHIN_S

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc")


@pytest.fixture
def jobs(tmp_path: Path) -> Path:
    (tmp_path / "jobs").mkdir()
    return tmp_path / "jobs"


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[bytes]]]:
    processes_of_test: list[subprocess.Popen[bytes]] = []
    yield processes_of_test
    for process in processes_of_test:
        process.kill()
        process.wait()


def start(started: list[subprocess.Popen[bytes]], folder: Path, *words: str) -> None:
    """A process of a job; its command line holds the words."""
    argv = [sys.executable, "-c", "import time; time.sleep(60)", *words]
    started.append(subprocess.Popen(argv, env={**os.environ, "MILLHAND_JOB": str(folder)}))
    deadline = time.monotonic() + WITHIN_S
    while str(folder) not in processes(str(folder.parent))[0]:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def active(jobs: Path) -> tuple[str, ...]:
    return Scout(jobs.parent / "lease", jobs)._looked().active


@pytest.mark.parametrize("page", ["webui", "tensorboard"])
def test_a_page_alone_is_no_work(jobs: Path, started: list[subprocess.Popen[bytes]], page: str) -> None:
    start(started, jobs / f"{page}-43211")
    assert is_page(str(jobs / f"{page}-43211"))
    assert not [what for what in active(jobs) if page in what]


def test_a_training_that_was_started_on_a_page_is(jobs: Path, started: list[subprocess.Popen[bytes]]) -> None:
    start(started, jobs / "webui-43211")
    start(started, jobs / "webui-43211", "/env/bin/llamafactory-cli", "train", "saves/x.yaml")
    assert "llamafactory train" in active(jobs)


def test_any_other_job_is_work(jobs: Path, started: list[subprocess.Popen[bytes]]) -> None:
    start(started, jobs / "train-qa")
    assert "job train-qa" in active(jobs)
