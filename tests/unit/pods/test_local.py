"""The local pod and its supervisor, with real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from millhand.errors import CommandError, MillhandError
from millhand.pods import job_processes, supervisor
from millhand.pods.base import Job, JobHandle
from millhand.pods.local import LocalPod
from millhand.shell import Command, Secret
from millhand.workspace import Workspace

PRINT_ARGUMENTS = (
    "import sys; sys.stdout.buffer.write('\\0'.join(sys.argv[1:]).encode('utf-8', 'surrogateescape'))"
)


@pytest.fixture
def pod(workspace: Workspace) -> LocalPod:
    return LocalPod(workspace.root)


def python(code: str, **env: str | Secret) -> Command:
    return Command((sys.executable, "-c", code), env=env)


def wait_until(condition: Callable[[], bool], within_s: float = 15) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def ended(handle: JobHandle) -> JobHandle:
    wait_until(lambda: not handle.status().alive)
    return handle


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"])), max_size=4))
def test_arguments_arrive_as_they_were_given(pod: LocalPod, arguments: list[str]) -> None:
    result = pod.run(Command((sys.executable, "-c", PRINT_ARGUMENTS, *arguments))).check()
    assert result.stdout == "\0".join(arguments)


def test_a_command_runs_in_the_workspace_with_its_environment_and_input(
    pod: LocalPod, workspace: Workspace
) -> None:
    code = "import os, sys; print(os.getcwd(), os.environ['WORD'], sys.stdin.read())"
    result = pod.run(python(code, WORD=Secret("말")), stdin="들어온 말".encode())
    assert result.stdout.split() == [*str(workspace.root).split(), "말", "들어온", "말"]


def test_a_failed_command_raises_with_its_code_and_last_lines_and_no_secret(pod: LocalPod) -> None:
    result = pod.run(
        python("import sys; print('why', file=sys.stderr); sys.exit(3)", TOKEN=Secret("planted"))
    )
    with pytest.raises(CommandError, match="ended with code 3:\nwhy") as caught:
        result.check()
    assert "planted" not in str(caught.value)


def test_a_program_that_is_not_there_and_one_that_hangs_are_command_errors(pod: LocalPod) -> None:
    with pytest.raises(CommandError, match="no-such-program"):
        pod.run(Command(("no-such-program",)))
    with pytest.raises(CommandError, match="not done after"):
        pod.run(python("import time; time.sleep(60)"), timeout_s=0.2)


def test_a_job_leaves_its_output_and_exit_code(pod: LocalPod) -> None:
    handle = ended(pod.start(Job("j", python("import sys; print('안녕', flush=True); sys.exit(5)"))))
    assert handle.status().phase == "exited"
    assert handle.status().exit_code == 5
    assert handle.log().decode() == "안녕\n"
    assert handle.log(offset=7) == b""
    assert (handle.log_tail(), handle.log_tail(4)) == (handle.log(), handle.log()[-4:])


def test_a_job_that_cannot_start_says_why(pod: LocalPod) -> None:
    handle = ended(pod.start(Job("j", Command(("no-such-program",)))))
    assert handle.status().exit_code == 127
    assert b"cannot start no-such-program" in handle.log()


def test_a_job_outlives_the_client_that_started_it(pod: LocalPod, workspace: Workspace) -> None:
    client = f"""
import os, signal
from pathlib import Path
from millhand.pods.base import Job
from millhand.pods.local import LocalPod
from millhand.shell import Command
code = "import time; time.sleep(1.5); print('done', flush=True)"
LocalPod(Path({str(workspace.root)!r})).start(Job("j", Command(({sys.executable!r}, "-c", code))))
os.kill(os.getpid(), signal.SIGKILL)
"""
    killed = subprocess.run([sys.executable, "-c", client], check=False)
    assert killed.returncode == -signal.SIGKILL
    handle = pod.attach("j")
    assert handle.status().phase == "running"
    assert ended(handle).status().exit_code == 0
    assert handle.log() == b"done\n"


def test_a_tethered_job_ends_with_its_client(pod: LocalPod, workspace: Workspace) -> None:
    client = f"""
import os, signal
from pathlib import Path
from millhand.pods.base import Job
from millhand.pods.local import LocalPod
from millhand.shell import Command
job = Job("j", Command(({sys.executable!r}, "-c", "import time; time.sleep(60)")), tethered=True)
assert LocalPod(Path({str(workspace.root)!r})).start(job).status().phase == "running"
os.kill(os.getpid(), signal.SIGKILL)
"""
    killed = subprocess.run([sys.executable, "-c", client], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert ended(pod.attach("j")).status().exit_code == -signal.SIGTERM


def test_one_name_runs_one_job_at_a_time_and_can_be_used_again(pod: LocalPod) -> None:
    first = pod.start(Job("j", python("import time; time.sleep(60)")))
    with pytest.raises(MillhandError, match="running already"):
        pod.start(Job("j", python("pass")))
    first.stop(grace_s=5)
    second = ended(pod.start(Job("j", python("print('second')"))))
    assert second.log() == b"second\n"


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


def runaway(then: str = "time.sleep(60)", *, marked: bool = True) -> str:
    """A job that prints three ids: its supervisor's, its own, and that of a child which leaves its session,
    closes its lock and, unless it is ``marked``, forgets its environment."""
    child = "import time; time.sleep(60)"
    return f"""
