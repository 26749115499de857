"""What holds a lease's idle rule off: work, and a page that is used; a page that is only open does not."""

from __future__ import annotations

import dataclasses
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import httpx
import pytest

from millhand.errors import MillhandError
from millhand.pods.local import LocalPod
from millhand.pods.podfile import find_pod
from millhand.pods.runpod.client import RunPod
from millhand.pods.ssh.tunnel import tunnel
from millhand.runs.on_demand import PodOnDemand
from millhand.runs.pages import Page, shown
from millhand.runs.presence import Use, beating
from millhand.shell import Command
from millhand.workspace import Workspace
from tests.patience import WITHIN_S
from tests.runpod_fake.fixtures import account, fake, pod_file, url

__all__ = ["account", "fake", "pod_file", "url"]
SOON_S = 0.01


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(SOON_S)


class Lease:
    """A keeper that counts its beats; the first one is lost."""

    def __init__(self) -> None:
        self.beats = 0

    def beat(self) -> None:
        self.beats += 1
        if self.beats == 1:
            raise MillhandError("The connection broke.")


class Far:
    """A channel of a tunnel: what a program on the pod reads and writes."""

    def __init__(self) -> None:
        self.end, self.program = socket.socketpair()

    def __enter__(self) -> Far:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def recv(self, size: int) -> bytes:
        return self.end.recv(size)

    def sendall(self, data: bytes) -> None:
        self.end.sendall(data)

    def shutdown_write(self) -> None:
        self.end.shutdown(socket.SHUT_WR)

    def get_transport(self) -> Far:
        return self

    def is_active(self) -> bool:
        return True

    def close(self) -> None:
        self.end.close()


def test_work_is_told_until_its_end() -> None:
    lease = Lease()
    with beating(lease, SOON_S):
        wait_until(lambda: lease.beats > 2)
    assert "heartbeat" not in [thread.name for thread in threading.enumerate()]


def test_only_what_is_used_is_told() -> None:
    lease, use, looks = Lease(), Use(), list[bool]()

    def looked() -> bool:
        looks.append(use.taken())
        return looks[-1]

    with beating(lease, SOON_S, looked):
        wait_until(lambda: len(looks) > 5)
        assert lease.beats == 0
        use.note()
        wait_until(lambda: any(looks))
        seen = len(looks)
        wait_until(lambda: len(looks) > seen + 5)
        assert lease.beats == 1


def test_a_tunnel_is_used_by_what_is_sent_and_not_by_what_comes() -> None:
    far, use = Far(), Use()
    with tunnel(lambda: far, 0, use.note) as port, socket.create_connection(("127.0.0.1", port)) as browser:
        far.program.sendall(b"data: ALIVE\n\n")
        assert browser.recv(100) == b"data: ALIVE\n\n"
        assert not use.taken()
        browser.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert far.program.recv(100) == b"GET / HTTP/1.1\r\n\r\n"
        assert use.taken()
        assert not use.taken()
    far.program.close()


@dataclasses.dataclass
class Ssh:
    """A pod's connection whose tunnels are used at once."""

    @contextmanager
    def forward(self, port: int, *, at: int = 0, used: Callable[[], None]) -> Iterator[int]:
        assert (port, at) == (7860, 8000)
        used()
        yield at


def test_a_tunnel_to_a_rented_pod_holds_the_idle_rule_off_while_it_is_used(
    workspace: Workspace, account: RunPod, pod_file: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PodOnDemand, "_beat_s", SOON_S)
    pod = PodOnDemand(workspace, find_pod(workspace, "l4"), account, [].append)
    lease = Lease()
    pod._ssh, pod._lease = Ssh(), lease
    with pod.forward(7860, at=8000) as local:
        assert local == 8000
        wait_until(lambda: lease.beats)


class Rented(LocalPod):
    """Notes whether somebody is said to work with it."""

    shared = False
    present_now = 0

    def present(self) -> AbstractContextManager[None]:
        return self._presence()

    @contextmanager
    def _presence(self) -> Iterator[None]:
        self.present_now += 1
        yield
        self.present_now -= 1


def test_a_page_is_work_until_it_is_shown(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    pod, seen, get = Rented(workspace.root), list[int](), httpx.get

    def asked(*arguments: Any, **options: Any) -> httpx.Response:
        seen.append(pod.present_now)
        return get(*arguments, **options)

    def command(port: int) -> Command:
        return Command((sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port)))

    monkeypatch.setattr(httpx, "get", asked)
    with shown(pod, Page("page", command, outlives=True), at=0):
        assert pod.present_now == 0
    assert set(seen) == {1}
