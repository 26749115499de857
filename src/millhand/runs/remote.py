"""A pod on another machine, with its training environment: made when something first needs it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from millhand.pods.base import Job, JobHandle, Result
from millhand.pods.podfile import PodFile
from millhand.pods.ssh.pod import SshPod
from millhand.pods.sync.report import Progress, Report
from millhand.pods.sync.transfer import Choice
from millhand.runs.moving import Way
from millhand.runs.pod_environment import PodEnvironment, prepare, read_environment
from millhand.shell import Command
from millhand.workspace import Workspace

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Trainer:
    """What trains on a pod: an interpreter, and what its programs are to be started with."""

    python: str
    variables: Mapping[str, str] = field(default_factory=dict)


class RemotePod:
    """Implements :class:`millhand.pods.base.Pod` over SSH. What only looks at jobs prepares nothing.

    Args:
        workspace: The client's.
        pod_file: Names the locked requirements, or the interpreter that is there already.
        say: Is told what goes on.
        reach: Gives the connection; nothing is dialled before it is asked something.
    """

    shared = False

    def __init__(
        self, workspace: Workspace, pod_file: PodFile, say: Say, reach: Callable[[], SshPod] | None = None
    ) -> None:
        self.name = pod_file.name
        self._workspace, self._pod_file, self._say = workspace, pod_file, say
        self._lock = threading.RLock()
        self._ssh: SshPod | None = None
        self._trainer: Trainer | None = None
        self._dial = reach

    @property
    def python(self) -> str:
        """The interpreter of the training environment there, which is made if it is missing."""
        return self._training().python

    @property
    def variables(self) -> Mapping[str, str]:
        """What programs there are to be started with."""
        return self._training().variables

    def claim(self, run: str) -> None:
        """Nothing: it is there for every run."""

    def release(self) -> object:
        """Nothing: it was not rented."""

    def present(self) -> AbstractContextManager[None]:
        """Nothing: it has no idle rule."""
        return nullcontext()

    def run(self, command: Command, *, stdin: bytes = b"", timeout_s: float | None = None) -> Result:
        """Run a command there to its end."""
        return self.ssh.run(command, stdin=stdin, timeout_s=timeout_s)

    def start(self, job: Job) -> JobHandle:
        """Start a job there, detached."""
        return self.ssh.start(job)

    def attach(self, name: str) -> JobHandle:
        """The job of that name."""
        return self.ssh.attach(name)

    def jobs(self) -> list[str]:
        """The jobs that the pod knows of."""
        return self.ssh.jobs()

    def read(self, path: str, offset: int = 0) -> bytes:
        """A file of the workspace there."""
        return self.ssh.read(path, offset)

    def put(self, paths: Iterable[str]) -> None:
        """Bring files and folders of the workspace there."""
        self.ssh.put(paths)

    def get(self, paths: Iterable[str], *, exclude: Iterable[str] = ()) -> None:
        """Bring files and folders from there to the workspace."""
        self.ssh.get(paths, exclude=exclude)

    def sync(
        self, way: Way, paths: Sequence[str], choice: Choice | None = None, progress: Progress | None = None
    ) -> Report:
        """Bring what has changed, with all that can be said of it."""
        return self.ssh.sync(way, paths, choice, progress)

    def forward(self, port: int, *, at: int = 0) -> AbstractContextManager[int]:
        """Make a port there reachable here."""
        return self.ssh.forward(port, at=at)

    def close(self) -> None:
        """Hang up; what runs there goes on."""
        with self._lock:
            if self._ssh is not None:
                self._ssh.close()
            self._ssh = self._trainer = None

    @property
    def ssh(self) -> SshPod:
        """The connection, made when it is first needed."""
        with self._lock:
            if self._ssh is None:
                self._ssh = self._reach()
            return self._ssh

    def _reach(self) -> SshPod:
        if self._dial is None:
            raise NotImplementedError
        return self._dial()

    def _training(self) -> Trainer:
        with self._lock:
            if self._trainer is None:
                self._trainer = self._prepared(self.ssh)
            return self._trainer

    def _prepared(self, ssh: SshPod) -> Trainer:
        environment = self.environment()
        if environment is None:
            return Trainer(ssh.python)
        return Trainer(prepare(ssh, environment, self._say).python, environment.variables)

    def environment(self) -> PodEnvironment | None:
        """The locked environment that its pod file names; None: what trains is there already."""
        lock = self._pod_file.requirements
        return None if lock is None else read_environment(self._workspace, lock, self._volume(self.ssh))

    def _volume(self, ssh: SshPod) -> str:
        """The absolute folder there that other workspaces share: one environment serves them all."""
        return ssh.folder.rpartition("/")[0] or "/"
