"""Playing one cell: the run, the fault at its step, the same command again until it is done, the verdict."""

from __future__ import annotations

import hashlib
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.fault_matrix.faults import FaultKind
from tests.fault_matrix.moments import Moments
from tests.integration.conftest import Bench
from tests.integration.pods.rented import Rented, renting
from tests.patience import WITHIN_S

STEPS_TRAINED = 60
AGAIN = 3


@dataclass(frozen=True)
class Verdict:
    """How a cell ended: ``adapter`` and ``merged`` are the hashes of the final weights."""

    adapter: str
    merged: str
    again: int
    pods: int
    seconds: float


def play(fault: FaultKind, step: str, bench: Bench, folder: Path) -> Verdict:
    """Play one cell; the same command is given again until the run is done, as a user would."""
    bench.configure(max_steps=STEPS_TRAINED, save_steps=20, per_device_train_batch_size=16)
    began = time.monotonic()
    with renting(bench, folder) as rented, _mounts(rented):
        rented.pod_file(idle=0.7 if "for good" in fault.name else 20)
        fault.before(rented, step)
        moments = Moments(rented)
        exports = ["--export"] if step == "export" else []
        command = ("train", "qa", "--pod", "l4", "--json", *exports)
        client = rented.start(*command)
        moments.wait(step)
        fault.strike(rented, client, step)
        again = 0
        _, err = client.communicate(timeout=WITHIN_S)
        fault.after(rented)
        while client.returncode != 0:
            assert again < AGAIN, f"not done after {again} more attempts:\n{err}"
            again += 1
            client = rented.start(*command)
            _, err = client.communicate(timeout=WITHIN_S)
        assert bench.steps() == STEPS_TRAINED
        return Verdict(
            _sha(bench.root / "outputs/qa/adapter_model.safetensors"),
            _sha(bench.root / "outputs/qa-merged/model.safetensors") if exports else "",
            again,
            len(rented.pods()),
            time.monotonic() - began,
        )


@contextmanager
def _mounts(rented: Rented) -> Iterator[None]:
    try:
        yield
    finally:
        rented.machines.close()
        if rented.volume.is_mount():
            subprocess.run(["umount", "-l", str(rented.volume)], check=True)


def _sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
