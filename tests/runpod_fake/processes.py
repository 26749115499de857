"""Machines that are real: a container's command as processes of this computer, with an sshd on loopback.

What belongs to a pod bears a mark in its environment, also what an SSH session started, so that all of it
ends with its container. There is one disk: let the pod file's volume be a folder of the test.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from tests.patience import WITHIN_S
from tests.runpod_fake.machines import start_log
from tests.sshd import Sshd, free_port, make_key

MARK = "MILLHAND_TEST_POD"


class ProcessMachines:
    """Runs ``args`` of each pod as RunPod does, with the pod's environment; nobody answers at its SSH port.

    Args:
        folder: Where the containers' output goes, a file a pod.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.starts: dict[str, int] = {}
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._given: dict[str, tuple[dict[str, str], str]] = {}
        self._lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)

    def boot(
        self, pod_id: str, env: Mapping[str, str], args: str, volume_path: str | None
    ) -> tuple[str, int]:
        """Start the container's command in a session of its own."""
        path = f"{Path(sys.executable).parent}:{os.defpath}"
        self._given[pod_id] = ({**env, "PATH": path, MARK: pod_id}, args)
        if volume_path:
            Path(volume_path).mkdir(parents=True, exist_ok=True)
        return self._start(pod_id)

    def restart(self, pod_id: str) -> tuple[str, int]:
        """Kill it and start it again."""
        self.kill(pod_id)
        return self._start(pod_id)

    def kill(self, pod_id: str) -> None:
        """Kill all that bears the pod's mark: as process 1 goes, so goes the container."""
        with self._lock:
            process = self._running.pop(pod_id, None)
        deadline = time.monotonic() + WITHIN_S
        while (left := marked(pod_id)) and time.monotonic() < deadline:  # one that just forks is missed once
            for pid in left:
                _kill(pid)
            if process is not None:
                process.poll()
            time.sleep(0.01)
        if process is not None:
            process.wait()

    def log(self, pod_id: str) -> list[str]:
        """The start script's lines, then what the command printed."""
        return [*start_log(pod_id, self.starts.get(pod_id, 0)), *self.said(pod_id)]

    def said(self, pod_id: str) -> list[str]:
        """What the container's command printed."""
        file = self.folder / f"{pod_id}.log"
        return file.read_text(encoding="utf-8", errors="replace").splitlines() if file.is_file() else []

    def close(self) -> None:
        """Kill them all."""
        for pod_id in list(self._given):
            self.kill(pod_id)

    def address(self, pod_id: str) -> tuple[str, int]:
        """Where the pod's sshd is reached."""
        return "127.0.0.1", 9

    def environment(self, pod_id: str) -> dict[str, str]:
        """What the pod was given."""
        return self._given[pod_id][0]

    def _start(self, pod_id: str) -> tuple[str, int]:
        env, args = self._given[pod_id]
        with (self.folder / f"{pod_id}.log").open("ab") as log:
            process = subprocess.Popen(
                shlex.split(args) or ["sleep", "infinity"],
                env=env,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        with self._lock:
            self._running[pod_id] = process
        self.starts[pod_id] = self.starts.get(pod_id, 0) + 1
        return self.address(pod_id)


class SshdMachines(ProcessMachines):
    """The same with a real sshd a pod, which takes the key of PUBLIC_KEY: the user is whoever runs the test.

    A start brings another port and other host keys, as RunPod's does. ``sshds`` are the running ones.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.sshds: dict[str, Sshd] = {}

    def address(self, pod_id: str) -> tuple[str, int]:
        """Start the pod's sshd anew."""
        sshd = self.sshds.get(pod_id)
        if sshd is None:
            # a real session does not have the container's environment either; tests reach no hub
            sshd = self.sshds[pod_id] = Sshd(self.folder / pod_id, f"SetEnv {MARK}={pod_id} HF_HUB_OFFLINE=1")
        sshd.port = free_port()
        make_key(sshd.folder / "host_key")
        key = self.environment(pod_id).get("PUBLIC_KEY", "")
        (sshd.folder / "authorized_keys").write_text(f"{key}\n", encoding="utf-8")
        sshd.start()
        return "127.0.0.1", sshd.port

    def kill(self, pod_id: str) -> None:
        """End the sshd with all of its sessions, then all else of the pod."""
        sshd = self.sshds.get(pod_id)
        if sshd is not None:
            sshd.thaw()
            sshd.cut()
            sshd.stop()
        super().kill(pod_id)

    def log(self, pod_id: str) -> list[str]:
        """What RunPod's start script prints of the real host key, then what the command printed."""
        sshd = self.sshds.get(pod_id)
        if sshd is None:
            return self.said(pod_id)
        key = f"256 {sshd.fingerprint} root@{pod_id} (ED25519)"
        return ["SSH host keys:", "Key: /etc/ssh/ssh_host_ed25519_key.pub", key, *self.said(pod_id)]


def marked(pod_id: str) -> list[int]:
    """The processes that bear a pod's mark."""
    mark, found = f"{MARK}={pod_id}".encode(), []
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            try:
                env = (place / "environ").read_bytes()
            except OSError:
                continue
            if mark in env.split(b"\0"):
                found.append(int(place.name))
    return found


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
