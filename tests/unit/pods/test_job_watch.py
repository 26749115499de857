"""What the supervisor sees go wrong with a job."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millhand.pods import job_watch
from millhand.pods.base import FAULTS, Job, JobHandle, JobStatus
from millhand.pods.job_watch import Losses, Watch, oom_kills
from millhand.pods.local import LocalPod
from millhand.workspace import Workspace
from tests.patience import wait_until
from tests.unit.pods.jobs import (
    ended,
    python,
)

LOG = """
import json, pathlib, time
folder = pathlib.Path("outputs/a")
folder.mkdir(parents=True, exist_ok=True)
def log(step, loss):
    with (folder / "trainer_log.jsonl").open("a") as file:
        file.write(json.dumps({"current_steps": step, "total_steps": 9, "loss": loss}) + "\\n")
"""


@pytest.fixture
def pod(workspace: Workspace) -> LocalPod:
    return LocalPod(workspace.root)


def start(
    pod: LocalPod, code: str, *, on_diverged: Literal["stop", "note"] = "note", stall_minutes: float = 20
) -> JobHandle:
    command = python(LOG + code)
    job = Job("j", command, output="outputs/a", on_diverged=on_diverged, stall_minutes=stall_minutes)
    return pod.start(job)


def lines(*losses: float | None) -> bytes:
    told = [{"current_steps": n, "total_steps": 9, "loss": loss} for n, loss in enumerate(losses, 1)]
    return b"".join(json.dumps(line).encode() + b"\n" for line in told)


def test_a_job_tells_how_far_it_is_and_that_nothing_is_wrong(pod: LocalPod) -> None:
    status = ended(start(pod, "log(1, 2.5); log(2, 1.5)")).status()
    assert (status.step, status.total_steps, status.faults) == (2, 9, ())


def test_a_diverged_job_is_ended_where_that_is_asked_and_saves_nothing(pod: LocalPod) -> None:
    code = """
import signal
signal.signal(signal.SIGTERM, lambda *_: pathlib.Path("saved").touch())
log(1, 2.5)
for step in range(2, 6):
    log(step, float("nan"))
