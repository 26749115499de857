"""The faults, each a function of the run's surroundings. What is not played at a step has no cell."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.fault_matrix.moments import STEPS
from tests.integration.pods.rented import Rented
from tests.patience import WITHIN_S
from tests.runpod_fake.clock import Clock

OUTAGE_S = 60.0
_BALLAST = "ballast"
Client = Any


@dataclass(frozen=True)
class FaultKind:
    """A row of the table.

    Args:
        name: What happens.
        steps: Where it can.
        strike: Makes it happen when the step has begun.
        before: Prepares for it before the client starts.
        after: Undoes it once the client has ended.
    """

    name: str
    steps: tuple[str, ...]
    strike: Callable[[Rented, Client, str], None]
    before: Callable[[Rented, str], None] = lambda _rented, _step: None
    after: Callable[[Rented], None] = lambda _rented: None


def _cut(rented: Rented, _client: Client, _step: str) -> None:
    for sshd in rented.machines.sshds.values():
        sshd.cut()


def _cut_the_api(rented: Rented, step: str) -> None:
    if step == "rent":
        rented.account.fault("POST", "/pods", how="cut-after")
    if step == "release":
        rented.account.fault("DELETE", "/pods/[^/]+", how="cut-after")
        rented.account.fault("POST", "/pods/[^/]+/action", how="cut-after")


def _kill_client(_rented: Rented, client: Client, _step: str) -> None:
    client.kill()


def _client_gone_for_good(rented: Rented, client: Client, _step: str) -> None:
    """Nobody comes back before the pod has ended itself."""
    client.kill()
    client.communicate()

    def ended() -> bool:
        rented.account.settle()  # RunPod boots what was asked for, whoever asks after it
        return not rented.pods()

    rented.wait(ended, within_s=240)


def _kill_job(rented: Rented, _client: Client, step: str) -> None:
    os.kill(rented.job("export-qa" if step == "export" else "train-qa"), signal.SIGKILL)


def _restart(rented: Rented, _client: Client, _step: str) -> None:
    rented.wait(lambda: any(pod.address for pod in rented.pods()))
    for pod in rented.pods():
        rented.account.restart(pod)


def _lose(rented: Rented, _client: Client, step: str) -> None:
    rented.wait(lambda: bool(rented.pods()) or step == "release")
    for pod in rented.pods():
        rented.account.terminate(pod)


def _small_disk(rented: Rented, _step: str) -> None:
    rented.volume.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m", "none", str(rented.volume)], check=True)


def _fill(rented: Rented, _client: Client, _step: str) -> None:
    with (rented.volume / _BALLAST).open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue


def _empty(rented: Rented) -> None:
    (rented.volume / _BALLAST).unlink(missing_ok=True)


def _outage(rented: Rented, _client: Client, _step: str) -> None:
    faults = [rented.account.fault(m, ".*", status=503, times=10**6) for m in ("GET", "POST", "DELETE")]
    threading.Timer(OUTAGE_S, lambda: [setattr(fault, "times", 0) for fault in faults]).start()


def _outage_before(rented: Rented, step: str) -> None:
    if step == "rent":
        _outage(rented, None, step)


def _skewed(rented: Rented, _step: str) -> None:
    rented.account.clock = Clock(time.time() + 2 * 3600 + 17, 1.0)


def _second_client(rented: Rented, _client: Client, _step: str) -> None:
    out, err = rented.start("train", "qa", "--pod", "l4", "--json").communicate(timeout=WITHIN_S)
    assert rented.bench.clients[-1].returncode == 0, err
    assert '"steps": 60' in out
    assert len(rented.account.created()) == 1, "two pods were rented for one run"


def _nothing(_rented: Rented, _client: Client, _step: str) -> None:
    return


ALL = (
    FaultKind("nothing (the control)", ("train", "export"), _nothing),
    FaultKind("connection cut", STEPS, _cut, before=_cut_the_api),
    FaultKind("client SIGKILL", STEPS, _kill_client),
    FaultKind("client machine gone for good", STEPS, _client_gone_for_good),
    FaultKind("trainer SIGKILL", ("train", "export"), _kill_job),
    FaultKind("pod restart: new port, new host key", STEPS[:-1], _restart),
    FaultKind("pod gone", STEPS, _lose),
    FaultKind("disk full", ("sync up", "train", "export"), _fill, before=_small_disk, after=_empty),
    FaultKind("API 5xx for a minute", STEPS, _outage, before=_outage_before),
    FaultKind("API's clock 2 h 17 s ahead", ("train",), _nothing, before=_skewed),
    FaultKind("second client", STEPS, _second_client),
)
