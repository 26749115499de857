"""Reaching a pod, beside OpenSSH's own client on the same sshd in the same run: medians, interleaved.

    python -m benchmarks.ssh [ROUNDS] [DELAY_MS ...]

A round is a new connection with one command that does nothing, then the same over a connection that is there.
DELAY_MS is added each way by a proxy on loopback; the round trip is twice that. Needs an sshd (Debian:
openssh-server) and nothing else; it runs on a port, keys and configuration of its own.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tests.chaos_proxy import ChaosProxy
from tests.sshd import Sshd, running_sshd

from millhand.pods.ssh.pod import SshPod, open_ssh_pod
from millhand.shell import Command
from millhand.workspace import Workspace

NOTHING = Command(("true",))
PEER = "ssh HOST true"


def seconds(act: Callable[[], object]) -> float:
    """The wall time of one call."""
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


class Bench:
    """One sshd behind a proxy, and the ways to reach it."""

    def __init__(self, folder: Path, sshd: Sshd, line: ChaosProxy) -> None:
        self.workspace = Workspace(folder / "client")
        self.workspace.state.mkdir(parents=True, exist_ok=True)
        self.address = replace(sshd.address, port=line.port)
        self.pod_folder = str(folder / "pod")
        control = ["-o", f"ControlPath={folder}/control", "-o", "ControlMaster=no"]
        self.ssh = [*_at(sshd.ssh(), line.port), "true"]
        self.master = [*_at(sshd.ssh("-o", f"ControlPath={folder}/control", "-M", "-N", "-f"), line.port)]
        self.multiplexed = [*_at(sshd.ssh(*control), line.port), "true"]
        self.python = [*_at(sshd.ssh(), line.port), f"{sys.executable} -I -S -c pass"]

    def pod(self) -> SshPod:
        """A pod whose connection is yet to be made."""
        return open_ssh_pod(
            self.workspace,
            "bench",
            lambda: self.address,
            folder=self.pod_folder,
            python=sys.executable,
            agent_python=sys.executable,
            tell=lambda _: None,
        )

    def connect(self) -> None:
        """Make a connection and end it."""
        pod = self.pod()
        pod.connection.transport()
        pod.close()

    def connect_and_run(self) -> None:
        """Make a connection, start an agent, run a command."""
        with self.pod() as pod:
            pod.run(NOTHING).check()


def _at(argv: list[str], port: int) -> list[str]:
    """The same command at the proxy's port."""
    index = argv.index("-p") + 1
    return [*argv[:index], str(port), *argv[index + 1 :]]


def measure(bench: Bench, rounds: int) -> dict[str, list[float]]:
    """Each way in turn, so that a busy machine hits all of them."""
    live = bench.pod()
    job = live.attach("none")
    acts: dict[str, Callable[[], object]] = {
        PEER: lambda: _call(bench.ssh),
        "ssh HOST python3 -I -S -c pass": lambda: _call(bench.python),
        "Millhand: connect": bench.connect,
        "Millhand: connect and run `true`": bench.connect_and_run,
        "ssh HOST true, over a ControlMaster": lambda: _call(bench.multiplexed),
        "Millhand, connected: run `true`": lambda: live.run(NOTHING),
        "Millhand, connected: a job's status": job.status,
    }
    _call(bench.master)
    live.run(NOTHING)
    times: dict[str, list[float]] = {name: [] for name in acts}
    for _ in range(rounds):
        for name, act in acts.items():
            times[name].append(seconds(act))
    live.close()
    subprocess.run([*bench.multiplexed[:-1], "-O", "exit"], capture_output=True, check=False)
    return times


def _call(argv: list[str]) -> None:
    subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)


def show(times: dict[str, list[float]], rounds: int, round_trip_ms: float) -> None:
    """Print a Markdown table."""
    medians = {name: statistics.median(values) for name, values in times.items()}
    print(
        f"\n| {round_trip_ms:.0f} ms of round trip | median of {rounds} | {PEER} = 1 |\n| --- | ---: | ---: |"
    )
    for name, median in medians.items():
        print(f"| {name} | {median * 1000:.1f} ms | {median / medians[PEER]:.3f} |")


def main(rounds: int, delays_ms: list[float]) -> None:
    """Measure at each delay."""
    for delay_ms in delays_ms:
        with (
            tempfile.TemporaryDirectory() as name,
            running_sshd(Path(name) / "sshd") as sshd,
            ChaosProxy(sshd.port, delay_s=delay_ms / 1000) as line,
        ):
            show(measure(Bench(Path(name), sshd, line), rounds), rounds, 2 * delay_ms)


if __name__ == "__main__":
    numbers = [float(argument) for argument in sys.argv[1:]]
    main(int(numbers[0]) if numbers else 11, numbers[1:] or [0, 20, 100])
