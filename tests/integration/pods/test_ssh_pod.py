"""The pod behind a real sshd: commands, jobs, files and tunnels arrive as they were meant."""

from __future__ import annotations

import contextlib
import http.server
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from millhand.errors import CommandError, MillhandError, UsageError
from millhand.pods.base import Job, JobHandle
from millhand.pods.ssh.agents import RefusedError
from millhand.pods.ssh.faults import ConnectError
from millhand.pods.ssh.pod import SshPod, open_ssh_pod
from millhand.shell import Command, Secret
from millhand.workspace import Workspace
from tests.patience import WITHIN_S
from tests.sshd import Sshd, running_sshd

TEXT = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]))
SHOW = (
    "import os, sys\n"
    "told = [*sys.argv[1:], os.environ['IT'], os.getcwd()]\n"
    "sys.stdout.buffer.write('\\0'.join(told).encode('utf-8', 'surrogateescape'))"
)


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with running_sshd(tmp_path_factory.mktemp("sshd")) as sshd:
        yield sshd


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The pod's workspace."""
    return tmp_path / 'pod\'s "작업" 공간'


@pytest.fixture
def pod(sshd: Sshd, workspace: Workspace, folder: Path) -> Iterator[SshPod]:
    with open_ssh_pod(
        workspace,
        "host",
        lambda: sshd.address,
        folder=str(folder),
        python=sys.executable,
        agent_python=sys.executable,
    ) as pod:
        yield pod
        for name in [] if pod.connection.closed else pod.jobs():
            pod.attach(name).stop(0)


def python(code: str, *arguments: str, **env: str | Secret) -> Command:
    return Command((sys.executable, "-c", code, *arguments), env=env)


def wait_until(condition: Callable[[], bool], within_s: float = WITHIN_S) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def ended(handle: JobHandle) -> JobHandle:
    wait_until(lambda: not handle.status().alive)
    return handle


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


# Jobs.


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


# Tunnels.


class _Echo(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Two pieces, the second when the client has seen the first."""
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in (b"one", b"two"):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.flush()
            self.server.seen.wait(20)  # type: ignore[attr-defined]
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_: object) -> None:
        pass


class _Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128  # with the default of 5 the system resets what comes at once
    daemon_threads = True


@pytest.fixture
def server() -> Iterator[http.server.ThreadingHTTPServer]:
    server = _Server(("127.0.0.1", 0), _Echo)
    server.seen = threading.Event()  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_tunnel_passes_bytes_on_as_they_come(pod: SshPod, server: http.server.ThreadingHTTPServer) -> None:
    with pod.forward(server.server_port) as port, httpx.stream("GET", f"http://127.0.0.1:{port}/") as answer:
        pieces = answer.iter_raw()
        assert next(pieces) == b"one"  # a buffer would wait for the rest, which waits for this line
        server.seen.set()  # type: ignore[attr-defined]
        assert b"".join(pieces) == b"two"


def test_many_connections_go_through_a_tunnel_at_once(
    pod: SshPod, server: http.server.ThreadingHTTPServer
) -> None:
    server.seen.set()  # type: ignore[attr-defined]
    with pod.forward(server.server_port) as port:
        said: list[str] = []
        threads = [
            threading.Thread(target=lambda: said.append(httpx.get(f"http://127.0.0.1:{port}/").text))
            for _ in range(30)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert said == ["onetwo"] * 30
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/")


def test_a_tunnel_ends_only_the_way_that_was_ended(pod: SshPod) -> None:
    with socket.create_server(("127.0.0.1", 0)) as far, pod.forward(far.getsockname()[1]) as port:
        near = socket.create_connection(("127.0.0.1", port))
        there, _ = far.accept()
        near.sendall(b"question")
        near.shutdown(socket.SHUT_WR)
        heard = b""
        while part := there.recv(100):
            heard += part
        there.sendall(b"answer")
        there.close()
        assert (heard, near.recv(100), near.recv(100)) == (b"question", b"answer", b"")
        near.close()


def test_a_wanted_port_is_taken_or_refused_and_nobody_at_the_far_end_is_a_reset(pod: SshPod) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"Port {port}"), pod.forward(1, at=port):
            pass
    with pod.forward(1, at=port) as given:
        assert given == port
        with pytest.raises(httpx.TransportError):
            httpx.get(f"http://127.0.0.1:{port}/")
