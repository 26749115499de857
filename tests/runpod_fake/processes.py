"""Machines that really run a container's command: a process group a pod, on this computer.

There is no sshd in them: a test that needs one starts it and gives its address.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.runpod_fake.machines import start_log


class ProcessMachines:
    """Runs ``args`` of each pod as RunPod does: with the pod's environment and nothing else's.

    Args:
        folder: Where the containers' output goes, a file a pod.
        address: The public SSH address of a started pod; by default a port on which nobody answers.
    """

    def __init__(self, folder: Path, address: Callable[[str], tuple[str, int]] | None = None) -> None:
        self._folder, self._address = folder, address or (lambda _pod: ("127.0.0.1", 9))
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._given: dict[str, tuple[dict[str, str], str]] = {}
        self._lock = threading.Lock()
        self.starts: dict[str, int] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def boot(
        self, pod_id: str, env: Mapping[str, str], args: str, volume_path: str | None
    ) -> tuple[str, int]:
        """Start the container's command in a session of its own."""
        self._given[pod_id] = ({**env, "PATH": f"{Path(sys.executable).parent}:{os.defpath}"}, args)
        return self._start(pod_id)

    def restart(self, pod_id: str) -> tuple[str, int]:
        """Kill it and start it again."""
        self.kill(pod_id)
        return self._start(pod_id)

    def kill(self, pod_id: str) -> None:
        """Kill all that the pod started in its session."""
        with self._lock:
            process = self._running.pop(pod_id, None)
        if process is not None:
            # as process 1 goes, so goes its container: the whole session, whoever asked for it from inside
            for pid in _session(process.pid):
                _kill(pid)
            process.wait()

    def log(self, pod_id: str) -> list[str]:
        """The start script's lines, then what the command printed."""
        file = self._folder / f"{pod_id}.log"
        said = file.read_text(encoding="utf-8", errors="replace").splitlines() if file.is_file() else []
        return [*start_log(pod_id, self.starts.get(pod_id, 0)), *said]

    def close(self) -> None:
        """Kill them all."""
        for pod_id in list(self._running):
            self.kill(pod_id)

    def _start(self, pod_id: str) -> tuple[str, int]:
        env, args = self._given[pod_id]
        with (self._folder / f"{pod_id}.log").open("ab") as log:
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
        return self._address(pod_id)


def _session(leader: int) -> list[int]:
    """The processes of a session, the leader last."""
    found = []
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            try:
                stat = (place / "stat").read_text(encoding="ascii", errors="replace")
            except OSError:
                continue
            if int(stat.rpartition(")")[2].split()[3]) == leader:
                found.append(int(place.name))
    return sorted(found, key=lambda pid: pid == leader)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
