"""The agent's commands: run to their end, once, however often the connection breaks meanwhile.

Each call has a token and a folder in memory (/dev/shm) that holds what the command prints and how it ended.
A client that lost its connection asks again with the same token, and is told of the first call instead of
making a second; meanwhile the first agent goes on with the command. When nobody has asked for LINGER_S, the
command is ended.

It travels: standard library only, any Python >= 3.8.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from millhand.pods.agent_io import Answer, Client, RefusedError, base_environment, inside

if sys.platform == "win32":
    raise ImportError("an agent runs on a pod, and a pod runs Linux")

LINGER_S = 600.0
OLD_S = 3600.0
POLL_S = 0.25
MARK = "MILLHAND_CALL"
_PART = 1 << 16
LIMIT = 16 << 20  # of each stream: a container's /dev/shm often has 64 MiB
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of this user's own is made in it, and checked


def run(client: Client, root: Path, order: dict[str, Any], payload: bytes) -> Answer:
    """``token``, ``argv``, ``cwd``, ``env``, ``timeout_s`` -> ``code`` or ``fault``; the payload is stdin.

    The answer's payload is what was printed: ``out`` bytes of the standard output, then the errors.
    """
    folder, lock = _claim(root, _checked(order["token"]))
    if lock is not None:
        with lock:
            _Call(client, root, folder, order).run(payload)
    else:
        _wait_for(client, folder)
    return _told(folder)


def forget(_client: Client, root: Path, order: dict[str, Any], _payload: bytes) -> Answer:
    """``tokens``: what is kept of these calls is removed; one that still runs is ended."""
    for token in order["tokens"]:
        folder = calls_folder(root) / _checked(token)
        if folder.is_dir() and not (folder / "done").exists():
            (folder / "cancel").touch()
        else:
            shutil.rmtree(str(folder), ignore_errors=True)
    return {}, b""


def answered(root: Path, token: str) -> None:
    """The client has the answer of that call."""
    shutil.rmtree(str(calls_folder(root) / _checked(token)), ignore_errors=True)


def tidy(root: Path) -> None:
    """Leave no empty folder behind."""
    with contextlib.suppress(OSError):  # another agent is at work in it
        calls_folder(root).rmdir()


def sweep(root: Path) -> None:
    """Remove what clients left that never came back."""
    for folder in calls_folder(root).iterdir():
        with contextlib.suppress(OSError):
            if time.time() - folder.stat().st_mtime > OLD_S and not _is_running(folder):
                shutil.rmtree(str(folder), ignore_errors=True)


def calls_folder(root: Path) -> Path:
    """A folder that only this user reads, in memory where there is such a place."""
    name = hashlib.sha256(os.fsencode(str(root))).hexdigest()[:16]
    for parent in (_SHARED_MEMORY / f"millhand-{os.getuid()}", root / ".millhand" / "agent" / "calls"):
        with contextlib.suppress(OSError):
            folder = parent / name
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if _is_private(folder) and os.access(str(folder), os.W_OK):
                return folder
    raise RefusedError("os", "there is no folder to keep a command's output in")


def _is_private(folder: Path) -> bool:
    with contextlib.suppress(OSError):
        folder.parent.chmod(0o700)
    return all(
        place.stat().st_uid == os.getuid() and not place.stat().st_mode & 0o077 and not place.is_symlink()
        for place in (folder, folder.parent)
    )


def _checked(token: str) -> str:
    if not re.fullmatch("[0-9a-f]{16,64}", token):
        raise RefusedError("path", f"not a token: {token!r}")
    return token


def _claim(root: Path, token: str) -> tuple[Path, IO[bytes] | None]:
    """A call's folder, and its lock where the call begins; it appears with its lock held."""
    own = _new_folder(root)
    folder, lock = own.parent / token, (own / "lock").open("wb")
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        own.rename(folder)
    except OSError:
        lock.close()
        shutil.rmtree(str(own), ignore_errors=True)
        return folder, None
    return folder, lock


def _new_folder(root: Path) -> Path:
    while True:
        with contextlib.suppress(FileNotFoundError):  # another agent has just tidied up
            return Path(tempfile.mkdtemp(dir=str(calls_folder(root)), prefix="new-"))