import os, signal, subprocess, sys, time
child = subprocess.Popen([sys.executable, '-c', {child!r}], start_new_session=True, close_fds=True,
                         env=None if {marked} else {{}})
print(os.getppid(), os.getpid(), child.pid, flush=True)
{then}
"""


def family(handle: JobHandle) -> list[int]:
    wait_until(lambda: handle.log().endswith(b"\n"))
    return [int(word) for word in handle.log().split()]


def runs(pid: int) -> bool:
    try:
        return b") Z " not in Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False


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
    patient.join(timeout=5)
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


def test_a_full_disk_ends_no_supervisor_and_the_end_is_told_when_there_is_room(
    pod: LocalPod, workspace: Workspace
) -> None:
    handle = pod.start(
        Job("j", python("import os, time; print(os.getppid(), flush=True); time.sleep(4); exit(5)"))
    )
    (guard,) = family(handle)
    obstacle = workspace.state / "jobs" / "j" / f"state.json.{guard}.tmp"
    wait_until(lambda: not obstacle.exists())
    obstacle.mkdir()
    before = handle.status().heartbeat_s
    wait_until(lambda: len(job_processes.descendants(guard)) == 0)
    time.sleep(1)
    assert handle.status().phase == "running"
    assert handle.status().heartbeat_s == before
    obstacle.rmdir()
    assert ended(handle).status().exit_code == 5


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


def test_a_job_starts_while_others_ask_for_it(pod: LocalPod) -> None:
    enough = threading.Event()

    def ask() -> None:
        while not enough.is_set():
            pod.attach("j").status()

    askers = [threading.Thread(target=ask) for _ in range(3)]
    for asker in askers:
        asker.start()
    try:
        assert ended(pod.start(Job("j", python("pass")))).status().exit_code == 0
    finally:
        enough.set()
        for asker in askers:
            asker.join()


def test_stop_leaves_a_job_alone_that_has_ended_or_never_was(pod: LocalPod, workspace: Workspace) -> None:
    pod.attach("never-started").stop(5)
    handle = ended(pod.start(Job("j", python("pass"))))
    wait_until(lambda: not supervisor.is_locked(workspace.state / "jobs" / "j"))
    handle.stop(5)
    assert {path.name for path in (workspace.state / "jobs" / "j").iterdir()} == {
        "lock",
        "log.txt",
        "state.json",
        "supervisor.log",
    }


def test_a_job_folder_that_cannot_be_used_is_said_so(pod: LocalPod, workspace: Workspace) -> None:
    (workspace.state / "jobs" / "j" / "lock").mkdir(parents=True)
    with pytest.raises(MillhandError, match="jobs/j cannot be used"):
        pod.start(Job("j", python("pass")))
    with pytest.raises(MillhandError, match="jobs/j cannot be used"):
        pod.attach("j").status()
    (workspace.state / "jobs" / "k").write_text("")
    with pytest.raises(MillhandError, match="jobs/k cannot be used"):
        pod.start(Job("k", python("pass")))


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


def test_secrets_of_a_job_lie_in_no_file_and_no_argument(pod: LocalPod, workspace: Workspace) -> None:
    handle = pod.start(
        Job(
            "j",
            python(
                "import os, time; print(len(os.environ['TOKEN'])); time.sleep(60)",
                TOKEN=Secret("planted-secret"),
            ),
        )
    )
    arguments = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    files = [path.read_bytes() for path in workspace.root.rglob("*") if path.is_file()]
    handle.stop(grace_s=0)
    assert not [text for text in [*arguments, *files] if b"planted-secret" in text]


def test_a_job_that_is_over_can_be_forgotten_and_one_that_is_alive_cannot(
    pod: LocalPod, workspace: Workspace
) -> None:
    handle = pod.start(Job("j", python("import time; time.sleep(60)")))
    handle.forget()
    assert handle.status().phase == "running"
    handle.stop(grace_s=0)
    handle.forget()
    assert handle.status().phase == "absent"
    assert not (workspace.state / "jobs" / "j").exists()


def test_a_job_name_cannot_leave_the_state_folder(pod: LocalPod) -> None:
    with pytest.raises(ValueError, match="job's name"):
        pod.attach("../../elsewhere")


def test_put_and_get_name_what_is_missing(pod: LocalPod) -> None:
    pod.put(["dataset_registry"])
    with pytest.raises(MillhandError, match="nowhere"):
        pod.get(["nowhere"])
    with pod.forward(8000) as port:
        assert port == 8000
