"""What breaks between a client and its pod, with a real sshd: nothing is lost and nothing is done twice."""

from __future__ import annotations

import http.server
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from millhand.pods.base import Job
from millhand.pods.ssh.address import Address
from millhand.pods.ssh.connection import Patience
from millhand.pods.ssh.dial import Timing
from millhand.pods.ssh.faults import ConnectError, HostKeyError, UnreachableError
from millhand.pods.ssh.hostkeys import FILE_NAME, forget
from millhand.pods.ssh.pod import SshPod, open_ssh_pod
from millhand.shell import Command
from millhand.workspace import Workspace
from tests.chaos_proxy import ChaosProxy
from tests.patience import WITHIN_S
from tests.sshd import Sshd, make_key, running_sshd

QUICK = Timing(connect_s=5.0, pulse_s=0.2, silence_s=1.0)
# Leaves a line in `runs` each time that it runs, and takes a while.
COUNTED = "import os, time; open('runs', 'a').write('x'); time.sleep({}); print('done')"


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    with running_sshd(tmp_path / "sshd") as sshd:
        yield sshd


@pytest.fixture
def line(sshd: Sshd) -> Iterator[ChaosProxy]:
    with ChaosProxy(sshd.port) as line:
        yield line


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "pod"


@pytest.fixture
def told() -> list[str]:
    """What the user is told."""
    return []


Opener = Callable[..., SshPod]


@pytest.fixture
def opened(workspace: Workspace, folder: Path, told: list[str]) -> Iterator[Opener]:
    """Opens the pod at an address; whatever runs there is ended afterwards."""
    pods: list[SshPod] = []

    def open_pod(address: Callable[[], Address], **more: Any) -> SshPod:
        given = {"timing": QUICK, "tell": told.append, "agent_python": sys.executable, **more}
        pods.append(
            open_ssh_pod(workspace, "host", address, folder=str(folder), python=sys.executable, **given)
        )
        return pods[-1]

    yield open_pod
    for pod in pods:
        pod.close()


@pytest.fixture
def pod(opened: Opener, sshd: Sshd, line: ChaosProxy) -> SshPod:
    """The pod behind the proxy."""
    return opened(lambda: replace(sshd.address, port=line.port))


def python(code: str) -> Command:
    return Command((sys.executable, "-c", code))


def wait_until(condition: Callable[[], bool], within_s: float = WITHIN_S) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def in_thread(function: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(function()), daemon=True)
    thread.start()
    return thread, answers


def answer_of(started: tuple[threading.Thread, list[Any]]) -> Any:
    thread, answers = started
    thread.join(60)
    assert answers, "no answer"
    return answers[0]


# Cuts.


def test_a_command_goes_on_through_a_cut_and_runs_once(pod: SshPod, sshd: Sshd, folder: Path) -> None:
    running = in_thread(lambda: pod.run(python(COUNTED.format(2))))
    wait_until((folder / "runs").exists)
    assert sshd.cut() > 0
    assert answer_of(running).check().stdout == "done\n"
    assert (folder / "runs").read_text() == "x"


def test_a_command_whose_answer_is_lost_is_answered_and_runs_once(
    pod: SshPod, line: ChaosProxy, folder: Path
) -> None:
    assert pod.folder
    line.freeze(only_answers=True)
    running = in_thread(lambda: pod.run(python(COUNTED.format(0))))
    wait_until((folder / "runs").exists)
    time.sleep(0.3)
    line.cut()
    line.thaw()
    assert answer_of(running).check().stdout == "done\n"
    assert (folder / "runs").read_text() == "x"


def test_a_job_whose_start_is_not_answered_is_started_once(
    pod: SshPod, line: ChaosProxy, folder: Path
) -> None:
    assert pod.folder
    line.freeze(only_answers=True)
    starting = in_thread(lambda: pod.start(Job("j", python(COUNTED.format(60)))))
    wait_until((folder / "runs").exists)
    line.cut()
    line.thaw()
    handle = answer_of(starting)
    assert handle.status().phase == "running"
    handle.stop(0)
    assert (folder / "runs").read_text() == "x"


