"""Whatever happens in whatever order: one pod an owner, none unknown, none left, no stranger touched."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from millhand.errors import MillhandError
from millhand.pods.podfile import find_pod
from millhand.pods.runpod.client import RunPod
from millhand.runs.pod_ledger import open_pod_ledger
from millhand.runs.reap import reap
from millhand.runs.release import Releaser
from millhand.runs.renting import Renting
from millhand.runs.tidy import tidy
from millhand.shell import Secret
from millhand.workspace import create_workspace
from tests.runpod_fake import FakePod, FakeRunPod, serving
from tests.runpod_fake.fixtures import POD_FILE, waits

OWNERS = st.sampled_from(["qa-1", "qa-2", ""])
HOWS = st.sampled_from(["answer", "cut", "answer-after", "cut-after"])
CALLS = st.sampled_from([("POST", "/pods"), ("DELETE", "/pods/.*"), ("GET", "/pods"), ("GET", "/pods/.*")])


class PodLife(RuleBasedStateMachine):
    """Commands, faults and time against one account."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.folder = Path(tempfile.mkdtemp())
        self.stack.callback(shutil.rmtree, self.folder)
        self.workspace, _ = create_workspace(self.folder / "ws")
        self.fake = FakeRunPod()
        self.fake.balance_usd, self.fake.log_hold_s = 1e9, 0.02
        self.url = self.stack.enter_context(serving(self.fake))
        self.account = RunPod(self.url, Secret(self.fake.key), waits(self.fake))
        self.releaser = Releaser(self.account, open_pod_ledger(self.workspace), [].append)
        self.strangers: list[FakePod] = []

    @initialize(disk=st.sampled_from(["volume: {name: millhand, size_gb: 100}", "persistent_gb: 20"]))
    def lay_down(self, disk: str) -> None:
        text = POD_FILE.replace("volume: {name: millhand, size_gb: 100}", disk)
        (self.workspace.root / "runpod" / "l4.yaml").write_text(text, encoding="utf-8")
        self.fake.add_volume("millhand", 100, "US-KS-2")

    @rule(owner=OWNERS)
    def rent(self, owner: str) -> None:
        self.attempt(
            Renting(self.workspace, self.account, find_pod(self.workspace, "l4"), [].append, run=owner).rent
        )

    @rule(stop=st.booleans(), lose=st.booleans())
    def release(self, stop: bool, lose: bool) -> None:
        for entry in self.releaser.ledger.entries(alive=True):
            self.attempt(lambda e=entry: self.releaser.release(e, stop=stop, lose=lose))

    @rule()
    def reap(self) -> None:
        self.attempt(lambda: reap(self.releaser))

    @rule(owner=OWNERS)
    def tidy(self, owner: str) -> None:
        tidy(self.releaser, owner)  # it raises nothing, whatever goes wrong

    @rule(times=st.integers(1, 3))
    def not_known(self, times: int) -> None:
        self.fake.fault("GET", "/pods/[^/]+", status=404, times=times)

    @rule(hours=st.sampled_from([0.1, 1.0, 5.0]))
    def wait(self, hours: float) -> None:
        self.fake.clock.advance(hours * 3600)

    @rule(call=CALLS, how=HOWS, times=st.sampled_from([1, 3, 12]))
    def fault(self, call: tuple[str, str], how: Any, times: int) -> None:
        self.fake.fault(*call, how=how, status=503, times=times)

    @rule(seconds=st.sampled_from([30.0, 90.0, 600.0]), how=HOWS)
    def outage(self, seconds: float, how: Any) -> None:
        self.fake.outage(seconds, how)

    @rule()
    def heal(self) -> None:
        self.fake.faults.clear()
        self.fake.outage_until_s = 0.0

    @rule(what=st.sampled_from(["terminate", "restart", "stop"]))
    def happens(self, what: str) -> None:
        for pod in self.mine()[:1]:
            if self.fake.status(pod) == "RUNNING" or what == "terminate":
                getattr(self.fake, what)(pod)

    @rule(fate=st.sampled_from(["well", "old-driver", "stuck"]))
    def hosts(self, fate: Any) -> None:
        self.fake.fates["US-KS-2"] = fate

    @rule()
    def stranger(self) -> None:
        names = [entry.name for entry in self.releaser.ledger.entries()] or ["millhand-qa-1-00000000"]
        self.strangers.append(self.fake.plant(f"{names[-1]}-2"))

    @invariant()
    def strangers_live(self) -> None:
        assert all(not pod.gone and not pod.stopped for pod in self.strangers)

    @invariant()
    def every_pod_is_written_down(self) -> None:
        names = {entry.name for entry in self.releaser.ledger.entries()}
        assert {pod.name for pod in self.mine()} <= names

    def mine(self) -> list[FakePod]:
        return [pod for pod in self.fake.pods.values() if pod not in self.strangers]

    def attempt(self, call: Any) -> None:
        with suppress(MillhandError):
            call()

    def teardown(self) -> None:
        try:
            self.heal()
            self.fake.fates.clear()
            reap(self.releaser)  # what was not known for a while is the ledger's again
            for entry in self.releaser.ledger.entries(alive=True):
                self.releaser.release(entry, lose=True)
            reap(self.releaser)
            assert self.mine() == []
            self.strangers_live()
        finally:
            self.stack.close()


TestPodLife = PodLife.TestCase
TestPodLife.settings = settings(max_examples=12, stateful_step_count=15, deadline=None)
