"""A pod with a keeper of its own: a real process, and an API on loopback that plays what goes wrong."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from millhand.pods.base import Job, JobHandle
from millhand.pods.lease import PodLease, Terms
from millhand.pods.local import LocalPod
from millhand.shell import Command, Secret
from millhand.workspace import STATE, Workspace
from tests.patience import wait_until

KEY = "planted-key"
HOUR = 1 / 3600  # of one second


class Api(ThreadingHTTPServer):
    """RunPod's API as far as a keeper knows it: every request that bears a key, answered by a script."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/v2"
        self.ends: list[tuple[str, str, dict[str, Any]]] = []
        self.keys: list[str] = []
        self.script: list[int] = []
        self.ahead_s = 0.0
        self.down = False


class _Handler(BaseHTTPRequestHandler):
    server: Api

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status = 404
        if "Authorization" in self.headers:
            self.server.keys.append(self.headers["Authorization"])
            self.server.ends.append((self.command, self.path, json.loads(body or b"{}")))
            status = self.server.script.pop(0) if self.server.script else 204
        if status == 0 or self.server.down:
            self.close_connection = True
            self.connection.close()
            return
        self.send_response(status)
        if status == 307:
            self.send_header("Location", f"{self.server.url}/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def __getattr__(self, name: str) -> Callable[[], None]:
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)

    def date_time_string(self, timestamp: float | None = None) -> str:
        return formatdate(time.time() + self.server.ahead_s, usegmt=True)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def api() -> Iterator[Api]:
    server = Api()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


class Tenant:
    """A pod whose workspace is its volume, with a lease to hold."""

    def __init__(self, root: Path, api: Api) -> None:
        self.pod, self.api, self.id = LocalPod(root), api, f"pod-{os.urandom(6).hex()}"
        self.root, self.folder = root, root / ".millhand" / "lease" / self.id
        self.pids: set[int] = set()

    def lease(self, *, key: str = KEY, **terms: Any) -> PodLease:
        said = {"hours": 1.0, "volume": str(self.root), "jobs": str(self.root / STATE / "jobs"), **terms}
        said.setdefault("api_url", self.api.url)
        secret = Secret(key) if key else None
        return PodLease(self.pod, self.id, Terms(**said), key=secret, python=sys.executable)

    def arm(self, **terms: Any) -> PodLease:
        lease = self.lease(**terms)
        self.pids.add(lease.arm().pid or 0)
        return lease

    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = json.loads((self.folder / "lease.json").read_text())
        return state

    def change(self, **facts: Any) -> None:
        (self.folder / "lease.json").write_text(json.dumps({**self.state(), **facts}))

    def kill(self) -> None:
        for pid in self.pids:
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda pid=pid: not Path(f"/proc/{pid}").exists())
        self.pids.clear()

    def start(self, code: str, *, output: str = "") -> JobHandle:
        return self.pod.start(Job("train", Command((sys.executable, "-c", code)), output=output))


@pytest.fixture
def tenant(workspace: Workspace, api: Api) -> Iterator[Tenant]:
    made = Tenant(workspace.root, api)
    yield made
    made.kill()
    if "train" in made.pod.jobs():
        made.pod.attach("train").stop(0)


MAKE_WEIGHTS = """
import pathlib
pathlib.Path('outputs/a').mkdir(parents=True)
pathlib.Path('outputs/a/adapter_model.safetensors').touch()
"""
TRAIN = """
import pathlib, signal, sys, time
def save(*_):
    pathlib.Path('saved').touch()
    sys.exit(0)
signal.signal(signal.SIGTERM, save)
print('up', flush=True)
time.sleep(60)
"""
