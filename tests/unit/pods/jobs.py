"""What tests of jobs share: commands of this interpreter, and waiting for what becomes of them."""

from __future__ import annotations

import sys
from pathlib import Path

from millhand.pods.base import JobHandle
from millhand.shell import Command, Secret
from tests.patience import wait_until


def python(code: str, **env: str | Secret) -> Command:
    return Command((sys.executable, "-c", code), env=env)


def ended(handle: JobHandle) -> JobHandle:
    wait_until(lambda: not handle.status().alive)
    return handle


def runaway(then: str = "time.sleep(60)", *, marked: bool = True) -> str:
    """A job that prints three ids: its supervisor's, its own, and that of a child which leaves its session,
    closes its lock and, unless it is ``marked``, forgets its environment."""
    child = "import time; time.sleep(60)"
    return f"""
import os, signal, subprocess, sys, time
child = subprocess.Popen([sys.executable, '-c', {child!r}], start_new_session=True, close_fds=True,
                         env=None if {marked} else {{}})
print(os.getppid(), os.getpid(), child.pid, flush=True)
{then}
"""


def family(handle: JobHandle) -> list[int]:
    wait_until(lambda: handle.log().endswith(b"\n"))
    return [int(word) for word in handle.log().split()]


def runs(pid: int) -> bool:
    try:
        return b") Z " not in Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False
