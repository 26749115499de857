"""Jobs of a pod behind a real sshd: they outlive their client, end with it, and show no secret."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from millhand.errors import CommandError, MillhandError
from millhand.pods.base import Job, JobHandle
from millhand.pods.ssh.agents import RefusedError
from millhand.pods.ssh.pod import SshPod, open_ssh_pod
from millhand.shell import Command, Secret
from millhand.workspace import Workspace
from tests.integration.pods.ssh_here import (
    ended,
    folder,
    pod,
    python,
    sshd,
)
from tests.patience import wait_until
from tests.sshd import Sshd

__all__ = ["folder", "pod", "sshd"]


def test_a_job_leaves_its_output_and_exit_code(pod: SshPod) -> None:
    handle = ended(pod.start(Job("j", python("import sys; print('안녕', flush=True); sys.exit(5)"))))
    status = handle.status()
    assert (status.phase, status.exit_code) == ("exited", 5)
    assert (handle.log().decode(), handle.log(offset=7), handle.log_tail(4)) == (
        "안녕\n",
        b"",
        "녕\n".encode(),
    )
    assert pod.jobs() == ["j"]
    handle.forget()
    assert handle.status().phase == "absent"
    assert pod.jobs() == []


def test_a_long_log_and_a_large_file_come_whole(pod: SshPod, folder: Path) -> None:
    data = os.urandom(20_000_000)
    (folder / "outputs").mkdir(parents=True)
    (folder / "outputs" / "large").write_bytes(data)
    handle = pod.attach("any")
    assert handle.read("outputs/large") == data
    assert handle.read("outputs/large", 19_999_990) == data[-10:]
    assert handle.read("not/there") == b""
    assert pod.read("outputs/large") == data
    assert pod.read("outputs/large", 19_999_990) == data[-10:]
    assert pod.read("not/there") == b""


def test_a_job_that_cannot_start_says_why(pod: SshPod) -> None:
    handle = ended(pod.start(Job("j", Command(("no-such-program",)))))
    assert handle.status().exit_code == 127
    assert b"cannot start no-such-program" in handle.log()


def test_one_name_runs_one_job_at_a_time_and_can_be_used_again(pod: SshPod) -> None:
    first = pod.start(Job("j", python("import time; time.sleep(60)")))
    with pytest.raises(MillhandError, match="running already"):
        pod.start(Job("j", python("pass")))
    first.stop(grace_s=5)
    assert first.status().exit_code == -signal.SIGTERM
    assert ended(pod.start(Job("j", python("print('second')")))).log() == b"second\n"


def test_a_job_may_save_before_it_ends_and_a_second_stop_overrides_the_first(pod: SshPod) -> None:
    code = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: print('saving', flush=True))
print('up', flush=True)
while True:
    time.sleep(1)
"""
    handle = pod.start(Job("j", python(code)))
    wait_until(lambda: b"up" in handle.log())
    patient = threading.Thread(target=handle.stop, args=(300,))
    patient.start()
    wait_until(lambda: b"saving" in handle.log())
    assert handle.status().alive
    handle.stop(0)
    patient.join(10)
    assert not patient.is_alive()
    assert handle.status().exit_code == -signal.SIGKILL


def test_watching_brings_what_is_new_and_waits_where_nothing_is(pod: SshPod, folder: Path) -> None:
    code = """
import time
print('one', flush=True)
while not __import__('os').path.exists('go'):
    time.sleep(0.02)
open('trainer_log.jsonl', 'w').write('{}\\n')
print('two', flush=True)
"""
    handle = pod.start(Job("j", python(code)))
    wait_until(lambda: handle.log() == b"one\n")
    status, trained, said = handle.watch("trainer_log.jsonl", 0, 0, None)
    assert (status.phase, trained, said) == ("running", b"", b"one\n")
    assert handle.watch("trainer_log.jsonl", 0, 4, status, wait_s=0.2)[1:] == (b"", b"")
    (folder / "go").touch()
    heard, printed = b"", b""
    while status.alive:
        status, trained, said = handle.watch("trainer_log.jsonl", len(heard), 4 + len(printed), status)
        heard, printed = heard + trained, printed + said
    assert (heard, printed, status.exit_code) == (b"{}\n", b"two\n", 0)


