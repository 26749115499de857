"""The pod's side of a job. It travels (:data:`MODULES`): standard library, any Python >= 3.8.

::

    python -c BOOT JOB_FOLDER    < the bundle, {"argv": [...], "cwd": "...", "env": {...}, "tethered": false,
                                   "output": "...", "on_diverged": "note", "stall_s": 1200}

It reads what to run from the next line of its standard input (so that secrets lie in no file and no
argument list), starts it in a session of its own and keeps the job's story in JOB_FOLDER:

    state.json   phase, pid, exit code, times, steps, faults (:mod:`millhand.pods.job_watch`); replaced whole
                 at each change and heartbeat
    log.txt      what the job prints, both streams
    lock         locked by the supervisor and by all that inherited it, as long as one of them lives
    stop         end the job; holds the seconds of grace, and why if the lease asks; becomes stop.heard

A client may vanish at any point: nothing here depends on it, unless the job is ``tethered`` (a server for
one client): then the end of the standard input, which comes with the client's end, ends the job. When
nothing of the job is alive and the phase is not ``exited``, the job is lost: the machine went down, or
somebody killed the supervisor and the job.

What the job starts may leave its session and close the lock (torchrun's workers do). On Linux nothing of
it gets away: orphans become the supervisor's children, and each process carries the job's mark in its
environment, for when the supervisor was killed.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, Any

from millhand.pods.job_processes import (
    SEES_PROCESSES,
    adopt_orphans,
    descendants,
    job_environment,
    parents,
    reap_orphans,
)
from millhand.pods.job_processes import boot_key as boot_key
from millhand.pods.job_processes import marked as marked
from millhand.pods.job_watch import Watch

MODULES = ("millhand.pods.job_processes", "millhand.pods.job_watch", "millhand.pods.supervisor")
ENTRY = "import sys; sys.exit(millhand.pods.supervisor.main())"
POLL_S = 0.2
_BLOCK, _LOOKS = 4096, 5  # a file of whole blocks can be written over where no new one is to be had
HEARTBEAT_S = 2.0
LOCK_S = 5.0
ENDING_S = 5.0
TETHER_GRACE_S = 5.0
# How long the end of a job is tried to be written down: a full disk is often mended within minutes.
LAST_WORD_S = 600.0
KILL: int = getattr(signal, "SIGKILL", signal.SIGTERM)


# What clients ask and do.


def read_state(folder: Path) -> dict[str, Any]:
    """Read state.json; an empty one where the job has not begun."""
    for _look in range(_LOOKS):  # on a full disk it is written in place: a look may fall into the middle
        try:
            state: dict[str, Any] = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except ValueError:
            time.sleep(0.02)
        else:
            return state
    return {}


def is_locked(folder: Path) -> bool:
    """Say whether the supervisor, or a process that inherited its lock, lives."""
    try:
        file = (folder / "lock").open("rb")
    except (FileNotFoundError, NotADirectoryError):
        return False
    with file:
        return not _try_lock(file, shared=True)  # shared: two who ask at once do not see each other


def is_alive(folder: Path) -> bool:
    """Say whether the supervisor or anything that the job started still runs."""
    return is_locked(folder) or bool(marked(folder))


def is_busy(folder: Path) -> bool:
    """Say whether the job's name cannot be used yet; one that is just ending is waited for."""
    deadline = time.monotonic() + ENDING_S
    while is_alive(folder):
        if read_state(folder).get("phase") != "exited" or time.monotonic() > deadline:
            return True
        time.sleep(0.01)
    return False


def ask_to_stop(folder: Path, grace_s: float) -> None:
    """Leave the supervisor the request to end the job; it moves the file away when it has heard it."""
    temporary = folder / f"stop.{os.getpid()}.tmp"
    try:
        temporary.write_text(f"{grace_s}", encoding="utf-8")
        temporary.replace(folder / "stop")
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def terminate(folder: Path, pid: int | None) -> None:
    """Ask the job itself to end, as its supervisor would if it could."""
    parent_of = parents()
    members = marked(folder)
    heads = {member for member in members if parent_of.get(member) not in members}
    for head in heads or ({pid} if pid else set()):
        _signal(head, signal.SIGTERM)


