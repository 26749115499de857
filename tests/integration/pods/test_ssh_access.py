"""The ways to a pod, with a real sshd: other places, other keys, odd accounts; what bars them is named."""

from __future__ import annotations

import http.server
import shutil
import subprocess
import threading
from dataclasses import replace
from pathlib import Path

import paramiko
import pytest
from paramiko.common import MSG_NAMES

from millhand.pods.base import Job
from millhand.pods.ssh.address import Address
from millhand.pods.ssh.connection import Patience
from millhand.pods.ssh.faults import ConnectError, HostKeyError, UnreachableError
from millhand.pods.ssh.hostkeys import FILE_NAME, forget
from millhand.pods.ssh.packets import Packets
from millhand.pods.ssh.pod import SshPod
from millhand.shell import Command
from millhand.workspace import Workspace
from tests.chaos_proxy import ChaosProxy
from tests.integration.pods.ssh_line import (
    COUNTED,
    Opener,
    answer_of,
    folder,
    in_thread,
    line,
    opened,
    pod,
    python,
    sshd,
    told,
)
from tests.patience import wait_until
from tests.sshd import Sshd, make_key, running_sshd

__all__ = ["folder", "line", "opened", "pod", "sshd", "told"]

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


def test_of_several_keys_the_one_that_is_taken_opens(opened: Opener, sshd: Sshd, tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("first", "second")]
    for path in files:
        make_key(path)
    keys = (*files, *sshd.address.key_files)
    assert opened(lambda: replace(sshd.address, key_files=keys)).folder
    with pytest.raises(ConnectError, match=r"none of the 2 keys"):
        opened(lambda: replace(sshd.address, key_files=tuple(files))).run(Command(("true",)))


def test_a_key_goes_at_once_and_nothing_comes_before_the_first_channel(
    opened: Opener, sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    send = Packets.send_message

    def noted(self: Packets, message: paramiko.Message) -> None:
        sent.append(MSG_NAMES[message.asbytes()[0]] if message.asbytes() else "burst")
        send(self, message)

    monkeypatch.setattr(Packets, "send_message", noted)
    assert opened(lambda: sshd.address).folder
    asked = sent.index("service-request")
    # Nothing comes between: an sshd holds an answer back as long as the one before it is not confirmed.
    assert sent[asked : asked + 4] == [
        "service-request",
        "userauth-request",
        "channel-open",
        "channel-request",
    ]


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