def test_a_job_outlives_its_client(pod: SshPod, sshd: Sshd, workspace: Workspace, folder: Path) -> None:
    handle = start_and_die(sshd, workspace, folder, pod, tethered=False)
    assert handle.status().phase == "running"
    time.sleep(2)
    assert handle.status().phase == "running"


def test_a_tethered_job_ends_with_its_client(
    pod: SshPod, sshd: Sshd, workspace: Workspace, folder: Path
) -> None:
    handle = start_and_die(sshd, workspace, folder, pod, tethered=True)
    assert ended(handle).status().exit_code == -signal.SIGTERM


def start_and_die(
    sshd: Sshd, workspace: Workspace, folder: Path, pod: SshPod, *, tethered: bool
) -> JobHandle:
    """Start a job from a client that is killed as soon as it is up."""
    client = f"""
import os, signal, sys
from pathlib import Path
from millhand.pods.base import Job
from millhand.pods.ssh.address import Address
from millhand.pods.ssh.pod import open_ssh_pod
from millhand.shell import Command
from millhand.workspace import Workspace
key = Path({str(sshd.folder)!r}) / "client_key"
address = Address("127.0.0.1", {sshd.port}, {sshd.address.user!r}, (key,))
pod = open_ssh_pod(Workspace(Path({str(workspace.root)!r})), "host", lambda: address,
                   folder={str(folder)!r}, python=sys.executable, agent_python=sys.executable)
pod._tether_s = 2.0
command = Command((sys.executable, "-c", "import time; time.sleep(60)"))
assert pod.start(Job("j", command, tethered={tethered})).status().phase == "running"
os.kill(os.getpid(), signal.SIGKILL)
"""
    killed = subprocess.run([sys.executable, "-c", client], check=False)
    assert killed.returncode == -signal.SIGKILL
    return pod.attach("j")


def test_a_tethered_job_lives_as_long_as_its_client(
    sshd: Sshd, workspace: Workspace, folder: Path, pod: SshPod
) -> None:
    pod._tether_s = 2.0
    handle = pod.start(Job("j", python("import time; time.sleep(60)"), tethered=True))
    time.sleep(4)
    assert handle.status().phase == "running"
    pod.close()
    with open_ssh_pod(
        workspace, "host", lambda: sshd.address, folder=str(folder), python="", agent_python=sys.executable
    ) as other:
        assert ended(other.attach("j")).status().exit_code == -signal.SIGTERM


def test_a_job_name_cannot_leave_the_state_folder(pod: SshPod) -> None:
    with pytest.raises(RefusedError):
        pod.attach("../../elsewhere").status()


# Secrets.


def test_secrets_lie_in_no_argument_no_file_and_no_other_processes_environment(
    pod: SshPod, sshd: Sshd, workspace: Workspace, folder: Path
) -> None:
    planted = "planted" + os.urandom(8).hex()
    secret = Secret(planted)
    code = "import os, sys, time; print(len(os.environ['TOKEN']), flush=True); time.sleep(float(sys.argv[1]))"
    handle = pod.start(Job("j", python(code, "60", TOKEN=secret)))
    wait_until(lambda: handle.log() != b"")
    found: list[bytes] = []
    running = threading.Thread(target=pod.run, args=(python(code, "1.5", TOKEN=secret),))
    running.start()
    time.sleep(0.7)
    places = [sshd.folder, workspace.root, folder, Path(f"/dev/shm/millhand-{os.getuid()}")]
    found = [*_in_processes(planted.encode(), code.encode()), *_in_files(planted.encode(), places)]
    running.join()
    handle.stop(0)
    found += [*_in_processes(planted.encode(), code.encode()), *_in_files(planted.encode(), places)]
    assert not found
    with pytest.raises(CommandError) as caught:
        pod.run(Command(("no-such-program",), env={"TOKEN": secret}))
    assert planted not in str(caught.value)


def _in_processes(planted: bytes, job: bytes) -> list[bytes]:
    """Command lines, and environments of others than the job, that hold the secret."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            arguments = (process / "cmdline").read_bytes()
            theirs = job not in arguments and (process / "environ").read_bytes()
            found += [arguments] if planted in arguments or (theirs and planted in theirs) else []
    return found


def _in_files(planted: bytes, places: list[Path]) -> list[bytes]:
    found = []
    for path in (path for place in places for path in place.rglob("*")):
        with contextlib.suppress(OSError):
            found += [bytes(path)] if path.is_file() and planted in path.read_bytes() else []
    return found