def kill(folder: Path, pid: int | None) -> None:
    """End the job's process, its group, and all that carries the job's mark."""
    members = marked(folder)
    if pid is not None and (pid in members or not members):  # else the number may be somebody else's by now
        signal_group(pid, KILL)
    for member in members:
        _signal(member, KILL)


def signal_group(pid: int, number: int) -> None:
    """Signal a process and all that stayed in its group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if sys.platform == "win32":
            os.kill(pid, number)
        else:
            os.killpg(pid, number)


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


# The lock.


def _try_lock(file: IO[bytes], *, shared: bool = False) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def take_lock(folder: Path, within_s: float = LOCK_S) -> IO[bytes] | None:
    """Take the job's lock, or return None where something of the job is alive.

    A client that asks whether the job lives holds the lock for a moment: that is no reason to give up.
    """
    file = (folder / "lock").open("ab")
    deadline = time.monotonic() + within_s
    while not _try_lock(file):
        if time.monotonic() > deadline:
            file.close()
            return None
        time.sleep(0.01)
    return file


def _end_all(job: int, folder: Path) -> bool:
    """Kill the job and whatever it started; say whether nothing of it is left."""
    if not SEES_PROCESSES:
        signal_group(job, KILL)
        return True
    left: set[int] = set()
    for _look in range(2):  # a process that forks and ends while it is looked for can be missed once
        left = left or descendants(os.getpid()) | marked(folder)
    for pid in left:
        _signal(pid, KILL)
    return not left


# The supervisor.


def write_state(folder: Path, state: dict[str, Any]) -> None:
    """Replace state.json whole: a reader sees the old one or the new one.

    A full disk has no room for a second one; then the first is written over, in the blocks that it has.
    """
    temporary, data = folder / f"state.json.{os.getpid()}.tmp", _blocks(state)
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(folder / "state.json")
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        _write_over(folder / "state.json", data)


def _blocks(state: dict[str, Any]) -> bytes:
    data = json.dumps(state).encode("utf-8")
    return data + b" " * (-len(data) % _BLOCK)


def _write_over(path: Path, data: bytes) -> None:
    with path.open("r+b", buffering=0) as file:
        if len(data) > file.seek(0, os.SEEK_END):
            raise OSError(errno.ENOSPC, "the disk is full", str(path))
        rest = b" " * (file.tell() - len(data))
        file.seek(0)
        file.write(data + rest)


class _Story:
    """state.json, which a full disk or a reader (on Windows) may keep from being written for a while."""

    def __init__(self, folder: Path, state: dict[str, Any]) -> None:
        self.folder = folder
        self.state = state
        self._next = 0.0

    def tell(self, **news: Any) -> None:
        """Write what is new, or keep it for the next heartbeat."""
        self.state.update(news)
        self._next = 0.0
        self.beat()

    def note(self, news: dict[str, Any]) -> None:
        """Keep what is new for the next heartbeat; a new fault is told at once."""
        fresh = len(news["faults"]) != len(self.state.get("faults", ()))
        self.state.update(news)
        if fresh:
            self.tell()

    def beat(self) -> None:
        """Write that the supervisor lives, when it is time."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + HEARTBEAT_S
            with contextlib.suppress(OSError):
                write_state(self.folder, {**self.state, "heartbeat_s": time.time()})

    def close(self, code: int) -> int:
        """Write the end, however long that takes within reason; 0 when it is written."""
        end = {**self.state, "phase": "exited", "exit_code": code, "ended_s": time.time()}
        deadline = time.monotonic() + LAST_WORD_S
        while time.monotonic() < deadline:
            try:
                write_state(self.folder, end)
            except OSError:
                time.sleep(POLL_S)
            else:
                return 0
        return 74


