"""The pod's side of a job: one standard-library file that runs alone, under any Python >= 3.8.

    python supervisor.py JOB_FOLDER        < {"argv": [...], "cwd": "...", "env": {...}}

It reads what to run from its standard input (so that secrets lie in no file and no argument list),
starts it in a session of its own and keeps the job's story in JOB_FOLDER:

    state.json   phase, pid, exit code, times; replaced whole at each change and heartbeat
    log.txt      what the job prints, both streams
    lock         locked by the supervisor and by all that the job starts, as long as one of them lives
    stop         made by a client: end the job; holds the seconds of grace

A client may vanish at any point: nothing here depends on it. When the lock is free and the phase is
not ``exited``, the job is lost: the machine went down, or somebody killed the supervisor and the job.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from typing import IO, Any, Dict, Optional

POLL_S = 0.2
HEARTBEAT_S = 2.0
WINDOWS = os.name == "nt"


def write_state(folder: str, state: Dict[str, Any]) -> None:
    """Replace state.json whole: a reader sees the old one or the new one."""
    path = os.path.join(folder, "state.json")
    temporary = f"{path}.{os.getpid()}.tmp"
    with open(temporary, "w", encoding="utf-8") as file:
        json.dump(state, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def read_state(folder: str) -> Dict[str, Any]:
    """Read state.json; an empty one where the job has not begun."""
    try:
        with open(os.path.join(folder, "state.json"), encoding="utf-8") as file:
            state: Dict[str, Any] = json.load(file)
    except FileNotFoundError:
        return {}
    return state


def take_lock(folder: str) -> Optional[IO[bytes]]:
    """Take the job's lock, or return None where something of the job is alive."""
    # Appending, never truncating: two may open it, one gets the lock.
    file = open(os.path.join(folder, "lock"), "ab")  # noqa: SIM115 -- held as long as the process lives
    try:
        if WINDOWS:
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file


def is_alive(folder: str) -> bool:
    """Say whether the supervisor or anything that the job started still runs."""
    if not os.path.isdir(folder):
        return False
    lock = take_lock(folder)
    if lock is None:
        return True
    lock.close()
    return False


def signal_group(pid: int, number: int) -> None:
    """Signal the job's process and all that it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if WINDOWS:
            os.kill(pid, number)
        else:
            os.killpg(pid, number)


def _start(order: Dict[str, Any], folder: str, lock: IO[bytes]) -> "subprocess.Popen[bytes]":
    # An flock lives as long as any process holds the open file: the job inherits it, so an orphan whose
    # supervisor was killed is still seen as alive.
    inherited = () if WINDOWS else (lock.fileno(),)
    log = os.open(os.path.join(folder, "log.txt"), os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
    try:
        return subprocess.Popen(
            order["argv"],
            cwd=order["cwd"],
            env={**os.environ, **order["env"]},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=not WINDOWS,
            pass_fds=inherited,
        )
    finally:
        os.close(log)


def _grace(folder: str) -> Optional[float]:
    try:
        with open(os.path.join(folder, "stop"), encoding="utf-8") as file:
            return float(file.read() or 0)
    except (FileNotFoundError, ValueError):
        return None


def _watch(process: "subprocess.Popen[bytes]", folder: str, state: Dict[str, Any]) -> int:
    kill_at: Optional[float] = None
    beat = time.time()
    while process.poll() is None:
        now = time.time()
        if kill_at is None:
            grace = _grace(folder)
            if grace is not None:
                kill_at = now + grace
                signal_group(process.pid, signal.SIGTERM)
        elif now >= kill_at:
            signal_group(process.pid, getattr(signal, "SIGKILL", signal.SIGTERM))
        if now - beat >= HEARTBEAT_S:
            beat = now
            write_state(folder, {**state, "heartbeat_s": now})
        time.sleep(POLL_S)
    return process.returncode


def supervise(folder: str, order: Dict[str, Any]) -> int:
    """Run the job to its end and leave its exit code in state.json; 127 where it cannot be started."""
    lock = take_lock(folder)
    if lock is None:
        print("a job of this name is alive", file=sys.stderr)
        return 75
    if not WINDOWS:
        os.set_inheritable(lock.fileno(), True)
    state: Dict[str, Any] = {"phase": "running", "started_s": time.time(), "argv": order["argv"]}
    try:
        process = _start(order, folder, lock)
    except OSError as error:
        with open(os.path.join(folder, "log.txt"), "a", encoding="utf-8") as log:
            log.write(f"cannot start {order['argv'][0]}: {error}\n")
        write_state(folder, {**state, "phase": "exited", "exit_code": 127, "ended_s": time.time()})
        return 0
    state["pid"] = process.pid
    write_state(folder, {**state, "heartbeat_s": time.time()})
    code = _watch(process, folder, state)
    signal_group(process.pid, getattr(signal, "SIGKILL", signal.SIGTERM))  # what the job left behind
    write_state(folder, {**state, "phase": "exited", "exit_code": code, "ended_s": time.time()})
    return 0


def main() -> int:
    """Read the order and run it, deaf to the signals of whoever started it."""
    folder = sys.argv[1]
    order = json.load(sys.stdin)
    for name in ("SIGHUP", "SIGINT"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    return supervise(folder, order)


if __name__ == "__main__":
    sys.exit(main())
