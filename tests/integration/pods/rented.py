"""A workspace whose pods are rented at the fake RunPod and are loopback sshds with the real trainer."""

from __future__ import annotations

import getpass
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.integration.conftest import Bench
from tests.patience import WITHIN_S
from tests.runpod_fake.clock import Clock
from tests.runpod_fake.processes import SshdMachines
from tests.runpod_fake.server import serving
from tests.runpod_fake.state import FakePod, FakeRunPod

POD_FILE = """\
kind: runpod
gpus: [NVIDIA L4, NVIDIA GeForce RTX 4090]
clouds: [secure]
image: runpod/pytorch:1.0.2-cu1281-torch280-ubuntu2404
max_usd_per_hour: 0.8
volume: {{name: millhand, size_gb: 100, path: {volume}}}
python: {python}
lease: {{hours: {hours}, spend_usd: 5, idle_minutes: {idle}}}
"""


@dataclass
class Rented:
    """A bench, the account and the machines behind it."""

    bench: Bench
    account: FakeRunPod
    machines: SshdMachines
    volume: Path
    url: str
    told: list[str] = field(default_factory=list)

    @property
    def env(self) -> dict[str, str]:
        """What a user has in .env."""
        return {"RUNPOD_API_URL": self.url, "RUNPOD_API_KEY": self.account.key}

    def pod_file(self, *, hours: float = 2, idle: float = 20) -> None:
        """Write runpod/l4.yaml."""
        text = POD_FILE.format(volume=self.volume, python=sys.executable, hours=hours, idle=idle)
        (self.bench.root / "runpod" / "l4.yaml").write_text(text)

    def start(self, *arguments: str) -> Any:
        """Start ``millhand ARGUMENTS``."""
        return self.bench.start(*arguments, **self.env)

    def call(self, *arguments: str, code: int = 0) -> tuple[str, str]:
        """Run ``millhand ARGUMENTS`` to its end."""
        return self.bench.call(*arguments, code=code, **self.env)

    def train(self, *options: str) -> Any:
        """``millhand train qa --pod l4 --json``."""
        out, err = self.call("train", "qa", "--pod", "l4", "--json", *options)
        self.told.append(err)
        return json.loads(out)

    def there(self) -> Path:
        """The workspace's folder on the volume."""
        [folder] = (self.volume / "millhand").iterdir()
        return folder

    def wait(self, condition: Callable[[], bool], within_s: float = WITHIN_S) -> None:
        """Wait until something holds."""
        self.bench.wait(condition, within_s)

    def wait_for_step(self, step: int) -> None:
        """Wait until the trainer on the pod has logged ``step``."""

        def reached() -> bool:
            logs = list(self.volume.glob("millhand/*/outputs/qa/trainer_log.jsonl"))
            lines = logs[0].read_text().splitlines() if logs else []
            return any(json.loads(line)["current_steps"] >= step for line in lines if line.endswith("}"))

        self.wait(reached)

    def pods(self) -> list[FakePod]:
        """What is rented and billed now."""
        return list(self.account.pods.values())

    def job(self, name: str) -> int:
        """The process id of a job on the pod."""
        state = self.there() / f".millhand/jobs/{name}/state.json"
        self.wait(lambda: state.is_file() and "pid" in json.loads(state.read_text()))
        return int(json.loads(state.read_text())["pid"])


@contextmanager
def renting(bench: Bench, folder: Path, *, volume: bool = True) -> Iterator[Rented]:
    """The bench with an account at the fake, a pod file ``l4`` and nothing rented."""
    machines = SshdMachines(folder / "machines")
    account = FakeRunPod(Clock(time.time(), 1.0), machines, provision_s=0.1, start_s=0.2, direct_null_s=0.1)
    account.username = getpass.getuser()
    if volume:
        account.add_volume("millhand")
    account.log_hold_s = 0.2
    with serving(account) as url:
        rented = Rented(bench, account, machines, folder / "volume", url)
        rented.pod_file()
        try:
            yield rented
        finally:
            for client in bench.clients:
                client.kill()
            machines.close()
