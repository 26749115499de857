"""The local pod and its supervisor, with real processes."""

from __future__ import annotations

import gc
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from millhand.errors import CommandError, MillhandError
from millhand.pods import supervisor
from millhand.pods.base import Job
from millhand.pods.local import LocalPod
from millhand.shell import Command, Secret
from millhand.workspace import Workspace
from tests.patience import WITHIN_S, wait_until
from tests.unit.pods.jobs import (
    ended,
    python,
)

PRINT_ARGUMENTS = (
    "import sys; sys.stdout.buffer.write('\\0'.join(sys.argv[1:]).encode('utf-8', 'surrogateescape'))"
)


@pytest.fixture
def pod(workspace: Workspace) -> LocalPod:
    return LocalPod(workspace.root)


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


def test_a_tether_is_let_go_when_its_job_has_ended(pod: LocalPod) -> None:
    pod.start(Job("j", python("import time; time.sleep(60)"), tethered=True)).stop(grace_s=5)
    for thread in threading.enumerate():
        if thread.name == "supervisor's end":
            thread.join(WITHIN_S)
    gc.collect()  # a pipe that is open would be warned of here


def test_one_name_runs_one_job_at_a_time_and_can_be_used_again(pod: LocalPod) -> None:
    first = pod.start(Job("j", python("import time; time.sleep(60)")))
    with pytest.raises(MillhandError, match="running already"):
        pod.start(Job("j", python("pass")))
    first.stop(grace_s=5)
    second = ended(pod.start(Job("j", python("print('second')"))))
    assert second.log() == b"second\n"


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


def test_a_file_of_the_workspace_is_read_without_a_job(pod: LocalPod, workspace: Workspace) -> None:
    (workspace.root / "말").write_bytes(b"0123")
    assert (pod.read("말"), pod.read("말", 2), pod.read("없음")) == (b"0123", b"23", b"")


def test_put_and_get_name_what_is_missing(pod: LocalPod) -> None:
    pod.put(["dataset_registry"])
    with pytest.raises(MillhandError, match="nowhere"):
        pod.get(["nowhere"])
    with pod.forward(8000) as port:
        assert port == 8000
