"""A pod behind an sshd of this machine, which is shared by the tests of a file."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from millhand.pods.base import JobHandle
from millhand.pods.ssh.pod import SshPod, open_ssh_pod
from millhand.shell import Command, Secret
from millhand.workspace import Workspace
from tests.patience import wait_until
from tests.sshd import Sshd, running_sshd


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


def ended(handle: JobHandle) -> JobHandle:
    wait_until(lambda: not handle.status().alive)
    return handle
