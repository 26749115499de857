"""The agent's jobs: started once, asked after, ended. Their stories are the supervisor's folders.

A start carries a token, kept in the job's folder: asked again after a lost connection, it finds its job
instead of "running already". The order goes to the supervisor over a pipe, so secrets lie in no file.

A tethered job ends when the client does not renew its tether for a while, however that comes: a process of
its own holds the supervisor's pipe open as long as it sees the file ``tether`` change. So the job outlives a
connection that breaks and is made again, and not a client that is gone.

It travels: standard library only, any Python >= 3.8.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

from millhand.pods import supervisor
from millhand.pods.agent_files import CHUNK, read_from
from millhand.pods.agent_io import Answer, Client, RefusedError, base_environment, inside

if sys.platform == "win32":
    raise ImportError("an agent runs on a pod, and a pod runs Linux")

JOBS = ".millhand/jobs"
START_S = 20.0
WATCH_S = 0.05
END_S = 2.0
HEARD_S = 2 * supervisor.HEARTBEAT_S


def job_folder(root: Path, name: str) -> Path:
    """The folder of the job of that name."""
    folder = inside(root, f"{JOBS}/{name}")
    if (root / JOBS).resolve() not in folder.parents:
        raise RefusedError("path", f"not a job's name: {name!r}")
    return folder


# What is known of a job.


def status(_client: Client, root: Path, order: dict[str, Any], _payload: bytes) -> Answer:
    """``name`` -> ``state``, ``alive`` and ``boot``, as base.JobStatus.of takes them."""
    return told(job_folder(root, order["name"])), b""


def told(folder: Path) -> dict[str, Any]:
    """What a client judges a job by; its command is not told."""
    locked = supervisor.is_locked(folder)
    state = supervisor.read_state(folder)  # after the lock: a job that ends writes, then unlocks
    ended = state.get("phase") == "exited"
    alive = locked or (not ended and bool(supervisor.marked(folder)))
    state.pop("argv", None)
    return {"state": state, "alive": alive, "boot": supervisor.boot_key()}


def listed(_client: Client, root: Path, _order: dict[str, Any], _payload: bytes) -> Answer:
    """-> ``jobs``: the names of those that have begun, the newest last."""
    folders = [path.parent for path in (root / JOBS).glob("*/state.json")]
    return {"jobs": [folder.name for folder in sorted(folders, key=_used_s)]}, b""


def _used_s(folder: Path) -> tuple[float, str]:
    with contextlib.suppress(OSError):
        return (folder / "lock").stat().st_mtime, folder.name
    return 0.0, folder.name


def watch(client: Client, root: Path, order: dict[str, Any], _payload: bytes) -> Answer:
    """Wait until the job is not as it was seen or a file grows, ``wait_s`` at most.

    ``name``, ``seen`` ([phase, alive]), ``reads`` (a list of [path, offset]; a path of "" is the job's log)
    -> what ``status`` says, and ``sizes``; the payload is what is new of each, one after the other.
    """
    folder = job_folder(root, order["name"])
    reads = [(inside(root, path) if path else folder / "log.txt", int(at)) for path, at in order["reads"]]
    deadline = time.monotonic() + float(order["wait_s"])
    while True:
        now = told(folder)  # before reading: a job that has ended has written its last lines
        parts = [read_from(path, offset, CHUNK // len(reads)) for path, offset in reads]
        changed = any(parts) or [now["state"].get("phase"), now["alive"]] != order["seen"]
        if changed or time.monotonic() >= deadline or client.gone():
            return {**now, "sizes": [len(part) for part in parts]}, b"".join(parts)
        time.sleep(WATCH_S)


def log(_client: Client, root: Path, order: dict[str, Any], _payload: bytes) -> Answer:
    """``name``, ``offset`` (negative: from the end) -> ``start``; the payload is a chunk of the log."""
    path, offset = job_folder(root, order["name"]) / "log.txt", int(order["offset"])
    if offset < 0:
        offset = max(0, (path.stat().st_size if path.exists() else 0) + offset)
    return {"start": offset}, read_from(path, offset)


# Starting.


def start(_client: Client, root: Path, order: dict[str, Any], payload: bytes) -> Answer:
    """``name``, ``token``, ``job`` (the supervisor's order), ``boot``, ``tether_s`` -> what ``status`` says.

    ``boot`` are this interpreter's arguments that make a supervisor of the payload, a bundle.
    """
    folder = job_folder(root, order["name"])
    inside(root, os.path.relpath(order["job"]["cwd"], str(root)))
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "starting").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _is_started(folder, order["token"]):
            _start(folder, order, payload)
    return told(folder), b""


def _is_started(folder: Path, token: str) -> bool:
    """Whether this very start has been made; else the folder is made ready for it."""
    (folder / "lock").touch()
    if _token(folder) == token:
        return supervisor.is_alive(folder) or bool(supervisor.read_state(folder))
    if supervisor.is_busy(folder):
        raise RefusedError("busy", f"Job {folder.name} is running already.")
    for leftover in ("state.json", "stop", "stop.heard", "log.txt", "tether"):
        with contextlib.suppress(FileNotFoundError):
            (folder / leftover).unlink()
    (folder / "token").write_text(token, encoding="ascii")
    return False


def _token(folder: Path) -> str:
    with contextlib.suppress(OSError):
        return (folder / "token").read_text(encoding="ascii")
    return ""


def _start(folder: Path, order: dict[str, Any], supervisor_bundle: bytes) -> None:
    job = {**order["job"], "env": {**base_environment(), **order["job"]["env"]}}
    process = _launch(order["boot"], folder)
    if process.stdin is not None:
        with contextlib.suppress(BrokenPipeError):  # it ended at once; its own words say why
            process.stdin.write(supervisor_bundle + json.dumps(job).encode("ascii") + b"\n")
            process.stdin.flush()
            if job["tethered"]:
                _hold(process.stdin.fileno(), folder / "tether", float(order["tether_s"]))
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
    _wait_for_state(folder, process)


def _launch(boot: list[str], folder: Path) -> subprocess.Popen[bytes]:
    with (folder / "supervisor.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, *boot, str(folder)],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=str(folder),
            start_new_session=True,
        )


def _wait_for_state(folder: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        gone = process.poll() is not None
        if supervisor.read_state(folder).get("phase") in ("running", "exited"):
            return
        if gone:
            break
        time.sleep(0.01)
    else:
        _end(folder)  # nothing may train that nobody was told of
    said = (folder / "supervisor.log").read_bytes().decode("utf-8", "replace")
    raise RefusedError("start", f"The job's supervisor did not come up: {said}")


# The tether.


def _hold(pipe: int, tether: Path, within_s: float) -> None:
    """Leave a process behind that keeps ``pipe`` open as long as ``tether`` changes."""
    tether.touch()
    if os.fork() == 0:
        _holder(pipe, tether, within_s)


def _holder(pipe: int, tether: Path, within_s: float) -> NoReturn:
    try:
        os.setsid()
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        _keep_only(pipe)
        seen, at = -1, time.monotonic()
        line = select.poll()
        line.register(pipe, 0)  # nothing but its end: the supervisor is gone
        while time.monotonic() - at < within_s and not line.poll(500):
            with contextlib.suppress(OSError):
                now = tether.stat().st_mtime_ns
                if now != seen:
                    seen, at = now, time.monotonic()
    finally:
        os._exit(0)


def _keep_only(descriptor: int) -> None:
    """Close all else, so that the client's channel can end."""
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    os.closerange(3, descriptor)
    os.closerange(descriptor + 1, 4096)


def renew(_client: Client, root: Path, order: dict[str, Any], _payload: bytes) -> Answer:
    """``name``: the client of this tethered job is there -> what ``status`` says."""
    folder = job_folder(root, order["name"])
    with contextlib.suppress(FileNotFoundError):
        os.utime(str(folder / "tether"))
    return told(folder), b""


# Ending.


def stop(client: Client, root: Path, order: dict[str, Any], _payload: bytes) -> Answer:
    """``name``, ``grace_s``: ask for the job's end and wait for it; done here where no supervisor hears."""
    folder, grace_s = job_folder(root, order["name"]), float(order["grace_s"])
    if supervisor.is_alive(folder):
        _stop(client, folder, grace_s)
    return told(folder), b""


def _stop(client: Client, folder: Path, grace_s: float) -> None:
    asked = _ask(folder, grace_s)
    heard_by = time.monotonic() + (HEARD_S if asked else 0)
    deadline = time.monotonic() + grace_s + HEARD_S
    while supervisor.is_alive(folder) and time.monotonic() < deadline:
        if time.monotonic() >= heard_by:
            heard_by = float("inf")
            if not asked or (folder / "stop").exists():
                supervisor.terminate(folder, supervisor.read_state(folder).get("pid"))
                deadline = time.monotonic() + grace_s
        if client.gone(supervisor.POLL_S / 2):
            return  # it may ask again, or for less grace; the supervisor goes on with what it heard
    _end(folder)


def _ask(folder: Path, grace_s: float) -> bool:
    try:
        supervisor.ask_to_stop(folder, grace_s)
    except OSError:  # a full disk: the trainer is to save what it can all the same
        return False
    return True


def _end(folder: Path) -> None:
    deadline = time.monotonic() + END_S
    while supervisor.is_alive(folder) and time.monotonic() < deadline:
        supervisor.kill(folder, supervisor.read_state(folder).get("pid"))
        time.sleep(supervisor.POLL_S)
    with contextlib.suppress(OSError):
        (folder / "stop").unlink()


def forget(_client: Client, root: Path, order: dict[str, Any], _payload: bytes) -> Answer:
    """``name``: what is kept of it is removed, unless it is alive."""
    folder = job_folder(root, order["name"])
    if not supervisor.is_alive(folder):
        shutil.rmtree(str(folder), ignore_errors=True)
    return {}, b""
