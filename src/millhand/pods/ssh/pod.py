"""The pod behind an sshd."""

from __future__ import annotations

import atexit
import secrets
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Literal

from millhand.errors import CommandError, MillhandError
from millhand.pods import supervisor
from millhand.pods.base import Job, Result
from millhand.pods.bundle import boot_argv, bundle
from millhand.pods.ssh.address import Address
from millhand.pods.ssh.agents import Agents
from millhand.pods.ssh.connection import Connection, Patience
from millhand.pods.ssh.dial import Timing
from millhand.pods.ssh.faults import AgentError, ConnectionLostError
from millhand.pods.ssh.files import Files
from millhand.pods.ssh.hostkeys import FILE_NAME, KnownHosts, Trust
from millhand.pods.ssh.job import SshJob, hold_tether
from millhand.pods.ssh.streams import Stream
from millhand.pods.ssh.tunnel import tunnel
from millhand.pods.sync.lanes import CutError, Kept, agent
from millhand.pods.sync.pull import pull
from millhand.pods.sync.push import push
from millhand.pods.sync.report import Progress, Report
from millhand.pods.sync.transfer import Choice
from millhand.shell import Command
from millhand.workspace import Workspace

TETHER_S = 45.0  # longer than a broken connection takes to be noticed and made again
_CANCEL_S = 3.0
_CUTS = 10  # one soon after the other; what has arrived is kept each time
_LASTED_S = 20.0
_CUT = (CutError, ConnectionLostError, AgentError)
_SUPERVISOR = bundle(supervisor.MODULES, supervisor.ENTRY)


