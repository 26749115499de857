"""The supervisor: what becomes of a job when it, its supervisor or its client is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from millhand.errors import MillhandError
from millhand.pods import job_processes, supervisor
from millhand.pods.base import Job
from millhand.pods.local import LocalPod
from millhand.workspace import Workspace
from tests.patience import WITHIN_S, wait_until
from tests.unit.pods.jobs import (
    ended,
    family,
    python,
    runaway,
    runs,
)


@pytest.fixture
def pod(workspace: Workspace) -> LocalPod:
    return LocalPod(workspace.root)


def test_stop_lets_a_job_end_by_itself(pod: LocalPod) -> None:
    code = """
import signal, sys, time
def finish(*_):
    print('saved', flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, finish)
print('up', flush=True)
time.sleep(60)
"""
    handle = pod.start(Job("j", python(code)))
    wait_until(lambda: b"up" in handle.log())
    handle.stop(grace_s=10)
    assert handle.log() == b"up\nsaved\n"
    assert handle.status().exit_code == 0


def test_a_request_to_end_may_say_why(pod: LocalPod, workspace: Workspace) -> None:
    handle = pod.start(Job("j", python("import time; time.sleep(60)")))
    folder = workspace.state / "jobs" / "j"
    (folder / "stop").write_text("0.0 deadline", encoding="utf-8")
    assert ended(handle).status().exit_code in (-signal.SIGTERM, -signal.SIGKILL)
    assert (folder / "stop.heard").read_text(encoding="utf-8") == "0.0 deadline"


def test_a_job_is_not_given_the_key_that_ends_its_pod(pod: LocalPod, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNPOD_API_KEY", "planted-key")
    monkeypatch.setenv("HF_HOME", "/hub")
    handle = ended(pod.start(Job("j", python("import os; print(dict(os.environ))"))))
    assert b"planted-key" not in handle.log()
    assert b"/hub" in handle.log()


def test_stop_ends_a_deaf_job_with_all_that_it_started(pod: LocalPod, tmp_path: Path) -> None:
    child = f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    code = f"""
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen([sys.executable, '-c', {child!r}])
time.sleep(60)
"""
    handle = pod.start(Job("j", python(code)))
    wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text() != "")
    handle.stop(grace_s=0.3)
    assert handle.status().exit_code == -signal.SIGKILL
    pid = int((tmp_path / "pid").read_text())
    wait_until(lambda: not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text())


def test_a_killed_supervisor_leaves_an_orphan_that_is_seen_and_can_be_ended(pod: LocalPod) -> None:
    handle = pod.start(Job("j", python("import os, time; print(os.getppid(), flush=True); time.sleep(60)")))
    wait_until(lambda: handle.log().endswith(b"\n"))
    os.kill(int(handle.log()), signal.SIGKILL)
    assert handle.status().phase == "running"
    handle.stop(grace_s=0)
    wait_until(lambda: handle.status().phase == "lost")


@pytest.mark.parametrize("marked", [True, False])
def test_nothing_is_left_of_a_killed_job_when_it_is_said_to_have_ended(pod: LocalPod, marked: bool) -> None:
    handle = pod.start(Job("j", python(runaway(marked=marked))))
    _, agent, worker = family(handle)
    os.kill(agent, signal.SIGKILL)
    status = ended(handle).status()
    assert not runs(worker)
    assert (status.phase, status.exit_code) == ("exited", -signal.SIGKILL)


def test_what_a_job_leaves_behind_at_its_own_end_is_ended_with_its_exit_code_kept(pod: LocalPod) -> None:
    # The child's own child loses its parent at once: an orphan in a third session.
    orphan = "import subprocess; subprocess.Popen(['sleep', '60'], start_new_session=True); print(1)"
    then = f"subprocess.run([sys.executable, '-c', {orphan!r}], stdout=subprocess.DEVNULL); sys.exit(7)"
    handle = pod.start(Job("j", python(runaway(then))))
    *_, worker = family(handle)
    assert ended(handle).status().exit_code == 7
    assert not runs(worker)
    assert not supervisor.marked(pod.attach("j")._folder)


def test_adopted_orphans_are_reaped_while_the_job_runs(pod: LocalPod) -> None:
    code = """
import os, subprocess, sys, time
for _ in range(5):
    subprocess.run([sys.executable, '-c', "import subprocess; subprocess.Popen(['true'])"])