def test_a_job_is_followed_through_many_cuts(pod: SshPod, line: ChaosProxy, folder: Path) -> None:
    code = "import time\nfor n in range(60):\n    print(n, flush=True)\n    time.sleep(0.05)"
    handle = pod.start(Job("j", python(code)))
    heard, status, cuts = b"", None, 0
    while status is None or status.alive:
        status, _, said = handle.watch("none", 0, len(heard), status)
        heard += said
        if len(heard) // 30 > cuts:
            cuts += line.cut()
    assert heard == handle.log() == b"".join(b"%d\n" % n for n in range(60))
    assert cuts >= 3


def test_reading_a_large_file_survives_cuts_in_the_middle(
    pod: SshPod, line: ChaosProxy, folder: Path
) -> None:
    data = os.urandom(30_000_000)
    folder.mkdir()
    (folder / "large").write_bytes(data)
    line.cut_after(12_000_000)
    assert pod.attach("any").read("large") == data
    assert line.connections == 2


def test_a_job_untouched_by_the_end_of_everything_between(
    pod: SshPod, sshd: Sshd, folder: Path, opened: Opener
) -> None:
    handle = pod.start(Job("j", python(COUNTED.format(60))))
    wait_until((folder / "runs").exists)
    pod.close()
    sshd.restart()
    handle = opened(lambda: sshd.address).attach("j")
    assert handle.status().phase == "running"
    handle.stop(0)


def test_a_tethered_job_survives_a_cut(pod: SshPod, line: ChaosProxy) -> None:
    pod._tether_s = 4.0
    handle = pod.start(Job("j", python("import time; time.sleep(60)"), tethered=True))
    line.cut()
    time.sleep(6)
    assert handle.status().phase == "running"
    handle.stop(0)


def test_a_tethered_job_ends_when_the_network_stays_away(
    pod: SshPod, line: ChaosProxy, sshd: Sshd, opened: Opener
) -> None:
    pod._tether_s = 2.0
    pod.start(Job("j", python("import time; time.sleep(60)"), tethered=True))
    line.freeze()  # the pod's side sees a connection that stands
    handle = opened(lambda: sshd.address).attach("j")
    wait_until(lambda: not handle.status().alive)
    assert handle.status().exit_code == -signal.SIGTERM


def test_folders_go_up_and_down_through_cuts(
    pod: SshPod, line: ChaosProxy, workspace: Workspace, folder: Path
) -> None:
    data = {f"outputs/한 글/{n}": os.urandom(200_000) for n in range(60)}
    data["outputs/large"] = os.urandom(20_000_000)
    for name, content in data.items():
        (workspace.root / name).parent.mkdir(parents=True, exist_ok=True)
        (workspace.root / name).write_bytes(content)
    for size in (1_000_000, 8_000_000, 15_000_000):
        data["outputs/large"] = os.urandom(20_000_000)
        (workspace.root / "outputs/large").write_bytes(data["outputs/large"])
        line.cut_after(size)
        pod.put(["outputs"])
    assert {name: (folder / name).read_bytes() for name in data} == data
    shutil.rmtree(workspace.root / "outputs")
    line.cut_after(15_000_000)
    pod.get(["outputs"], exclude=["3*"])
    kept = {name for name in data if not Path(name).name.startswith("3")}
    assert {name: (workspace.root / name).read_bytes() for name in kept} == {
        name: data[name] for name in kept
    }
    assert not (workspace.root / "outputs/한 글/3").exists()
    assert line.connections >= 5


# Silence.


def test_a_connection_that_stands_but_says_nothing_is_made_anew(
    pod: SshPod, line: ChaosProxy, folder: Path
) -> None:
    assert pod.folder
    line.freeze()
    running = in_thread(lambda: pod.run(python(COUNTED.format(0))))
    wait_until(lambda: line.connections >= 2)
    line.thaw()
    assert answer_of(running).check().stdout == "done\n"
    assert (folder / "runs").read_text() == "x"


