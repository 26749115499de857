"""The processes of a job, as Linux shows them. Travels to a pod: standard library, Python >= 3.8."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

MARK = "MILLHAND_JOB"
POD_KEY = "RUNPOD_API_KEY"  # it ends the pod, or rents others: no job's affair
_PROC = Path("/proc")
SEES_PROCESSES = (_PROC / "self" / "stat").exists()  # Linux
_PR_SET_CHILD_SUBREAPER = 36


def job_environment(folder: Path, own: dict[str, str]) -> dict[str, str]:
    """What a job starts with: this process's variables less :data:`POD_KEY`, its own, its folder's mark."""
    inherited = {name: value for name, value in os.environ.items() if name != POD_KEY}
    return {**inherited, **own, MARK: str(folder)}


def marked(folder: Path) -> set[int]:
    """Processes of this user that carry the mark of the job of ``folder``, less the one that asks."""
    if not SEES_PROCESSES:
        return set()
    mark = os.fsencode(f"{MARK}={folder}")
    mine = (_PROC / "self").stat().st_uid
    found = set()
    for pid in pids():
        with contextlib.suppress(OSError):  # gone meanwhile, or not to be looked into
            place = _PROC / str(pid)
            if place.stat().st_uid == mine and mark in (place / "environ").read_bytes().split(b"\0"):
                found.add(pid)
    return found - {os.getpid()}


def pids() -> list[int]:
    """All processes."""
    return [int(path.name) for path in _PROC.iterdir() if path.name.isdigit()]


def boot_key() -> str:
    """This boot of the machine and this start of its (or the container's) first process; empty if unknown."""
    try:
        stat = (_PROC / "1" / "stat").read_bytes()
        started = stat[stat.rindex(b")") + 1 :].split()[19].decode()
        return (_PROC / "sys" / "kernel" / "random" / "boot_id").read_text().strip() + "/" + started
    except (OSError, ValueError):
        return ""


def parents() -> dict[int, int]:
    """The parent of each process."""
    parent_of = {}
    for pid in pids() if SEES_PROCESSES else ():
        with contextlib.suppress(OSError):
            stat = (_PROC / str(pid) / "stat").read_bytes()
            # PID (NAME) STATE PARENT ...; the name may hold anything, a parenthesis too
            parent_of[pid] = int(stat[stat.rindex(b")") + 1 :].split()[1])
    return parent_of


def descendants(ancestor: int) -> set[int]:
    """What a process started, what that started, and so on."""
    children: dict[int, list[int]] = {}
    for pid, parent in parents().items():
        children.setdefault(parent, []).append(pid)
    found: set[int] = set()
    front = [ancestor]
    while front:
        new = [pid for pid in children.get(front.pop(), ()) if pid not in found]
        found.update(new)
        front += new
    return found


def cpu_seconds(ancestor: int) -> float:
    """What a process and its descendants have computed so far, with their children that have ended."""
    ticks = 0
    for pid in {ancestor, *descendants(ancestor)} if SEES_PROCESSES else ():
        with contextlib.suppress(OSError):
            stat = (_PROC / str(pid) / "stat").read_bytes()
            ticks += sum(int(word) for word in stat[stat.rindex(b")") + 1 :].split()[11:15])
    return ticks / 100  # USER_HZ is 100 wherever Linux shows it


def gpu_use() -> int:
    """The busiest GPU's use in percent; 0 where nobody can say."""
    query = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
    with contextlib.suppress(OSError, subprocess.SubprocessError, ValueError):
        out = subprocess.run(query, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=10, check=True)
        return max(int(line) for line in out.stdout.split())
    return 0


def adopt_orphans() -> None:
    """Become the parent of whatever the job leaves behind, instead of process 1 (Linux)."""
    with contextlib.suppress(ImportError, OSError, AttributeError, TypeError):
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def reap_orphans(job: int) -> None:
    """Take the exit codes of adopted children; the job's own is for its Popen to take."""
    if sys.platform == "linux":
        with contextlib.suppress(ChildProcessError):
            while True:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
                if ended is None or ended.si_pid == job:
                    return
                os.waitpid(ended.si_pid, os.WNOHANG)
