"""A pod whose line can be cut, frozen and refused: an sshd of its own, behind a proxy."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from millhand.pods.ssh.address import Address
from millhand.pods.ssh.dial import Timing
from millhand.pods.ssh.pod import SshPod, open_ssh_pod
from millhand.shell import Command
from millhand.workspace import Workspace
from tests.chaos_proxy import ChaosProxy
from tests.sshd import Sshd, running_sshd

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
