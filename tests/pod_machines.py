"""Real machines behind the fake RunPod: each pod a loopback sshd and the container's own command.

What is not real: the machine has no disk of its own (the test's volume folder is its volume, everything
else is this machine's) and no GPU. Its processes are told from others by a mark in their environment.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.sshd import Sshd, free_port, make_key

MARK = "MILLHAND_TEST_POD"


@dataclass
class Machine:
    """One pod's sshd, and what its container was started with."""

    sshd: Sshd
    env: dict[str, str]
    args: str
    container: subprocess.Popen[bytes] | None = None


class SshdMachines:
    """Implements :class:`tests.runpod_fake.machines.Machines`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.machines: dict[str, Machine] = {}

    def boot(
        self, pod_id: str, env: Mapping[str, str], args: str, volume_path: str | None
    ) -> tuple[str, int]:
        if volume_path:
            Path(volume_path).mkdir(parents=True, exist_ok=True)
        if pod_id not in self.machines:
            path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
            extra = f'SetEnv {MARK}={pod_id} PATH="{path}" HF_HUB_OFFLINE=1'
            sshd = Sshd(self.folder / pod_id, extra)
            (sshd.folder / "authorized_keys").write_text(env.get("PUBLIC_KEY", "") + "\n")
            self.machines[pod_id] = Machine(sshd, dict(env), args)
        return self._start(pod_id)

    def restart(self, pod_id: str) -> tuple[str, int]:
        machine = self.machines[pod_id]
        self._end(pod_id)
        make_key(machine.sshd.folder / "host_key")
        return self._start(pod_id)

    def kill(self, pod_id: str) -> None:
        if pod_id in self.machines:
            self._end(pod_id)

    def log(self, pod_id: str) -> list[str]:
        return ["Setting up SSH...", f"256 {self.machines[pod_id].sshd.fingerprint} root@{pod_id} (ED25519)"]

    def processes(self, pod_id: str) -> list[int]:
        """What runs in the pod."""
        mark = f"{MARK}={pod_id}".encode()
        found = []
        for path in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):
                if mark in path.read_bytes().split(b"\0"):
                    found.append(int(path.parent.name))
        return found

    def end_all(self) -> None:
        """Whatever a test left running."""
        for pod_id in self.machines:
            self._end(pod_id)

    def _start(self, pod_id: str) -> tuple[str, int]:
        machine = self.machines[pod_id]
        machine.sshd.port = free_port()
        machine.sshd.start()
        if machine.args:
            base = {"PATH": os.environ["PATH"], "HOME": str(machine.sshd.folder), MARK: pod_id}
            with (machine.sshd.folder / "container.log").open("ab") as log:
                machine.container = subprocess.Popen(
                    shlex.split(machine.args),
                    env={**base, **machine.env},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        return "127.0.0.1", machine.sshd.port

    def _end(self, pod_id: str) -> None:
        machine = self.machines[pod_id]
        machine.sshd.cut()
        machine.sshd.stop()
        deadline = time.monotonic() + 10
        while (left := self.processes(pod_id)) and time.monotonic() < deadline:
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if machine.container is not None:
                machine.container.poll()
            time.sleep(0.02)
        if machine.container is not None:
            machine.container.wait(5)
            machine.container = None
