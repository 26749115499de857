"""What is kept on a pod, over a real sshd: its environment, its lease, and the proof of both."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from millhand.pods.lease import PodLease, Terms
from millhand.pods.ssh.pod import SshPod, open_ssh_pod
from millhand.runs.pod_environment import PodEnvironment, look, prepare, read_environment
from millhand.shell import Secret
from millhand.workspace import Workspace
from tests.conftest import Millhand
from tests.integration.pods.test_pod_environment import CODE, LOCK
from tests.sshd import Sshd, running_sshd

# An interpreter without the training stack, as an image has one.
BARE = getattr(sys, "_base_executable", sys.executable)


@pytest.fixture
def sshd(workspace: Workspace, tmp_path: Path) -> Iterator[Sshd]:
    with running_sshd(tmp_path / "sshd") as running:
        address = running.address
        text = f"kind: ssh\nhost: 127.0.0.1\nport: {address.port}\nuser: {address.user}\n"
        text += f"key: {address.key_files[0]}\nworkspace: {tmp_path}/box\npython: {BARE}\n"
        folder = workspace.root / "runpod"
        folder.mkdir(exist_ok=True)
        (folder / "box.yaml").write_text(text + "environment: small.txt\n")
        (folder / "small.txt").write_text(LOCK)
        yield running


@pytest.fixture
def pod(sshd: Sshd, workspace: Workspace, tmp_path: Path) -> Iterator[SshPod]:
    folder, python = str(tmp_path / "box"), sys.executable
    with open_ssh_pod(
        workspace, "box", lambda: sshd.address, folder=folder, python=python, agent_python=python
    ) as opened:
        yield opened


def small(workspace: Workspace, pod: SshPod) -> PodEnvironment:
    read = read_environment(workspace, workspace.root / "runpod" / "small.txt", pod.folder.rpartition("/")[0])
    return dataclasses.replace(read, interpreter=sys.executable, verify=("-c", CODE))


def test_an_environment_is_made_through_a_cut_connection(
    workspace: Workspace, pod: SshPod, sshd: Sshd
) -> None:
    environment = small(workspace, pod)
    said: list[str] = []

    def cut_once() -> None:
        while not any(line.startswith("[1/4]") for line in said):
            time.sleep(0.01)
        sshd.cut()

    cutter = threading.Thread(target=cut_once)
    cutter.start()
    made = prepare(pod, environment, said.append, python=sys.executable)
    cutter.join()
    assert (made.ready, made.python) == (True, environment.python)
    assert prepare(pod, environment, said.append, python=sys.executable) == made
    assert pod.jobs() == []


def test_a_keeper_outlives_the_client_that_armed_it(
    workspace: Workspace, pod: SshPod, tmp_path: Path
) -> None:
    volume = str(tmp_path / "box")
    terms = Terms(hours=1, volume=volume, jobs=f"{volume}/.millhand/jobs", api_url="http://127.0.0.1:9/v2")
    lease = PodLease(pod, f"pod-{os.urandom(4).hex()}", terms, key=Secret("planted"), python=sys.executable)
    armed = lease.arm()
    try:
        pod.connection.close()
        time.sleep(0.5)
        assert Path(f"/proc/{armed.pid}").exists()
        assert "sshd" not in Path(f"/proc/{armed.pid}/cmdline").read_text()
    finally:
        os.kill(armed.pid or 0, signal.SIGKILL)


def test_the_doctor_proves_the_environment_of_a_pod(
    workspace: Workspace, pod: SshPod, millhand: Millhand
) -> None:
    lacking = millhand("doctor", "--pod", "box")
    assert "it is not made yet" in lacking.stderr
    environment = small(workspace, pod)
    prepare(pod, environment, lambda _line: None, python=sys.executable)
    assert look(pod, environment, python=sys.executable).ready
    answer = millhand("doctor", "--pod", "box", "--json")
    document = json.loads(answer.stdout)
    assert "facts" in document, answer.stderr
    assert document["facts"]["python"]["executable"] == environment.python
    assert document["facts"]["packages"] == {"iniconfig": "2.3.1", "sortedcontainers": "2.4.0"}
    assert millhand("doctor", "--pod", "box", "--python", "x").exit_code == 2
