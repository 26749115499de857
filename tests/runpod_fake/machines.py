"""What stands behind a pod: nothing, or real machines that a test plugs in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Machines(Protocol):
    """Starts, restarts and ends the machine of a pod; every call may block, none may raise."""

    def boot(
        self, pod_id: str, env: Mapping[str, str], args: str, volume_path: str | None
    ) -> tuple[str, int]:
        """Start the container: run ``args`` as RunPod does, with ``env`` in it; give its public SSH address.

        ``env`` holds what RunPod adds: RUNPOD_POD_ID and the pod's own RUNPOD_API_KEY.
        ``volume_path`` is where its lasting volume is mounted, None without one.
        """

    def restart(self, pod_id: str) -> tuple[str, int]:
        """End the container and start it anew on an empty container disk; the port may be another."""

    def kill(self, pod_id: str) -> None:
        """End it at once. A machine that is not there is left."""

    def log(self, pod_id: str) -> list[str]:
        """What the container has printed since it was last started."""


class NullMachines:
    """Nothing runs: addresses on which nobody answers, a new port at each start, made-up host keys.

    ``booted``, ``restarted`` and ``killed`` hold the ids in order; ``env`` and ``args`` what pods were given.
    """

    def __init__(self) -> None:
        self.booted: list[str] = []
        self.restarted: list[str] = []
        self.killed: list[str] = []
        self.env: dict[str, dict[str, str]] = {}
        self.args: dict[str, str] = {}
        self._port = 40_000

    def boot(
        self, pod_id: str, env: Mapping[str, str], args: str, volume_path: str | None
    ) -> tuple[str, int]:
        """Note it."""
        self.booted.append(pod_id)
        self.env[pod_id], self.args[pod_id] = dict(env), args
        return self._address()

    def restart(self, pod_id: str) -> tuple[str, int]:
        """Note it."""
        self.restarted.append(pod_id)
        return self._address()

    def kill(self, pod_id: str) -> None:
        """Note it."""
        self.killed.append(pod_id)

    def log(self, pod_id: str) -> list[str]:
        """What RunPod's start script prints, the keys' fingerprints made of the id and the start."""
        start = self.booted.count(pod_id) + self.restarted.count(pod_id)
        return start_log(pod_id, start)

    def _address(self) -> tuple[str, int]:
        self._port += 1
        return "127.0.0.1", self._port


def start_log(pod_id: str, start: int) -> list[str]:
    """The lines of a container's start, as RunPod's images print them."""
    return [
        "Pod Started",
        "Setting up SSH...",
        "SSH host keys:",
        "Key: /etc/ssh/ssh_host_ed25519_key.pub",
        f"256 {fingerprint(f'{pod_id}/{start}/ed25519')} root@{pod_id} (ED25519)",
        "Key: /etc/ssh/ssh_host_rsa_key.pub",
        f"3072 {fingerprint(f'{pod_id}/{start}/rsa')} root@{pod_id} (RSA)",
        "Start script(s) finished, Pod is ready to use.",
    ]


def fingerprint(seed: str) -> str:
    """A made-up SHA-256 fingerprint as ssh-keygen -l prints it."""
    import base64
    import hashlib

    return "SHA256:" + base64.b64encode(hashlib.sha256(seed.encode()).digest()).decode().rstrip("=")
