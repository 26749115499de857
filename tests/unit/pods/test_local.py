"""The local pod and its supervisor, with real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from millhand.errors import CommandError, MillhandError
from millhand.pods import supervisor
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


def test_a_job_name_cannot_leave_the_state_folder(pod: LocalPod) -> None:
    with pytest.raises(ValueError, match="job's name"):
        pod.attach("../../elsewhere")


def test_put_and_get_name_what_is_missing(pod: LocalPod) -> None:
    pod.put(["dataset_registry"])
    with pytest.raises(MillhandError, match="nowhere"):
        pod.get(["nowhere"])
    with pod.forward(8000) as port:
        assert port == 8000
