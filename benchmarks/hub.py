"""A model of random weights to a Hub on loopback: `millhand push`, beside the plain client's `upload_folder`.

    python -m benchmarks.hub [GB] [ROUNDS]

Both are processes of their own, timed whole, in turns, to the same server, in new repositories;
the files' times are changed before each, so nobody remembers a hash. Millhand's also looks at the Hub first,
scans what would go, writes the card and compares the listing at the end. Over LFS: the tests' Hub has no xet.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.hub_fake.__main__ import TOKEN
from tests.hub_fake.made import make_run

from millhand.workspace import create_workspace

PORT = 8791
_PUSH = (sys.executable, "-m", "millhand", "push", "model", "qa")
_PLAIN = """\
import sys
from huggingface_hub import HfApi
api = HfApi(token=True)
api.create_repo(sys.argv[2], private=True)
api.upload_folder(repo_id=sys.argv[2], folder_path=sys.argv[1])
"""


def main(gb: float, rounds: int) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as scratch, _served(Path(scratch) / "hub") as environ:
        workspace, _ = create_workspace(Path(scratch) / "workspace")
        make_run(workspace, size=int(gb * 1e9 / 3))  # its two shards have 1/3 and 2/3 of it
        merged = workspace.root / "outputs/qa-merged"
        plain, ours = list[tuple[float, float]](), list[tuple[float, float]]()
        for number in range(rounds):
            calls = [
                (plain, [sys.executable, "-c", _PLAIN, str(merged), f"mill/plain-{number}"]),
                (ours, [*_PUSH, "--to", f"mill/ours-{number}"]),
            ]
            for measured, argv in calls if number % 2 else reversed(calls):  # each goes first as often
                measured.append(_timed(argv, workspace.root, environ, merged))
            shutil.rmtree(Path(scratch) / "hub" / "model")
    _print("upload_folder", plain, plain, gb)
    _print("millhand push", ours, plain, gb)


def _print(name: str, runs: list[tuple[float, float]], plain: list[tuple[float, float]], gb: float) -> None:
    seconds, memory = (statistics.median(column) for column in zip(*runs, strict=True))
    ratios = sorted(p[0] / r[0] for p, r in zip(plain, runs, strict=True))
    ratio = f"{statistics.median(ratios):4.2f}x ({ratios[0]:.2f} to {ratios[-1]:.2f})"
    print(f"{name:<15} {seconds:6.1f} s  {gb * 1e3 / seconds:5.0f} MB/s  {ratio}  peak {memory:4.0f} MB")


def _timed(argv: list[str], folder: Path, environ: Mapping[str, str], files: Path) -> tuple[float, float]:
    """Seconds and the peak of memory in MB of a process that must end well."""
    for path in files.iterdir():
        path.touch()
    os.sync()  # what the one before left to be written is not this one's to wait for
    began = time.monotonic()
    process = subprocess.Popen(
        argv, cwd=folder, env={**os.environ, **environ}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{json.dumps(argv[:4])} ended with {process.returncode}")
    return time.monotonic() - began, usage.ru_maxrss / 1024


@contextmanager
def _served(folder: Path) -> Iterator[dict[str, str]]:
    argv = [sys.executable, "-m", "tests.hub_fake", str(folder), str(PORT)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        server.stdout.readline()  # it listens
        try:
            yield {
                "HF_ENDPOINT": f"http://127.0.0.1:{PORT}",
                "HF_TOKEN": TOKEN,
                "HF_HUB_DISABLE_XET": "1",
                "HF_HUB_DISABLE_TELEMETRY": "1",
                "HF_HOME": str(folder.parent / "hf-home"),
            }
        finally:
            server.terminate()


if __name__ == "__main__":
    given = sys.argv[1:]
    main(float(given[0]) if given else 2.0, int(given[1]) if len(given) > 1 else 3)