class SshPod:
    """Runs commands in a folder of another machine, jobs detached under the supervisor there.

    Nothing is installed there and nothing listens there. Every call goes on after a lost connection, and
    does nothing twice. Use it from as many threads as you like; close it, or use it as a context manager.

    Args:
        connection: To the machine.
        root: The client's workspace.
        folder: The workspace there: absolute, or relative to the home folder; made if it is not there.
        python: The interpreter there that holds the training environment.
        tether_s: So long after its client's last sign a tethered job ends.
    """

    shared = False
    variables: Mapping[str, str] = MappingProxyType({})

    def __init__(
        self, connection: Connection, root: Path, *, folder: str, python: str, tether_s: float = TETHER_S
    ) -> None:
        self.name, self.python = connection.name, python
        self.connection = connection
        self.agents = Agents(connection, folder)
        self.files = Files(self.agents)
        self._sync_agents = Kept(self._opener)
        self._root, self._tether_s = root, tether_s
        self._closed = threading.Event()
        atexit.register(self.close)

    @property
    def folder(self) -> str:
        """The workspace there, absolute, links resolved. Asks the pod at first."""
        return self.agents.root()

    def claim(self, run: str) -> None:
        """Nothing: it is there for every run."""

    def release(self) -> None:
        """Nothing: it was not rented."""

    def present(self) -> AbstractContextManager[None]:
        """Nothing: it has no idle rule."""
        return nullcontext()

    def run(self, command: Command, *, stdin: bytes = b"", timeout_s: float | None = None) -> Result:
        """Run a command to its end and return what it printed, 16 MiB of each stream at most.

        Raises:
            CommandError: The program cannot be started, did not end within ``timeout_s``, or printed more.
        """
        token = secrets.token_hex(16)
        try:
            answer, said = self._run(command, token, stdin, timeout_s)
        except KeyboardInterrupt:
            self._cancel(token)
            raise
        if answer.get("fault"):
            raise CommandError(command.shown(), answer["code"], str(answer["fault"]))
        out, err = said[: answer["out"]], said[answer["out"] :]
        return Result(command, answer["code"], _text(out), _text(err))

    def start(self, job: Job) -> SshJob:
        """Start a job detached; it lives on when this process or the connection ends, unless tethered.

        Raises:
            MillhandError: A job of that name is alive, or the supervisor did not come up.
        """
        self.agents.call(
            "job.start",
            _SUPERVISOR,
            name=job.name,
            token=secrets.token_hex(16),
            job=job.order(self.folder),
            boot=boot_argv()[1:],
            tether_s=self._tether_s,
        )
        if job.tethered:
            hold_tether(self.agents, job.name, self._tether_s / 9, self._closed.wait)
        return self.attach(job.name)

    def attach(self, name: str) -> SshJob:
        """The job of that name, whatever became of it."""
        return SshJob(self.agents, name)

    def jobs(self) -> list[str]:
        """The names of the jobs that the pod knows of, the newest last."""
        return [str(name) for name in self.agents.call("jobs")[0]["jobs"]]

    def read(self, path: str, offset: int = 0) -> bytes:
        """A file of the workspace there from byte ``offset`` on; empty where there is none."""
        return self.files.read(path, offset)

    def put(self, paths: Iterable[str]) -> None:
        """Bring files and folders of the client's workspace to the pod's.

        Raises:
            FindingsError: Some could not be brought; the rest was.
            CutError: The connection broke again and again.
        """
        self.sync("up", list(paths)).check()

    def get(self, paths: Iterable[str], *, exclude: Iterable[str] = ()) -> None:
        """Bring files and folders of the pod's workspace to the client's.

        Raises:
            FindingsError: Some could not be brought; the rest was.
            CutError: The connection broke again and again.
        """
        self.sync("down", list(paths), Choice(exclude=tuple(exclude))).check()

    def sync(
        self,
        way: Literal["up", "down"],
        paths: Sequence[str],
        choice: Choice | None = None,
        progress: Progress | None = None,
    ) -> Report:
        """Bring what has changed; after a cut go on where it stopped.

        Raises:
            CutError: The connection broke again and again, and nothing more arrived.
            ConnectError: There is no way there any more.
        """
        move = partial(push if way == "up" else pull, self._sync_agents, self._root, paths)
        cuts = 0
        while True:
            began = time.monotonic()
            try:
                return move(place=self.folder, choice=choice, progress=progress)
            except _CUT:
                cuts = cuts + 1 if time.monotonic() - began < _LASTED_S else 1
                if cuts > _CUTS or self._closed.wait(min(5.0, cuts**2 / 10)):
                    raise

    def _opener(self, transport: Literal["shared", "new"]) -> Stream:
        return self.connection.open_agent(agent(), transport=transport)

    def forward(
        self, port: int, *, at: int = 0, used: Callable[[], None] = lambda: None
    ) -> AbstractContextManager[int]:
        """Make a port of the pod's 127.0.0.1 reachable on the client's; yields the client's port.

        Args:
            port: The pod's.
            at: The client's; 0 takes a free one.
            used: Called whenever something is sent to the pod through it.

        Raises:
            UsageError: ``at`` is in use.
            ConnectError: There is no way there, or its sshd forbids tunnels.
        """
        self.connection.check_tunnels(port)
        return tunnel(lambda: self.connection.open_tunnel(port), at, used)

    def close(self) -> None:
        """Hang up. Jobs go on; tethered ones end soon. Done at the end of the program at the latest."""
        atexit.unregister(self.close)
        self._closed.set()
        self.agents.close()
        self._sync_agents.close()
        self.connection.close()

    def __enter__(self) -> SshPod:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(
        self, command: Command, token: str, stdin: bytes, timeout_s: float | None
    ) -> tuple[dict[str, Any], bytes]:
        return self.agents.call(
            "run",
            stdin,
            token=token,
            argv=command.argv,
            cwd=command.cwd,
            env=command.revealed_env(),
            timeout_s=timeout_s,
        )

    def _cancel(self, token: str) -> None:
        """End a command that nobody waits for any more, if the pod can be asked within seconds."""

        def ask() -> None:
            with suppress(MillhandError):
                self.agents.call("run.forget", tokens=[token])

        asking = threading.Thread(target=ask, daemon=True)
        asking.start()
        asking.join(_CANCEL_S)


def open_ssh_pod(
    workspace: Workspace,
    name: str,
    address: Callable[[], Address],
    *,
    folder: str,
    python: str,
    agent_python: str = "python3",
    tell: Callable[[str], None] = lambda text: print(text, file=sys.stderr),
    timing: Timing | None = None,
    patience: Patience | None = None,
) -> SshPod:
    """The pod at an address. Nothing is dialled before it is first used.

    Args:
        workspace: The client's; host keys are kept in its .millhand/.
        name: How the ledger and the user call the pod; its host key is kept under this name.
        address: Asked before each attempt to connect; with ``fingerprints`` only those keys are taken.
        folder: The workspace there: absolute, or relative to the home folder.
        python: The interpreter there that holds the training environment.
        agent_python: Any Python >= 3.8 there; the training environment's may not be there yet.
        tell: Is told of a host's key that is trusted anew, of lost connections and of their end.
        timing: How soon a silent connection counts as broken.
        patience: How long to try to connect, at first and after a loss.
    """

    def trust(host: str) -> Trust:
        return KnownHosts(workspace.state / FILE_NAME, host or name, tell)

    connection = Connection(
        name,
        address,
        trust,
        tell,
        timing or Timing(),
        patience or Patience(),
        agent_python,
    )
    return SshPod(connection, workspace.root, folder=folder, python=python)


def _text(output: bytes) -> str:
    return output.decode("utf-8", errors="replace")