def test_an_sshd_that_hangs_is_left_for_a_new_connection(pod: SshPod, sshd: Sshd) -> None:
    handle = pod.start(Job("j", python("import time; time.sleep(60)")))
    sshd.freeze()
    assert handle.status().phase == "running"
    handle.stop(0)


# Other places, other keys.


def test_a_pod_that_comes_back_on_another_port_is_found(
    opened: Opener, sshd: Sshd, told: list[str], folder: Path
) -> None:
    pod = opened(lambda: sshd.address)
    handle = pod.start(Job("j", python(COUNTED.format(60))))
    port = sshd.port
    sshd.restart(new_port=True)
    assert sshd.port != port
    assert handle.status().phase == "running"
    handle.stop(0)


def test_a_machine_that_is_away_for_a_while_is_waited_for_and_the_user_is_told(
    pod: SshPod, line: ChaosProxy, told: list[str]
) -> None:
    assert pod.folder
    line.refuse()
    running = in_thread(lambda: pod.run(Command(("echo", "back"))))
    wait_until(lambda: any("Trying again for 600 s" in text for text in told))
    line.allow()
    assert answer_of(running).stdout == "back\n"
    assert told[-1] == "Connected to host again."
    assert len(told) == 3  # and the key, once


def test_a_machine_that_stays_away_is_given_up_in_time_with_what_to_do(
    opened: Opener, sshd: Sshd, line: ChaosProxy
) -> None:
    pod = opened(lambda: replace(sshd.address, port=line.port), patience=Patience(lost_s=1.5))
    assert pod.folder
    sshd.stop()
    line.refuse()
    with pytest.raises(UnreachableError, match=r"within 2 s[^$]*Jobs there go on"):
        pod.run(Command(("true",)))


def test_a_changed_host_key_stops_until_the_old_one_is_forgotten(
    opened: Opener, sshd: Sshd, workspace: Workspace, told: list[str]
) -> None:
    pod = opened(lambda: sshd.address)
    assert pod.folder
    before = sshd.fingerprint
    assert [before in text for text in told] == [True]
    sshd.restart(new_host_key=True)
    with pytest.raises(HostKeyError, match="has changed from") as caught:
        pod.run(Command(("true",)))
    for part in (before, sshd.fingerprint, "millhand hosts forget host", "ssh-keygen -lf"):
        assert part in str(caught.value)
    assert forget(workspace.state / FILE_NAME, "host")
    assert opened(lambda: sshd.address).folder
    assert opened(lambda: sshd.address).folder
    assert [sshd.fingerprint in text for text in told] == [False, True]


def test_a_pinned_key_is_the_only_one_and_is_not_kept(
    opened: Opener, sshd: Sshd, workspace: Workspace
) -> None:
    other = "SHA256:" + "A" * 43
    pinned = opened(lambda: replace(sshd.address, fingerprints=(other, sshd.fingerprint)))
    assert pinned.folder
    assert not (workspace.state / FILE_NAME).exists()
    assert opened(lambda: sshd.address).folder  # known from here on
    with pytest.raises(HostKeyError, match="pinned are"):
        opened(lambda: replace(sshd.address, fingerprints=(other,))).run(Command(("true",)))


@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
def test_a_host_that_gets_a_second_key_has_not_changed(opened: Opener, tmp_path: Path, kind: str) -> None:
    sshd = Sshd(tmp_path / "host")
    for name in ("host_key", "client_key"):
        (sshd.folder / name).unlink()
        command = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(sshd.folder / name)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    shutil.copy(sshd.folder / "client_key.pub", sshd.folder / "authorized_keys")
    sshd.start()
    try:
        assert opened(lambda: sshd.address).folder
        make_key(sshd.folder / "second_key")
        sshd.extra = f"HostKey {sshd.folder}/second_key"
        sshd.restart()
        assert opened(lambda: sshd.address).folder
    finally:
        sshd.cut()
        sshd.stop()


