"""A job on a pod, asked after over SSH."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from millhand.errors import MillhandError
from millhand.pods.base import JobStatus
from millhand.pods.ssh.agents import Agents
from millhand.pods.ssh.files import read_whole

WAIT_S = 10.0


class SshJob:
    """A job behind an sshd: every question is one round trip."""

    def __init__(self, agents: Agents, name: str) -> None:
        self._agents, self._name = agents, name

    @property
    def name(self) -> str:
        """The job's name."""
        return self._name

    def status(self) -> JobStatus:
        """Ask the pod."""
        return status_of(self._agents.call("job.status", name=self._name)[0])

    def log(self, offset: int = 0) -> bytes:
        """What the job printed from byte ``offset`` on."""
        return read_whole(self._agents, "job.log", offset, name=self._name)

    def log_tail(self, size: int = 65536) -> bytes:
        """The last ``size`` bytes of what the job printed."""
        return read_whole(self._agents, "job.log", -size, name=self._name) if size > 0 else b""

    def read(self, path: str, offset: int = 0) -> bytes:
        """A file of the pod's workspace from byte ``offset`` on."""
        return read_whole(self._agents, "file.read", offset, path=path)

    def watch(
        self, path: str, offset: int, log_offset: int, seen: JobStatus | None, *, wait_s: float = WAIT_S
    ) -> tuple[JobStatus, bytes, bytes]:
        """Wait until there is something new, and bring it: the cheap way to follow a job from afar.

        Args:
            path: A file of the workspace: the trainer's log.
            offset: Up to where that is known.
            log_offset: Up to where the job's own log is known.
            seen: The status that is known; None asks for an answer at once.
            wait_s: How long the pod may wait for something new.

        Returns:
            The status, and what is new of the file and of the log; a chunk of each at most.
        """
        reads = [[path, offset], ["", log_offset]]
        known = [seen.phase, seen.alive] if seen else None
        answer, data = self._agents.call("job.watch", name=self._name, reads=reads, seen=known, wait_s=wait_s)
        size = answer["sizes"][0]
        return status_of(answer), data[:size], data[size:]

    def stop(self, grace_s: float) -> None:
        """Ask the job to end, and end it after ``grace_s``; comes back when it has ended."""
        self._agents.call("job.stop", name=self._name, grace_s=grace_s)

    def forget(self) -> None:
        """Remove the job's folder; a job that is alive is left."""
        self._agents.call("job.forget", name=self._name)


def status_of(answer: dict[str, Any]) -> JobStatus:
    """The status in an agent's answer."""
    return JobStatus.of(answer["state"], alive=answer["alive"], boot=answer["boot"])


def hold_tether(agents: Agents, name: str, every_s: float, closed: Callable[[float], bool]) -> None:
    """Renew a tethered job's tether as long as this process and the job live.

    Args:
        agents: The pod's.
        name: The job's.
        every_s: Seconds between two renewals.
        closed: Waits so long, and says whether the pod was closed meanwhile.
    """

    def renew() -> None:
        while not closed(every_s):
            try:
                answer, _ = agents.call("job.renew", name=name)
            except MillhandError:  # the pod is gone, and whoever uses the job will hear of it
                return
            if not answer["alive"]:
                return

    threading.Thread(target=renew, daemon=True, name=f"tether of {name}").start()
