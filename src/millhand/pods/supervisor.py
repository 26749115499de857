"""The pod's side of a job: one standard-library file that runs alone, under any Python >= 3.8.

::

    python supervisor.py JOB_FOLDER        < {"argv": [...], "cwd": "...", "env": {...}, "tethered": false}

It reads what to run from the first line of its standard input (so that secrets lie in no file and no
argument list), starts it in a session of its own and keeps the job's story in JOB_FOLDER:

    state.json   phase, pid, exit code, times; replaced whole at each change and heartbeat
    log.txt      what the job prints, both streams
    lock         locked by the supervisor and by all that the job starts, as long as one of them lives
    stop         made by a client: end the job; holds the seconds of grace

A client may vanish at any point: nothing here depends on it, unless the job is ``tethered`` (a server for
one client): then the end of the standard input, which comes with the client's end, ends the job. When the
lock is free and the phase is not ``exited``, the job is lost: the machine went down, or somebody killed
the supervisor and the job.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, Any

POLL_S = 0.2
HEARTBEAT_S = 2.0
LOCK_S = 5.0
KILL: int = getattr(signal, "SIGKILL", signal.SIGTERM)


def write_state(folder: Path, state: dict[str, Any]) -> None:
    """Replace state.json whole: a reader sees the old one or the new one."""
    temporary = folder / f"state.json.{os.getpid()}.tmp"
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(state, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(folder / "state.json")


def read_state(folder: Path) -> dict[str, Any]:
    """Read state.json; an empty one where the job has not begun."""
    try:
        state: dict[str, Any] = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return state


def take_lock(folder: Path) -> IO[bytes] | None:
    """Take the job's lock, or return None where something of the job is alive."""
    file = (folder / "lock").open("ab")
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file


def is_alive(folder: Path) -> bool:
    """Say whether the supervisor or anything that the job started still runs."""
    if not folder.is_dir():
        return False
    lock = take_lock(folder)
    if lock is None:
        return True
    lock.close()
    return False


def signal_group(pid: int, number: int) -> None:
    """Signal the job's process and all that it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if sys.platform == "win32":
            os.kill(pid, number)
        else:
            os.killpg(pid, number)


def _take_lock_patiently(folder: Path) -> IO[bytes] | None:
    # A client that asks whether the job lives holds the lock for a moment: that is no reason to give up.
    deadline = time.monotonic() + LOCK_S
    while True:
        lock = take_lock(folder)
        if lock is not None or time.monotonic() > deadline:
            return lock
        time.sleep(0.01)


def _start(order: dict[str, Any], folder: Path, lock: IO[bytes]) -> subprocess.Popen[bytes]:
    # An flock lives as long as any process holds the open file: the job inherits it, so an orphan whose
    # supervisor was killed is still seen as alive.
    inherited = () if sys.platform == "win32" else (lock.fileno(),)
    with (folder / "log.txt").open("ab") as log:
        return subprocess.Popen(
            order["argv"],
            cwd=order["cwd"],
            env={**os.environ, **order["env"]},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=sys.platform != "win32",
            pass_fds=inherited,
        )


def _tether(folder: Path) -> None:
    """Wait for the client's end, then ask for the job's."""
    sys.stdin.read()
    (folder / "stop").write_text("5", encoding="utf-8")


def _grace_s(folder: Path) -> float | None:
    try:
        return float((folder / "stop").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):  # none yet, or half-written: the next look will do
        return None


def _watch(process: subprocess.Popen[bytes], folder: Path, state: dict[str, Any]) -> int:
    kill_at: float | None = None
    beat = time.monotonic()
    while process.poll() is None:
        now = time.monotonic()
        if kill_at is None:
            grace_s = _grace_s(folder)
            if grace_s is not None:
                kill_at = now + grace_s
                # Only the job itself: its data loaders must live until it has saved its checkpoint.
                process.terminate()
        elif now >= kill_at:
            signal_group(process.pid, KILL)
        if now - beat >= HEARTBEAT_S:
            beat = now
            write_state(folder, {**state, "heartbeat_s": time.time()})
        time.sleep(POLL_S)
    return process.returncode


def _refuse(folder: Path, state: dict[str, Any], reason: str) -> None:
    with (folder / "log.txt").open("a", encoding="utf-8") as log:
        log.write(f"{reason}\n")
    write_state(folder, {**state, "phase": "exited", "exit_code": 127, "ended_s": time.time()})


def supervise(folder: Path, order: dict[str, Any]) -> int:
    """Run the job to its end and leave its exit code in state.json; 127 where it cannot be started."""
    lock = _take_lock_patiently(folder)
    if lock is None:
        print("a job of this name is alive", file=sys.stderr)
        return 75
    state: dict[str, Any] = {"phase": "running", "started_s": time.time(), "argv": order["argv"]}
    try:
        process = _start(order, folder, lock)
    except OSError as error:
        _refuse(folder, state, f"cannot start {order['argv'][0]}: {error}")
        return 0
    state["pid"] = process.pid
    write_state(folder, {**state, "heartbeat_s": time.time()})
    if order.get("tethered"):
        threading.Thread(target=_tether, args=(folder,), daemon=True).start()
    code = _watch(process, folder, state)
    signal_group(process.pid, KILL)  # what the job left behind
    write_state(folder, {**state, "phase": "exited", "exit_code": code, "ended_s": time.time()})
    return 0


def _heard(_number: int, _frame: object) -> None:
    """Do nothing. A handler, not SIG_IGN: what is ignored stays ignored in the job, a handler does not."""


def main() -> int:
    """Read the order and run it, deaf to the signals of whoever started it."""
    order = json.loads(sys.stdin.readline())
    for name in ("SIGHUP", "SIGINT"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _heard)
    return supervise(Path(sys.argv[1]), order)


if __name__ == "__main__":
    sys.exit(main())
