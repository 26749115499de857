"""``millhand ps``, ``attach``, ``logs``, ``stop`` and ``resume``, on a job that stands in for a trainer."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from millhand.errors import UsageError
from millhand.pods.base import Job, JobHandle
from millhand.pods.local import LocalPod
from millhand.runs.finished import open_ledger
from millhand.runs.ledger import Run
from millhand.shell import Command
from millhand.workspace import Workspace
from tests.conftest import Millhand

TRAINER = """
import json, pathlib, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
folder = pathlib.Path("outputs/qa")
folder.mkdir(parents=True, exist_ok=True)
for step in range(1, 100 if "--long" in sys.argv else 4):
    print(f"step {step} of 99", flush=True)
    with (folder / "trainer_log.jsonl").open("a") as file:
        file.write(json.dumps({"current_steps": step, "total_steps": 99, "loss": 1 / step}) + "\\n")
    if step == 3:
        print(*sys.argv[1:], flush=True)
    if step > 3:
        time.sleep(60)
sys.exit("Error" in " ".join(sys.argv))
"""


@pytest.fixture
def start(workspace: Workspace) -> Iterator[Callable[..., JobHandle]]:
    run = Run("qa", "qa", "c", "f", "local", "outputs/qa", 1.0, {"config": {}})
    open_ledger(workspace).add(run)
    pod = LocalPod(workspace.root)

    def begin(*arguments: str) -> JobHandle:
        command = Command((sys.executable, "-c", TRAINER, *arguments))
        return pod.start(Job("train-qa", command, output="outputs/qa"))

    yield begin
    pod.attach("train-qa").stop(0)


def over(handle: JobHandle) -> None:
    while handle.status().alive:
        time.sleep(0.02)


def far(handle: JobHandle) -> None:
    while handle.status().step != 4:
        time.sleep(0.05)


def test_jobs_are_listed_with_how_far_they_are(millhand: Millhand, start: Callable[..., JobHandle]) -> None:
    far(start("--long"))
    (row,) = json.loads(millhand("ps", "--json").stdout)
    assert (row["job"], row["run"], row["pod"], row["phase"]) == ("train-qa", "qa", "local", "running")
    assert (row["step"], row["total_steps"], row["faults"]) == (4, 99, [])
    assert "4/99" in millhand("ps", "--pod", "local").stdout


def test_what_went_wrong_stands_in_the_list_and_at_the_end_of_following(
    millhand: Millhand, start: Callable[..., JobHandle]
) -> None:
    over(start("torch.OutOfMemoryError: CUDA out of memory."))
    assert "the GPU ran out of" in millhand("ps").stdout
    result = millhand("attach", "qa", "--json")
    assert json.loads(result.stdout)["faults"] == ["job.gpu-oom"]
    assert "millhand plan qa" in result.stderr


def test_following_begins_with_the_first_step_and_ends_with_the_job(
    millhand: Millhand, start: Callable[..., JobHandle]
) -> None:
    start()
    result = millhand("attach", "qa")
    assert result.exit_code == 0
    assert re.search(r"step +3 of 99", result.stdout)
    assert result.stderr.startswith("Run qa on local: ")


def test_logs_are_shown_whole_from_the_end_and_as_they_come(
    millhand: Millhand, start: Callable[..., JobHandle]
) -> None:
    handle = start("끝")
    assert millhand("logs", "qa", "-f").stdout.splitlines()[0] == "step 1 of 99"
    over(handle)
    assert millhand("logs", "qa").stdout == "step 1 of 99\nstep 2 of 99\nstep 3 of 99\n끝\n"
    assert millhand("logs", "qa", "--tail", "2").stdout == "step 3 of 99\n끝\n"
    assert millhand("logs", "qa", "--tail", "2", "-f").stdout == "step 3 of 99\n끝\n"
    assert millhand("logs", "qa", "--tail", "0").stdout == ""
    assert json.loads(millhand("logs", "qa", "--json", "--tail", "1").stdout)["log"] == "끝\n"
    assert millhand("logs", "qa", "-f", "--json").exit_code == 2


def test_a_run_is_stopped_and_what_is_kept_is_said(
    millhand: Millhand, start: Callable[..., JobHandle]
) -> None:
    far(start("--long"))
    answer = json.loads(millhand("stop", "qa", "--json").stdout)
    assert (answer["was_running"], answer["phase"], answer["exit_code"]) == (True, "exited", 0)
    again = millhand("stop", "qa")
    assert "was running  False" in again.stdout
    assert "millhand resume qa" in again.stderr


def test_a_run_that_is_not_there_is_said_so(millhand: Millhand, start: Callable[..., JobHandle]) -> None:
    for command in ("attach", "logs", "stop", "resume"):
        result = millhand(command, "qaa")
        assert (result.exit_code, "Did you mean 'qa'?" in result.stderr) == (2, True)
    assert millhand("logs", "qa").exit_code == 2
    assert millhand("ps").exit_code == 0


@pytest.mark.parametrize("exports", [True, False])
def test_a_run_is_gone_on_with_as_it_was_begun(
    millhand: Millhand,
    start: Callable[..., JobHandle],
    workspace: Workspace,
    monkeypatch: pytest.MonkeyPatch,
    exports: bool,
) -> None:
    class Seen:
        """Stands in for the training, and tells what it was to do."""

        def __init__(self, *_: object, exports: bool) -> None:
            self.exports = exports

        def train(self, **options: object) -> None:
            raise UsageError(f"exports={self.exports}, {options}")

    (workspace.configs / "qa").mkdir()
    (workspace.configs / "qa/train.yaml").write_text("output_dir: outputs/qa\n")
    if exports:
        open_ledger(workspace).export_too(open_ledger(workspace).runs()[0])
    monkeypatch.setattr("millhand.runs.train.Training", Seen)
    told = millhand("resume", "qa").stderr
    assert f"exports={exports}" in told
    assert "'run_name': 'qa'" in told


def test_nothing_is_rented_to_look(millhand: Millhand, workspace: Workspace) -> None:
    pod_file = workspace.root / "runpod" / "gpu.yaml"
    pod_file.parent.mkdir(exist_ok=True)
    pod_file.write_text(
        "kind: runpod\ngpus: [NVIDIA L4]\nimage: an/image:1\nmax_usd_per_hour: 1\nallow_loss: true\n"
        "lease: {hours: 1, spend_usd: 1, idle_minutes: 5}\n"
    )
    result = millhand("ps", "--pod", "gpu")
    assert (result.exit_code, "No pod of gpu is rented" in result.stderr) == (2, True)


def test_the_pipe_of_a_reader_who_has_enough_is_no_fault(start: Callable[..., JobHandle]) -> None:
    over(start())
    client = [sys.executable, "-m", "millhand", "logs", "qa"]
    shown = subprocess.run(f"{' '.join(client)} | head -n 1", shell=True, capture_output=True, check=False)
    assert (shown.stdout, shown.stderr) == (b"step 1 of 99\n", b"")