print(os.getppid(), flush=True)
time.sleep(60)
"""
    handle = pod.start(Job("j", python(code)))
    (guard,) = family(handle)
    wait_until(lambda: len(job_processes.descendants(guard)) == 1)
    handle.stop(0)
    assert handle.status().exit_code is not None


def test_the_end_of_the_grace_reaches_what_left_the_session(pod: LocalPod) -> None:
    handle = pod.start(Job("j", python(runaway("signal.signal(15, signal.SIG_IGN); time.sleep(60)"))))
    *_, worker = family(handle)
    handle.stop(grace_s=0.3)
    assert handle.status().exit_code == -signal.SIGKILL
    assert not runs(worker)


def test_a_second_stop_with_less_grace_overrides_the_first(pod: LocalPod) -> None:
    handle = pod.start(Job("j", python(runaway("signal.signal(15, signal.SIG_IGN); time.sleep(60)"))))
    *_, worker = family(handle)
    patient = threading.Thread(target=handle.stop, args=(300,))
    patient.start()
    time.sleep(1)
    assert handle.status().phase == "running"
    began = time.monotonic()
    handle.stop(0)
    assert time.monotonic() - began < 4, "the supervisor was to hear it"
    patient.join(timeout=WITHIN_S)
    assert handle.status().exit_code == -signal.SIGKILL
    assert not runs(worker)


def test_an_orphan_that_gave_up_the_lock_is_seen_keeps_its_name_and_can_be_ended(pod: LocalPod) -> None:
    handle = pod.start(Job("j", python(runaway())))
    guard, agent, worker = family(handle)
    os.kill(guard, signal.SIGKILL)
    os.kill(agent, signal.SIGKILL)
    wait_until(lambda: not supervisor.is_locked(pod.attach("j")._folder))
    assert handle.status().phase == "running"
    with pytest.raises(MillhandError, match="running already"):
        pod.start(Job("j", python("pass")))
    handle.stop(grace_s=0)
    assert handle.status().phase == "lost"
    assert not runs(worker)


def test_without_a_supervisor_the_job_itself_is_asked_to_end(pod: LocalPod) -> None:
    code = """
import os, signal, sys, time
def finish(*_):
    print('saved', flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, finish)
print(os.getppid(), flush=True)
time.sleep(60)
"""
    handle = pod.start(Job("j", python(code)))
    os.kill(family(handle)[0], signal.SIGKILL)
    handle.stop(grace_s=20)
    assert handle.log().endswith(b"saved\n")
    assert not (pod.attach("j")._folder / "stop").exists()


def test_without_a_place_for_the_request_the_job_itself_is_asked_to_end(
    pod: LocalPod, workspace: Workspace
) -> None:
    handle = pod.start(Job("j", python("import time; time.sleep(60)")))
    (workspace.state / "jobs" / "j" / f"stop.{os.getpid()}.tmp").mkdir()
    handle.stop(grace_s=20)
    assert handle.status().exit_code == -signal.SIGTERM


def test_where_no_second_file_can_be_made_the_end_is_told_in_the_first(
    pod: LocalPod, workspace: Workspace
) -> None:
    handle = pod.start(
        Job("j", python("import os, time; print(os.getppid(), flush=True); time.sleep(4); exit(5)"))
    )
    (guard,) = family(handle)
    obstacle = workspace.state / "jobs" / "j" / f"state.json.{guard}.tmp"
    wait_until(lambda: not obstacle.exists())
    obstacle.mkdir()
    assert ended(handle).status().exit_code == 5


@pytest.mark.skipif(os.getuid() != 0, reason="a small disk is mounted, which takes root")
def test_a_job_that_fills_its_disk_is_told_of_while_the_disk_is_full(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(disk)]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("nothing can be mounted here")
    try:
        fill = (
            "f = open('ballast', 'wb', buffering=0)\ntry:\n  while f.write(bytes(4096)): pass\n"
            "except OSError: pass\nraise SystemExit(7)"
        )
        handle = ended(LocalPod(disk).start(Job("j", python(fill))))
        assert handle.status().exit_code == 7
        assert (disk / "ballast").stat().st_size > 900_000
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_those_who_ask_at_once_do_not_see_each_other(pod: LocalPod) -> None:
    handle = ended(pod.start(Job("j", python("pass"))))
    folder = pod.attach("j")._folder
    wait_until(lambda: not supervisor.is_locked(folder))
    code = (
        f"import sys; sys.path.insert(0, {str(Path(supervisor.__file__).parent)!r})\n"
        "import supervisor, pathlib\n"
        f"print(sum(supervisor.is_locked(pathlib.Path({str(folder)!r})) for _ in range(5000)))"
    )
    askers = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) for _ in range(3)]
    assert [int(asker.communicate()[0]) for asker in askers] == [0, 0, 0]
    assert handle.status().phase == "exited"


def test_a_job_whose_story_cannot_be_written_does_not_begin(pod: LocalPod, workspace: Workspace) -> None:
    began = workspace.root / "began"
    folder = workspace.state / "jobs" / "j"
    folder.mkdir(parents=True)
    (folder / "log.txt").write_text("")
    order = {"argv": [sys.executable, "-c", f"open({str(began)!r}, 'w')"], "cwd": ".", "env": {}}
    code = (
        f"import os, runpy, sys; os.mkdir({str(folder)!r} + f'/state.json.{{os.getpid()}}.tmp')\n"
        f"sys.argv[1:] = [{str(folder)!r}]\n"
        f"runpy.run_path({supervisor.__file__!r}, run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=json.dumps(order).encode(), capture_output=True, check=False
    )
    assert done.returncode == 74
    assert b"Traceback" not in done.stderr
    assert not began.exists()


def test_a_job_whose_machine_went_down_is_lost_not_running(pod: LocalPod, workspace: Workspace) -> None:
    folder = workspace.state / "jobs" / "j"
    folder.mkdir(parents=True)
    supervisor.write_state(folder, {"phase": "running", "pid": 1})
    assert pod.attach("j").status().phase == "lost"
    assert pod.attach("never-started").status().phase == "absent"
