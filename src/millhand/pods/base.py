"""The seam: a place where things run. Nothing above knows which place it has.

A pod has a workspace of its own (on the local pod it is the client's); paths given to it are
relative to that workspace, with forward slashes. A :class:`Job` outlives the client that started it.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from millhand.errors import CommandError
from millhand.shell import Command

JobPhase = Literal["absent", "starting", "running", "exited", "lost"]


@dataclass(frozen=True, slots=True)
class Result:
    """How a command ended and what it printed."""

    command: Command
    code: int
    stdout: str
    stderr: str

    def check(self, *, mend: str = "") -> Result:
        """Return itself.

        Raises:
            CommandError: The exit code is not 0.
        """
        if self.code != 0:
            tail = "\n".join((self.stderr or self.stdout).splitlines()[-20:])
            raise CommandError(self.command.shown(), self.code, tail, mend=mend)
        return self


@dataclass(frozen=True, slots=True)
class Job:
    """A command that runs detached; ``name`` is its folder below the pod's state folder.

    A ``tethered`` job (a server for this client alone) ends when the client does, however that ends.
    ``output`` is the folder that it fills, if it makes something that must not be lost; its
    trainer_log.jsonl is watched, and a loss that is no number ends the job gracefully where
    ``on_diverged`` says so. A job that gives no sign for ``stall_minutes`` is said to be stalled; 0: never.
    """

    name: str
    command: Command
    tethered: bool = False
    output: str = ""
    on_diverged: Literal["stop", "note"] = "note"
    stall_minutes: float = 20.0

    def order(self, root: str) -> dict[str, Any]:
        """What the supervisor is told over its standard input, secrets in the clear.

        Args:
            root: The workspace on the pod.
        """
        return {
            "argv": self.command.argv,
            "cwd": posixpath.join(root, self.command.cwd),
            "env": self.command.revealed_env(),
            "tethered": self.tethered,
            "output": posixpath.join(root, self.output) if self.output else "",
            "on_diverged": self.on_diverged,
            "stall_s": self.stall_minutes * 60,
        }


@dataclass(frozen=True, slots=True)
class JobStatus:
    """What is known of a job.

    ``exited`` comes with the exit code (negative: ended by that signal); ``lost`` means that neither
    the job nor its supervisor is alive and no exit code was left: killed, or the machine went down.
    Times are seconds since the epoch, by the pod's clock. ``faults`` are the ids of what the supervisor
    saw go wrong (:data:`FAULTS`); ``step`` and ``total_steps`` come from the trainer's log;
    what was printed is at least ``log_bytes`` long.
    """

    phase: JobPhase
    exit_code: int | None = None
    pid: int | None = None
    started_s: float | None = None
    heartbeat_s: float | None = None
    ended_s: float | None = None
    faults: tuple[str, ...] = ()
    step: int | None = None
    total_steps: int | None = None
    log_bytes: int | None = None

    @classmethod
    def of(cls, state: Mapping[str, Any], *, alive: bool, boot: str = "") -> JobStatus:
        """Judge a job by its state.json.

        Args:
            state: The file's content; empty where there is none.
            alive: Whether the supervisor, or anything of the job, lives.
            boot: The pod's boot (:func:`millhand.pods.supervisor.boot_key`) at the time of asking.
        """
        phase = _phase(state, alive=alive)
        faults = [str(fault["id"]) for fault in state.get("faults", ())]
        if phase == "lost" and boot and state.get("boot") not in (None, boot):
            faults.append("job.restarted")
        return cls(phase, faults=tuple(faults), **{name: state.get(name) for name in _KNOWN})

    @property
    def alive(self) -> bool:
        """Whether the job may still do something."""
        return self.phase in ("starting", "running")


_KNOWN = ("exit_code", "pid", "started_s", "heartbeat_s", "ended_s", "step", "total_steps", "log_bytes")
FAULTS = ("job.oom", "job.gpu-oom", "job.disk-full", "job.stalled", "job.diverged", "job.restarted")


def _phase(state: Mapping[str, Any], *, alive: bool) -> JobPhase:
    if state.get("phase") == "exited":
        return "exited"
    if alive:
        return "running" if state.get("phase") == "running" else "starting"
    return "lost" if state else "absent"


class JobHandle(Protocol):
    """A job that was started, by this client or by an earlier one."""

    @property
    def name(self) -> str:
        """The job's name."""

    def status(self) -> JobStatus:
        """Ask the pod."""

    def log(self, offset: int = 0) -> bytes:
        """What the job printed, both streams, from byte ``offset`` to now."""

    def log_tail(self, size: int = 65536) -> bytes:
        """The last ``size`` bytes of what the job printed; a long job prints gigabytes."""

    def read(self, path: str, offset: int = 0) -> bytes:
        """A file of the pod's workspace from byte ``offset``; empty where there is none yet."""

    def stop(self, grace_s: float) -> None:
        """Ask the job to end (SIGTERM); after ``grace_s`` seconds end it and all that it started.

        A job that has ended is left as it is. A later call with less grace overrides an earlier one.
        """

    def forget(self) -> None:
        """Remove what is kept of a job that is over; one that is alive is left."""


class Pod(Protocol):
    """A place where things run."""

    @property
    def name(self) -> str:
        """How the ledger and the user call it."""

    @property
    def python(self) -> str:
        """The interpreter that holds the training environment there."""

    @property
    def variables(self) -> Mapping[str, str]:
        """What programs of the training environment are to be started with there: caches on a volume."""

    @property
    def shared(self) -> bool:
        """Whether its workspace is the client's own, so that nothing need be brought or fetched."""

    def claim(self, run: str) -> None:
        """Say for which run the pod is needed; a rented one is rented for it, when first used."""

    def release(self) -> object:
        """Give back what was rented for the claimed run, whose results are safe; else do nothing."""

    def present(self) -> AbstractContextManager[None]:
        """Say that somebody works with the pod as long as the block lasts: it is not idle."""

    def run(self, command: Command, *, stdin: bytes = b"", timeout_s: float | None = None) -> Result:
        """Run a command to its end. It must be safe to repeat: a lost connection may ask for it again."""

    def start(self, job: Job) -> JobHandle:
        """Start a job detached.

        Raises:
            MillhandError: A job of that name is still alive, or the program cannot be started.
        """

    def attach(self, name: str) -> JobHandle:
        """The job of that name, whatever became of it."""

    def jobs(self) -> list[str]:
        """The names of the jobs that the pod knows of, alive or over, the newest last."""

    def read(self, path: str, offset: int = 0) -> bytes:
        """A file of the pod's workspace from byte ``offset``; empty where there is none."""

    def put(self, paths: Iterable[str]) -> None:
        """Bring files and folders of the client's workspace to the pod's."""

    def get(self, paths: Iterable[str], *, exclude: Iterable[str] = ()) -> None:
        """Bring files and folders of the pod's workspace to the client's.

        Args:
            paths: Files and folders.
            exclude: Patterns (:mod:`fnmatch`) of names, at any depth, that stay there: ``checkpoint-*``.
        """

    def forward(self, port: int, *, at: int = 0) -> AbstractContextManager[int]:
        """Make a port of the pod's 127.0.0.1 reachable on the client's; yields the client's port.

        Args:
            port: The pod's.
            at: The client's; 0 takes a free one. Where both share a loopback interface, it is the pod's.
        """