def _is_running(folder: Path) -> bool:
    try:
        with (folder / "lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _wait_for(client: Client, folder: Path) -> None:
    """Wait for a call that another agent has begun."""
    while _is_running(folder) and not (folder / "done").exists():
        with contextlib.suppress(OSError):
            (folder / "wanted").touch()
        if client.gone(POLL_S / 5):
            return


def _told(folder: Path) -> Answer:
    try:
        answer: dict[str, Any] = json.loads((folder / "done").read_text(encoding="utf-8"))
        out, err = (folder / "out").read_bytes(), (folder / "err").read_bytes()
    except FileNotFoundError:
        _end_orphan(folder)
        return {"fault": "whatever ran it was killed", "code": -9, "out": 0}, b""
    return {**answer, "out": len(out)}, out + err


def _end_orphan(folder: Path) -> None:
    """End what is left of a command whose agent was killed: it carries the call's mark."""
    mark = os.fsencode(f"{MARK}={folder.name}")
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # gone meanwhile, or not to be looked into
            if mark in (process / "environ").read_bytes().split(b"\0"):
                os.kill(int(process.name), signal.SIGKILL)


class _Printed:
    """What a command prints, taken from its pipes as it comes: a file of its own could fill the memory."""

    def __init__(self, pipes: list[IO[bytes] | None], kept: Sequence[IO[bytes]]) -> None:
        self._kept = {pipe.fileno(): file for pipe, file in zip(pipes, kept) if pipe}  # noqa: B905 - 3.8
        self._left = dict.fromkeys(self._kept, LIMIT)
        self.open = list(self._kept)
        for pipe in self.open:
            os.set_blocking(pipe, False)

    def fault(self) -> str | None:
        """Whether it was more than is kept."""
        return f"it printed more than {LIMIT >> 20} MiB" if min(self._left.values()) <= 0 else None

    def take(self) -> None:
        """Keep what has come, up to the limit."""
        for pipe in list(self.open):
            with contextlib.suppress(BlockingIOError):
                while self._left[pipe] > 0:
                    data = os.read(pipe, min(_PART, self._left[pipe]))
                    if not data:
                        self.open.remove(pipe)
                        break
                    self._kept[pipe].write(data)
                    self._left[pipe] -= len(data)


class _Call:
    """One command that this agent runs."""

    def __init__(self, client: Client, root: Path, folder: Path, order: dict[str, Any]) -> None:
        self._client, self._folder, self._order = client, folder, order
        self._cwd = inside(root, order["cwd"])
        self._timeout_s = order.get("timeout_s")
        self._began = time.monotonic()

    def run(self, stdin: bytes) -> None:
        """Run it and leave how it ended in ``done``."""
        with contextlib.ExitStack() as files:
            kept = [files.enter_context((self._folder / name).open("wb")) for name in ("out", "err")]
            try:
                process = files.enter_context(self._start(stdin))
            except (OSError, ValueError) as error:
                end = {"code": 127, "fault": str(error)}
            else:
                end = self._attended(process, kept)
        self._end(end)

    def _attended(self, process: subprocess.Popen[bytes], kept: Sequence[IO[bytes]]) -> dict[str, Any]:
        printed = _Printed([process.stdout, process.stderr], kept)
        fault = self._watch(process, printed)
        if fault is not None:
            with contextlib.suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
        code = process.wait()
        printed.take()
        return {"code": code, "fault": fault or printed.fault()}

    def _start(self, stdin: bytes) -> subprocess.Popen[bytes]:
        with tempfile.TemporaryFile(dir=str(self._folder)) as given:
            given.write(stdin)
            given.seek(0)
            return subprocess.Popen(
                self._order["argv"],
                cwd=str(self._cwd),
                env={**base_environment(), **self._order["env"], MARK: self._folder.name},
                stdin=given,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )

    def _watch(self, process: subprocess.Popen[bytes], printed: _Printed) -> str | None:
        """Wait for its end, or say why it has to be ended."""
        here = True
        while process.poll() is None:
            if here:
                here = not self._client.gone(POLL_S, printed.open)
            else:
                select.select(printed.open, [], [], POLL_S)
            printed.take()
            fault = self._fault(here) or printed.fault()
            if fault is not None and process.poll() is None:
                return fault
        return None

    def _fault(self, here: bool) -> str | None:
        if self._timeout_s is not None and time.monotonic() - self._began > self._timeout_s:
            return f"not done after {self._timeout_s:.0f} s"
        if (self._folder / "cancel").exists():
            return "cancelled"
        if not here and time.time() - self._last_wanted() > LINGER_S:
            return "nobody was left to wait for it"
        return None

    def _last_wanted(self) -> float:
        wanted = self._folder / "wanted"
        if not wanted.exists():
            wanted.touch()
        return wanted.stat().st_mtime

    def _end(self, end: dict[str, Any]) -> None:
        temporary = self._folder / "done.tmp"
        temporary.write_text(json.dumps(end), encoding="utf-8")
        temporary.rename(self._folder / "done")
        if (self._folder / "cancel").exists():
            shutil.rmtree(str(self._folder), ignore_errors=True)