time.sleep(60)
"""
    status = ended(start(pod, code, on_diverged="stop")).status()
    assert (status.exit_code, status.faults) == (-9, ("job.diverged",))
    assert not (pod.root / "saved").exists()


def test_a_diverged_job_goes_on_where_it_is_only_to_be_noted(pod: LocalPod) -> None:
    status = ended(start(pod, "[log(step, float('nan')) for step in range(5)]; time.sleep(3)")).status()
    assert (status.exit_code, status.faults) == (0, ("job.diverged",))


def test_what_an_earlier_attempt_logged_is_not_held_against_the_next(pod: LocalPod) -> None:
    assert ended(start(pod, "[log(step, float('nan')) for step in range(5)]")).status().faults
    again = start(pod, "log(1, 2.5); time.sleep(2.5); log(2, 1.5)", on_diverged="stop")
    status = ended(again).status()
    assert (status.exit_code, status.step, status.faults) == (0, 2, ())


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB", "job.gpu-oom"),
        ("RuntimeError: CUDA error: out of memory", "job.gpu-oom"),
        ("OSError: [Errno 28] No space left on device", "job.disk-full"),
        ("OSError: [Errno 122] Disk quota exceeded: 'outputs'", "job.disk-full"),
        ("RuntimeError: DefaultCPUAllocator: can't allocate memory", "job.oom"),
        ("MemoryError", "job.oom"),
    ],
)
def test_the_words_of_the_trainer_say_what_it_died_of(pod: LocalPod, words: str, fault: str) -> None:
    status = ended(start(pod, f"print({words!r}); raise SystemExit(1)")).status()
    assert (status.exit_code, status.faults) == (1, (fault,))


def test_a_job_that_does_nothing_is_stalled_until_it_does_something(pod: LocalPod) -> None:
    handle = start(pod, "time.sleep(9); log(1, 2.5); time.sleep(60)", stall_minutes=0.05)
    wait_until(lambda: handle.status().faults == ("job.stalled",))
    wait_until(lambda: handle.status().step == 1)
    assert handle.status().faults == ()
    handle.stop(0)


def test_a_job_that_computes_is_not_stalled(pod: LocalPod) -> None:
    child = "import time; end = time.time() + 7\nwhile time.time() < end: pass"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    handle = start(pod, code, stall_minutes=0.05)
    seen: set[str] = set()
    wait_until(lambda: seen.update(handle.status().faults) or not handle.status().alive)
    assert seen == set()


@given(st.lists(st.floats(0.02, 9), min_size=1), st.sampled_from([0.0, float("nan"), float("inf")]))
def test_three_losses_in_a_row_that_are_worth_nothing(good: list[float], bad: float) -> None:
    losses = Losses()
    losses.feed(lines(*good, bad, bad))
    assert not losses.diverged
    losses.feed(lines(bad))
    assert losses.diverged
    losses.feed(lines(good[0]))
    assert not losses.diverged


def test_a_loss_that_was_learned_down_to_nothing_is_none_that_broke() -> None:
    losses = Losses()
    losses.feed(lines(1.0, 0.1, 0.004, 0.0, 0.0, 0.0, 0.0))
    assert not losses.diverged


@given(st.data())
def test_lines_cut_anywhere_are_read_once_they_are_whole(data: st.DataObject) -> None:
    text = lines(1.0, None, 0.5) + b"no json\n[]\n" + lines(0.25)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=5)))
    losses = Losses()
    for begin, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
        losses.feed(text[begin:end])
    assert losses.facts == {"step": 1, "total_steps": 9}


def watch(folder: Path) -> Watch:
    return Watch(folder, {"output": "", "stall_s": 0}, pid=1)


def ids(faults: Iterable[dict[str, Any]]) -> list[str]:
    return [fault["id"] for fault in faults]


def test_words_that_came_in_two_pieces_are_heard(tmp_path: Path) -> None:
    log, watching = tmp_path / "log.txt", watch(tmp_path)
    log.write_bytes(b"x" * 3000 + b"CUDA out of")
    assert watching.look()["faults"] == []
    with log.open("ab") as file:
        file.write(b" memory")
    assert ids(watching.look()["faults"]) == ["job.gpu-oom"]


def test_a_disk_that_is_nearly_full_is_said_so_until_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watching, real = watch(tmp_path), shutil.disk_usage
    for free, total, faults in [
        (10**8, 10**12, ["job.disk-full"]),
        (10**11, 10**12, []),
        (4 * 10**9, 10**12, ["job.disk-full"]),
        (6 * 10**9, 10**12, []),
    ]:
        usage = SimpleNamespace(free=free, total=total)
        monkeypatch.setattr(job_watch.shutil, "disk_usage", lambda _place, usage=usage: usage)
        assert ids(watching.look()["faults"]) == faults
    monkeypatch.setattr(job_watch.shutil, "disk_usage", real)


def test_processes_that_the_system_killed_for_memory_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own"
    own.write_text("0::/pod/a\n4:memory:/pod/b\n")
    (tmp_path / "pod" / "a").mkdir(parents=True)
    events = tmp_path / "pod" / "a" / "memory.events"
    events.write_text("low 0\noom 2\noom_kill 2\n")
    assert oom_kills(str(tmp_path), str(own)) == 2
    assert oom_kills(str(tmp_path), str(tmp_path / "none")) == 0
    monkeypatch.setattr(job_watch, "oom_kills", lambda: oom_kills(str(tmp_path), str(own)))
    watching = watch(tmp_path)
    assert watching.look()["faults"] == []
    events.write_text("low 0\noom 3\noom_kill 3\n")
    assert ids(watching.look()["faults"]) == ["job.oom"]


def test_a_job_that_a_restart_cut_off_is_told_from_one_that_was_killed() -> None:
    state = {"phase": "running", "boot": "a/1", "faults": [{"id": "job.stalled"}]}
    assert JobStatus.of(state, alive=False, boot="a/1").faults == ("job.stalled",)
    restarted = JobStatus.of(state, alive=False, boot="a/2")
    assert (restarted.phase, restarted.faults) == ("lost", ("job.stalled", "job.restarted"))
    assert JobStatus.of({**state, "phase": "exited"}, alive=False, boot="a/2").faults == ("job.stalled",)
    assert set(restarted.faults) <= set(FAULTS)
