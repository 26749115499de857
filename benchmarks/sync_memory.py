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

from tests.unit.pods.sync.pipes import Opener

from millhand.pods.sync.pull import pull
from millhand.pods.sync.push import push

KIB, MIB = 1 << 10, 1 << 20


def _bring(act: str, folder: Path) -> dict[str, int]:
    """Do it; MiB at most here and in the agent."""
    if act == "push":
        push(Opener(), folder / "here", ["."], place=str(folder / "there")).check()
    else:
        pull(Opener(), folder / "back", ["."], place=str(folder / "there")).check()
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
