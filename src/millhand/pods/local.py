"""The local pod: this machine, this workspace, this interpreter."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from types import MappingProxyType

import orjson

from millhand.errors import CommandError, MillhandError
from millhand.pods import supervisor
from millhand.pods.base import Job, JobStatus, Result
from millhand.pods.bundle import boot_argv, bundle
from millhand.shell import Command
from millhand.workspace import STATE

JOBS = f"{STATE}/jobs"
_START_S = 10.0
# A supervisor hears a request within POLL_S; one that has not by now is dead or stuck.
_HEARD_S = 2 * supervisor.HEARTBEAT_S
_END_S = 2.0
_SUPERVISOR = bundle(supervisor.MODULES, supervisor.ENTRY)


class LocalPod:
    """Runs commands in the client's own workspace, jobs detached under the supervisor.

    Args:
        root: The workspace's root.
        python: The interpreter that holds the training environment; this one by default.
    """

    name = "local"
    shared = True
    variables: Mapping[str, str] = MappingProxyType({})

    def __init__(self, root: Path, python: str = sys.executable) -> None:
        self.root = root
        self.python = python

    def claim(self, run: str) -> None:
        """Nothing: it is there for every run."""

    def release(self) -> None:
        """Nothing: it was not rented."""

    def present(self) -> AbstractContextManager[None]:
        """Nothing: it has no idle rule."""
        return nullcontext()

    def run(self, command: Command, *, stdin: bytes = b"", timeout_s: float | None = None) -> Result:
        """Run a command to its end and return what it printed.

        Raises:
            CommandError: The program cannot be started, or did not end within ``timeout_s``.
        """
        try:
            done = subprocess.run(
                command.argv,
                cwd=self.root / command.cwd,
                env={**os.environ, **command.revealed_env()},
                input=stdin,
                capture_output=True,
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise CommandError(command.shown(), -9, f"not done after {timeout_s:.0f} s") from error
        except OSError as error:
            raise CommandError(command.shown(), 127, str(error)) from error
        return Result(command, done.returncode, _text(done.stdout), _text(done.stderr))

    def start(self, job: Job) -> LocalJob:
        """Start a job detached from this process; it lives on when this process ends.

        Raises:
            MillhandError: A job of that name is alive, or the supervisor did not come up.
        """
        folder = self._folder(job.name)
        handle = LocalJob(self.root, job.name, folder)
        with _in_folder(folder):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "lock").touch()
            if supervisor.is_busy(folder):
                raise MillhandError(
                    f"Job {job.name} is running already.", mend="Wait for it, or stop it first."
                )
            for leftover in ("state.json", "stop", "stop.heard", "log.txt"):
                (folder / leftover).unlink(missing_ok=True)
            order = orjson.dumps(job.order(str(self.root))) + b"\n"
            process = self._launch(folder, _SUPERVISOR + order, tethered=job.tethered)
        _wait_for_state(handle, folder, process)
        return handle

    def attach(self, name: str) -> LocalJob:
        """The job of that name, whatever became of it."""
        return LocalJob(self.root, name, self._folder(name))

    def jobs(self) -> list[str]:
        """The jobs of the workspace, by when their folders were made or last used."""
        folders = [path.parent for path in (self.root / JOBS).glob("*/state.json")]
        return [folder.name for folder in sorted(folders, key=_used_s)]

    def read(self, path: str, offset: int = 0) -> bytes:
        """A file of the workspace from byte ``offset`` on; empty where there is none."""
        return _read_from(self.root / path, offset)

    def put(self, paths: Iterable[str]) -> None:
        """Check that the paths are there: client and pod share one workspace.

        Raises:
            MillhandError: One of them does not exist.
        """
        missing = [path for path in paths if not (self.root / path).exists()]
        if missing:
            raise MillhandError(f"Not in the workspace: {', '.join(missing)}.")

    def get(self, paths: Iterable[str], *, exclude: Iterable[str] = ()) -> None:
        """Check that the paths are there, as :meth:`put` does."""
        self.put(paths)

    @contextmanager
    def forward(self, port: int, *, at: int = 0) -> Iterator[int]:
        """The port itself: client and pod share one loopback interface."""
        yield port

    def _folder(self, name: str) -> Path:
        folder = (self.root / JOBS / name).resolve()
        if not folder.is_relative_to((self.root / JOBS).resolve()):
            raise ValueError(f"not a job's name: {name!r}")
        return folder

    def _launch(self, folder: Path, order: bytes, *, tethered: bool) -> subprocess.Popen[bytes]:
        # The supervisor's own output can only be a fault of the supervisor: it goes to a file of its own.
        with (folder / "supervisor.log").open("wb") as log:
            process = subprocess.Popen(
                [*boot_argv(sys.executable), str(folder)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=folder,
                start_new_session=sys.platform != "win32",
                creationflags=_detached_flags(),
            )
        if process.stdin is not None:
            with suppress(BrokenPipeError):  # it ended at once; its own words say why
                process.stdin.write(order)
                process.stdin.flush()
                if not tethered:  # a tether is this pipe: the system closes it with this process
                    process.stdin.close()
        # Supervisors outlive the handles on them; one that ends is not to stay as a zombie of this process.
        threading.Thread(target=_await_end, args=(process,), name="supervisor's end", daemon=True).start()
        return process


def _await_end(supervising: subprocess.Popen[bytes]) -> None:
    supervising.wait()
    if supervising.stdin is not None:
        with suppress(OSError):
            supervising.stdin.close()  # a tether, which holds nothing any more


class LocalJob:
    """A job on this machine: its story is read from its folder."""

    def __init__(self, root: Path, name: str, folder: Path) -> None:
        self._root = root
        self._name = name
        self._folder = folder

    @property
    def name(self) -> str:
        """The job's name."""
        return self._name

    def status(self) -> JobStatus:
        """Read state.json, and the lock for whether it can still be believed."""
        with _in_folder(self._folder):
            locked = supervisor.is_locked(self._folder)
            # After the lock: a job that ends writes, then unlocks.
            state = supervisor.read_state(self._folder)
            ended = state.get("phase") == "exited"
            alive = locked or (not ended and bool(supervisor.marked(self._folder)))
        return JobStatus.of(state, alive=alive, boot=supervisor.boot_key())

    def log(self, offset: int = 0) -> bytes:
        """What the job printed from byte ``offset`` on."""
        return _read_from(self._folder / "log.txt", offset)

    def forget(self) -> None:
        """Remove the job's folder; a job that is alive is left."""
        if not self.status().alive:
            shutil.rmtree(self._folder, ignore_errors=True)

    def log_tail(self, size: int = 65536) -> bytes:
        """The last ``size`` bytes of what the job printed."""
        return _read_from(self._folder / "log.txt", -size)

    def read(self, path: str, offset: int = 0) -> bytes:
        """A file of the workspace from byte ``offset`` on."""
        return _read_from(self._root / path, offset)

    def stop(self, grace_s: float) -> None:
        """Ask the supervisor to end the job and wait for it; do it here where the supervisor does not."""
        if not self._alive():
            return
        asked = self._ask(grace_s)
        heard_by = time.monotonic() + (_HEARD_S if asked else 0)
        deadline = time.monotonic() + grace_s + _HEARD_S
        while self._alive() and time.monotonic() < deadline:
            if time.monotonic() >= heard_by:
                heard_by = float("inf")
                if not asked or (self._folder / "stop").exists():
                    supervisor.terminate(self._folder, self.status().pid)
                    deadline = time.monotonic() + grace_s
            time.sleep(supervisor.POLL_S)
        self._end()

    def _alive(self) -> bool:
        with _in_folder(self._folder):
            return supervisor.is_alive(self._folder)

    def _ask(self, grace_s: float) -> bool:
        try:
            supervisor.ask_to_stop(self._folder, grace_s)
        except OSError:  # a full disk: the trainer is to save what it can all the same
            return False
        return True

    def _end(self) -> None:
        """End what is left, and take away a request that nobody heard."""
        deadline = time.monotonic() + _END_S
        while self._alive() and time.monotonic() < deadline:
            supervisor.kill(self._folder, self.status().pid)
            time.sleep(supervisor.POLL_S)
        with suppress(OSError):
            (self._folder / "stop").unlink()


def _used_s(folder: Path) -> tuple[float, str]:
    try:
        return (folder / "lock").stat().st_mtime, folder.name
    except OSError:  # forgotten meanwhile
        return 0.0, folder.name


def _wait_for_state(handle: LocalJob, folder: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        gone = process.poll() is not None
        if handle.status().phase in ("running", "exited"):
            return
        if gone:
            break
        time.sleep(0.02)
    else:
        handle.stop(0)  # nothing may train that nobody was told of
    said = _text((folder / "supervisor.log").read_bytes())
    raise MillhandError(f"The job's supervisor did not come up: {said}")


@contextmanager
def _in_folder(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise MillhandError(
            f"The job's folder {folder} cannot be used: {error}.",
            mend="Give it back to this user with its files (chown, chmod), or free the disk it is on.",
        ) from error


def _read_from(path: Path, offset: int) -> bytes:
    try:
        with path.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(offset if offset >= 0 else max(0, end + offset))
            return file.read()
    except FileNotFoundError:
        return b""


def _text(output: bytes) -> str:
    return output.decode("utf-8", errors="replace")


def _detached_flags() -> int:
    if sys.platform == "win32":
        flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
    else:
        flags = 0
    return flags