class _Request:
    """What clients asked for: until when the job may end by itself."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes]) -> None:
        self._folder = folder
        self._process = process
        self._kill_at: float | None = None
        self.client_is_gone = threading.Event()
        self.ends_it = False

    def overdue(self) -> bool:
        """Listen, pass on what is heard, and say whether the time to end by itself is over."""
        if self.ends_it:
            return True  # unasked: a checkpoint of such weights would be gone on from
        grace_s = self._heard()
        if grace_s is not None:
            if self._kill_at is None:
                # Only the job itself: its data loaders must live until it has saved its checkpoint.
                self._process.terminate()
            self._kill_at = min(time.monotonic() + grace_s, self._kill_at or float("inf"))
        return self._kill_at is not None and time.monotonic() >= self._kill_at

    def _heard(self) -> float | None:
        if self.client_is_gone.is_set():
            self.client_is_gone.clear()
            return TETHER_GRACE_S
        taken = self._folder / "stop.heard"  # moved first: whoever asks meanwhile makes a new one
        try:
            (self._folder / "stop").replace(taken)
            return float(taken.read_text(encoding="utf-8").partition(" ")[0])
        except (OSError, ValueError):
            return None


def _start(order: dict[str, Any], folder: Path, lock: IO[bytes]) -> subprocess.Popen[bytes]:
    # An flock lives as long as any process holds the open file: the job inherits it, so an orphan whose
    # supervisor was killed is still seen as alive.
    inherited = () if sys.platform == "win32" else (lock.fileno(),)
    with (folder / "log.txt").open("ab") as log:
        return subprocess.Popen(
            order["argv"],
            cwd=order["cwd"],
            env=job_environment(folder, order["env"]),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=sys.platform != "win32",
            pass_fds=inherited,
        )


def _watch(process: subprocess.Popen[bytes], request: _Request, story: _Story, watch: Watch) -> int:
    """Wait until the job and all that it started are gone; the job's exit code."""
    while True:
        code = process.poll()
        reap_orphans(process.pid)
        if watch.due() or code is not None:
            story.note(watch.look())
            request.ends_it = watch.ends_it
        overdue = code is None and request.overdue()
        if (code is not None or overdue) and _end_all(process.pid, story.folder) and code is not None:
            return code
        story.beat()
        time.sleep(POLL_S if code is None and not overdue else POLL_S / 10)


def _refuse(story: _Story, reason: str) -> int:
    with contextlib.suppress(OSError), (story.folder / "log.txt").open("a", encoding="utf-8") as log:
        log.write(f"{reason}\n")
    return story.close(127)


def _tether(request: _Request) -> None:
    """Wait for the client's end, then ask for the job's."""
    while os.read(0, 4096):
        pass
    request.client_is_gone.set()


def _run(folder: Path, order: dict[str, Any], lock: IO[bytes]) -> int:
    state = {"phase": "starting", "started_s": time.time(), "argv": order["argv"], "boot": boot_key()}
    state.update({name: order[name] for name in ("output", "tethered") if order.get(name)})
    write_state(folder, state)  # before the job: where its story cannot be told, it does not begin
    story = _Story(folder, state)
    adopt_orphans()
    try:
        process = _start(order, folder, lock)
    except OSError as error:
        return _refuse(story, f"cannot start {order['argv'][0]}: {error}")
    story.tell(phase="running", pid=process.pid)
    request = _Request(folder, process)
    if order.get("tethered"):
        threading.Thread(target=_tether, args=(request,), daemon=True).start()
    return story.close(_watch(process, request, story, Watch(folder, order, process.pid)))


def supervise(folder: Path, order: dict[str, Any]) -> int:
    """Run the job to its end and leave its exit code in state.json; 127 where it cannot be started."""
    lock = take_lock(folder)
    if lock is None:
        print("a job of this name is alive", file=sys.stderr)
        return 75
    with lock:
        return _run(folder, order, lock)


def _heard(_number: int, _frame: object) -> None:
    """Do nothing. A handler, not SIG_IGN: what is ignored stays ignored in the job, a handler does not."""


def main() -> int:
    """Read the order and run it, deaf to the signals of whoever started it."""
    order = json.loads(sys.stdin.readline())
    for name in ("SIGHUP", "SIGINT"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _heard)
    try:
        return supervise(Path(sys.argv[1]).resolve(), order)
    except OSError as error:
        print(error, file=sys.stderr)
        return 74


if __name__ == "__main__":
    sys.exit(main())