def test_pins_that_come_late_after_a_restart_are_waited_for(opened: Opener, sshd: Sshd) -> None:
    pins = [sshd.fingerprint]
    asked = []

    def address() -> Address:
        asked.append(1)
        if len(asked) > 3:  # the log says now what the machine has been for a while
            pins[:] = [sshd.fingerprint]
        return replace(sshd.address, fingerprints=tuple(pins))

    pod = opened(address)
    assert pod.folder
    sshd.restart(new_port=True, new_host_key=True)
    assert pod.run(Command(("echo", "again"))).stdout == "again\n"
    assert len(asked) > 3


# No way in.


def test_each_way_of_not_getting_in_says_why_and_what_to_do(
    opened: Opener, sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    locked, unknown = tmp_path / "locked", tmp_path / "unknown"
    make_keys(locked, unknown)
    (tmp_path / "rubbish").write_text("rubbish")
    here = sshd.address
    cases = {
        "There is no host no-such-host.invalid": replace(here, host="no-such-host.invalid"),
        "Is sshd running there": replace(here, port=1),
        "takes none of the 1 key": replace(here, key_files=(unknown,)),
        "ssh-add .*locked": replace(here, key_files=(locked,)),
        "There is no key .*missing": replace(here, key_files=(tmp_path / "missing",)),
        "cannot be read as a private key": replace(here, key_files=(tmp_path / "rubbish",)),
    }
    for text, address in cases.items():
        with pytest.raises(ConnectError, match=text):
            opened(lambda address=address: address).run(Command(("true",)))


def make_keys(locked: Path, unknown: Path) -> None:
    for path, phrase in ((locked, "passphrase"), (unknown, "")):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", phrase, "-f", str(path)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def test_a_port_where_something_else_listens_says_so(opened: Opener, sshd: Sshd) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(UnreachableError, match="another service"):
            opened(lambda: replace(sshd.address, port=server.server_port)).run(Command(("true",)))
        server.shutdown()


def test_a_key_in_the_agent_opens_what_its_locked_file_does_not(
    opened: Opener, sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    socket = tmp_path / "agent.sock"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL)
    try:
        wait_until(socket.exists)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        subprocess.run(["ssh-add", "-q", str(sshd.folder / "client_key")], check=True)
        lock = ["ssh-keygen", "-q", "-p", "-P", "", "-N", "phrase", "-f", str(sshd.folder / "client_key")]
        subprocess.run(lock, check=True, stdout=subprocess.DEVNULL)
        assert opened(lambda: sshd.address).folder
        assert opened(lambda: replace(sshd.address, key_files=(tmp_path / "none",))).folder
    finally:
        agent.terminate()
        agent.wait()


def test_a_pod_behind_jump_hosts_is_reached_and_each_key_is_kept(
    opened: Opener, sshd: Sshd, tmp_path: Path, told: list[str]
) -> None:
    with running_sshd(tmp_path / "one") as one, running_sshd(tmp_path / "two") as two:
        address = replace(sshd.address, jump=replace(two.address, jump=one.address))
        for _ in range(2):
            assert opened(lambda: address).run(Command(("echo", "far"))).stdout == "far\n"
        assert all(f"port {jump.port}" in jump.log for jump in (one, two))
        assert len(told) == 3
        pod = opened(lambda: address)
        assert pod.folder
        two.restart()
        assert pod.run(Command(("echo", "still"))).stdout == "still\n"
        two.restart(new_host_key=True)
        with pytest.raises(HostKeyError, match=f":{two.port}. has changed"):
            pod.run(Command(("true",)))


# Odd accounts.


@pytest.mark.parametrize(
    "force",
    [
        "echo Welcome; echo; printf 'no newline'; exec sh -c \"$SSH_ORIGINAL_COMMAND\"",
        'yes noise | head -c 500000; exec dash -c "$SSH_ORIGINAL_COMMAND"',
        'exec fish -c "$SSH_ORIGINAL_COMMAND"',
        'exec csh -c "$SSH_ORIGINAL_COMMAND"',
    ],
    ids=["banner", "much", "fish", "csh"],
)
def test_any_login_shell_will_do_that_runs_a_command(
    opened: Opener, tmp_path: Path, force: str, request: pytest.FixtureRequest
) -> None:
    shell = request.node.callspec.id
    if shell in ("fish", "csh") and not any(Path(place, shell).exists() for place in ("/bin", "/usr/bin")):
        pytest.skip(f"no {shell} here")
    with running_sshd(tmp_path / "odd", f"ForceCommand {force}") as sshd:
        pod = opened(lambda: sshd.address)
        assert pod.run(Command(("printf", "%s", "a 'b' \"c\" $d"))).stdout == "a 'b' \"c\" $d"
        pod.close()


def test_an_account_without_python_or_with_an_old_one_or_without_a_shell_says_so(
    opened: Opener, sshd: Sshd, workspace: Workspace, tmp_path: Path
) -> None:
    known = workspace.state / FILE_NAME
    with pytest.raises(ConnectError, match=r"no nopython3[^$]*apt-get install python3"):
        opened(lambda: sshd.address, agent_python="nopython3").run(Command(("true",)))
    old = tmp_path / "old"
    old.write_text("#!/bin/sh\necho; echo 'millhand-agent 3.6'; cat >/dev/null\n")
    old.chmod(0o755)
    with pytest.raises(ConnectError, match=r"Python 3\.6; Millhand needs 3\.8"):
        opened(lambda: sshd.address, agent_python=str(old)).run(Command(("true",)))
    with running_sshd(tmp_path / "closed", "ForceCommand echo This account is closed.; exit 1") as closed:
        forget(known, "host")
        pod = opened(lambda: closed.address)
        with pytest.raises(ConnectError, match=r"lets nobody run a command[^$]*account is closed"):
            pod.run(Command(("true",)))
    forget(known, "host")
    none = running_sshd(tmp_path / "none", "MaxSessions 0")
    with none as forwarder, pytest.raises(ConnectError, match="opens no session"):
        opened(lambda: forwarder.address).run(Command(("true",)))


# Tunnels and clients.


def test_a_tunnel_goes_on_after_a_cut(pod: SshPod, line: ChaosProxy, tmp_path: Path) -> None:
    (tmp_path / "page").write_text("there")

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args, directory=str(tmp_path))

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pod.forward(server.server_port) as port:
            for _ in range(3):
                assert httpx.get(f"http://127.0.0.1:{port}/page").text == "there"
                line.cut()
        server.shutdown()


def test_ctrl_c_ends_the_command_on_the_pod(sshd: Sshd, workspace: Workspace, folder: Path) -> None:
    client = f"""
import sys
from pathlib import Path
from millhand.pods.ssh.address import Address
from millhand.pods.ssh.pod import open_ssh_pod
from millhand.shell import Command
from millhand.workspace import Workspace
key = Path({str(sshd.folder)!r}) / "client_key"
address = Address("127.0.0.1", {sshd.port}, {sshd.address.user!r}, (key,))
pod = open_ssh_pod(Workspace(Path({str(workspace.root)!r})), "host", lambda: address,
                   folder={str(folder)!r}, python=sys.executable, agent_python=sys.executable)
code = "import os, time; open('pid', 'w').write(str(os.getpid())); os.rename('pid', 'up'); time.sleep(60)"
pod.run(Command((sys.executable, "-c", code)))
"""
    process = subprocess.Popen([sys.executable, "-c", client], stderr=subprocess.DEVNULL)
    wait_until((folder / "up").exists)
    pid = int((folder / "up").read_text())
    process.send_signal(signal.SIGINT)
    process.wait(20)
    wait_until(lambda: not Path(f"/proc/{pid}").exists())
