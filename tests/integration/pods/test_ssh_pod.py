"""The pod behind a real sshd: commands and files arrive as they were meant."""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from millhand.errors import CommandError
from millhand.pods.ssh.agents import RefusedError
from millhand.pods.ssh.faults import ConnectError
from millhand.pods.ssh.pod import SshPod, open_ssh_pod
from millhand.shell import Command
from millhand.workspace import Workspace
from tests.integration.pods.ssh_here import (
    folder,
    pod,
    python,
    sshd,
)
from tests.patience import wait_until
from tests.sshd import running_sshd

__all__ = ["folder", "pod", "sshd"]

TEXT = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]))
SHOW = (
    "import os, sys\n"
    "told = [*sys.argv[1:], os.environ['IT'], os.getcwd()]\n"
    "sys.stdout.buffer.write('\\0'.join(told).encode('utf-8', 'surrogateescape'))"
)


# Commands.


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(TEXT, max_size=3), TEXT, st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=20)
)
@example(
    ["'", '"', "$HOME", "`id`", "a\nb", "!x", "\\", "-n", "한글", "", "~", "*"], "a\n'b\"=$c", " 한 '\"$글"
)
def test_arguments_environment_and_folder_arrive_as_they_were_given(
    pod: SshPod, folder: Path, arguments: list[str], value: str, name: str
) -> None:
    cwd = "in " + name.replace("/", "_").strip(".")
    pod.files.make_folder(cwd)
    shown = pod.run(Command((sys.executable, "-c", SHOW, *arguments), env={"IT": value}, cwd=cwd)).check()
    assert shown.stdout.split("\0") == [*arguments, value, str(folder.resolve() / cwd)]


def test_a_nul_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(ValueError, match="not an argument"):
        Command(("echo", "a\0b"))


def test_input_output_and_exit_code(pod: SshPod) -> None:
    code = "import sys; print(len(sys.stdin.buffer.read())); print('why', file=sys.stderr); sys.exit(3)"
    result = pod.run(python(code), stdin=os.urandom(3_000_000))
    assert (result.code, result.stdout, result.stderr) == (3, "3000000\n", "why\n")
    with pytest.raises(CommandError, match="ended with code 3:\nwhy"):
        result.check()


def test_a_command_that_a_signal_ends_says_so(pod: SshPod) -> None:
    assert pod.run(python("import os; os.kill(os.getpid(), 9)")).code == -signal.SIGKILL


def test_a_program_that_is_not_there_one_that_hangs_and_one_that_prints_for_ever(pod: SshPod) -> None:
    with pytest.raises(CommandError, match="no-such-program"):
        pod.run(Command(("no-such-program",)))
    with pytest.raises(CommandError, match="not done after"):
        pod.run(python("import time; time.sleep(60)"), timeout_s=0.3)
    with pytest.raises(CommandError, match="printed more than 16 MiB"):
        pod.run(Command(("yes",)))


def test_a_folder_outside_the_workspace_is_refused(pod: SshPod) -> None:
    with pytest.raises(RefusedError, match="outside the workspace"):
        pod.run(Command(("pwd",), cwd="../.."))


def test_threads_may_use_one_pod_at_the_same_time(pod: SshPod) -> None:
    said: list[str] = []
    code = "import sys, time; time.sleep(0.2); print(sys.argv[1])"
    threads = [
        threading.Thread(target=lambda n=n: said.append(pod.run(python(code, str(n))).stdout))
        for n in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(said) == sorted(f"{n}\n" for n in range(12))


def test_what_a_command_printed_is_kept_nowhere_once_it_was_told(pod: SshPod) -> None:
    shared = Path(f"/dev/shm/millhand-{os.getuid()}")
    if not shared.parent.is_dir():
        pytest.skip("no shared memory here")
    mark = os.urandom(8).hex()
    pod.run(Command(("echo", mark))).check()
    pod.close()
    wait_until(lambda: mark not in _held(shared))


def _held(folder: Path) -> str:
    """All that commands printed and that is still there; others come and go meanwhile."""
    held = ""
    for place, _, files in os.walk(folder):
        with suppress(OSError):
            held += Path(place, "out").read_text(errors="replace") if "out" in files else ""
    return held


def test_an_sshd_that_allows_few_channels_and_no_tunnels(workspace: Workspace, tmp_path: Path) -> None:
    with running_sshd(tmp_path / "few", "MaxSessions 1\nAllowTcpForwarding no") as few:
        pod = open_ssh_pod(
            workspace,
            "few",
            lambda: few.address,
            folder=str(tmp_path / "few" / "pod"),
            python="",
            agent_python=sys.executable,
        )
        threads = [
            threading.Thread(target=pod.run, args=(python("import time; time.sleep(1)"),)) for _ in "abc"
        ]
        for thread in threads:
            thread.start()
        assert pod.run(Command(("echo", "there"))).stdout == "there\n"
        for thread in threads:
            thread.join()
        with pytest.raises(ConnectError, match="AllowTcpForwarding"), pod.forward(80):
            pass
        pod.close()


# Files.


def test_files_can_be_looked_at_named_anew_and_removed(pod: SshPod, folder: Path) -> None:
    pod.files.make_folder("a/한 글")
    (folder / "a/한 글/file").write_bytes(b"x")
    facts = pod.files.describe("a/한 글/file", hashed=True)
    assert (facts.kind, facts.size, (facts.sha256 or "")[:8]) == ("file", 1, "2d711642")
    pod.files.rename("a", "b")
    pod.files.rename("a", "b")  # said again after a lost answer
    assert (pod.files.describe("a").kind, pod.files.describe("b").kind) == ("absent", "folder")
    pod.files.remove("b")
    pod.files.remove("b")
    assert pod.files.describe("b").kind == "absent"


def test_no_path_leaves_the_workspace(pod: SshPod, folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("kept")
    pod.files.make_folder(".")
    (folder / "link").symlink_to(outside)
    for path in ("link/file", "../outside/file", str(outside / "file"), "x/../../outside/file"):
        with pytest.raises(RefusedError, match=r"workspace"):
            pod.files.remove(path)
        with pytest.raises(RefusedError, match=r"workspace"):
            pod.attach("j").read(path)
    for path in ("", ".", "x/..", "./"):
        with pytest.raises(RefusedError, match=r"workspace"):
            pod.files.remove(path)
    pod.files.remove("link")
    assert (outside / "file").read_text() == "kept"
