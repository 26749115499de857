"""The memory that a sync takes on both sides, beside the files' size.

    python -m benchmarks.sync_memory [--files N] [--large MIB]

Small files of 1 KiB and one large file are pushed to an agent over pipes and pulled back, each way in a
process of its own. Peak resident memory in MiB: here, with all that is imported, and of the agent's Python.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Literal

from millhand.pods.bundle import boot_argv
from millhand.pods.sync.lanes import agent
from millhand.pods.sync.pull import pull
from millhand.pods.sync.push import push

KIB, MIB = 1 << 10, 1 << 20


class _Pipes:
    """A stream to an agent in a bare Python on this machine."""

    def __init__(self) -> None:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(boot_argv(sys.executable), stdin=pipe, stdout=pipe, bufsize=0)
        assert self._process.stdin
        assert self._process.stdout
        self._in, self._out = self._process.stdin, self._process.stdout
        self.write(agent())

    def read(self, size: int) -> bytes:
        return self._out.read(size) or b""

    def write(self, data: bytes | bytearray) -> None:
        view = memoryview(data)
        while view:
            view = view[self._in.write(view) :]

    def flush(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        if not self._in.closed:
            self._in.close()
        self._process.wait()
        self._out.close()


def _opener(transport: Literal["shared", "new"]) -> _Pipes:
    del transport  # they are all alike
    return _Pipes()


def _bring(act: str, folder: Path) -> dict[str, int]:
    """Do it; MiB at most here and in the agent."""
    if act == "push":
        push(_opener, folder / "here", ["."], place=str(folder / "there")).check()
    else:
        pull(_opener, folder / "back", ["."], place=str(folder / "there")).check()
    sides = {"here": resource.RUSAGE_SELF, "there": resource.RUSAGE_CHILDREN}
    return {side: round(resource.getrusage(who).ru_maxrss / 1024) for side, who in sides.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--files", type=int, default=40_000)
    parser.add_argument("--large", type=int, default=600, help="MiB")
    parser.add_argument("--act", nargs=2, help=argparse.SUPPRESS)  # one way and the folder, in this process
    asked = parser.parse_args()
    if asked.act:
        print(json.dumps(_bring(asked.act[0], Path(asked.act[1]))))
        return
    with tempfile.TemporaryDirectory() as folder:
        _make(Path(folder, "here"), asked.files, asked.large)
        for act in ("push", "pull"):
            command = [sys.executable, "-m", "benchmarks.sync_memory", "--act", act, folder]
            print(act, subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip())


def _make(folder: Path, files: int, large: int) -> None:
    for number in range(files):
        path = folder / f"{number % 200:03}" / f"{number:06}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(KIB))
    with (folder / "model").open("wb") as file:
        for _ in range(large):
            file.write(os.urandom(MIB))


if __name__ == "__main__":
    main()
