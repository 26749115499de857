"""From `millhand up` to `millhand down` on real parts: an sshd a pod, its keeper, a fake API on loopback."""

from __future__ import annotations

import getpass
import json
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from millhand.errors import MillhandError
from millhand.pods.podfile import find_pod
from millhand.pods.runpod.client import RunPod
from millhand.pods.ssh.pod import open_ssh_pod
from millhand.runs.arming import address_of, arm
from millhand.runs.pod_ledger import open_pod_ledger
from millhand.runs.release import Releaser
from millhand.runs.renting import RentedPod, Renting, locate
from millhand.shell import Command, Secret
from millhand.workspace import Workspace
from tests.conftest import Millhand
from tests.runpod_fake import Clock, FakeRunPod, serving
from tests.runpod_fake.fixtures import POD_FILE
from tests.runpod_fake.processes import SshdMachines, marked

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="a pod runs Linux"),
    pytest.mark.skipif(shutil.which("sshd", path="/usr/sbin:/usr/bin") is None, reason="no sshd"),
]


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[SshdMachines]:
    made = SshdMachines(tmp_path / "containers")
    yield made
    made.close()


@pytest.fixture
def fake(machines: SshdMachines) -> FakeRunPod:
    made = FakeRunPod(Clock(time.time(), speed=1.0), machines, provision_s=0, start_s=0, direct_null_s=0)
    made.username, made.log_hold_s = getpass.getuser(), 0.3
    made.add_volume("millhand", 100, "US-KS-2")
    return made


@pytest.fixture
def account(fake: FakeRunPod, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunPod]:
    with serving(fake) as url:
        monkeypatch.setenv("RUNPOD_API_URL", url)
        monkeypatch.setenv("RUNPOD_API_KEY", fake.key)
        yield RunPod(url, Secret(fake.key))


@pytest.fixture
def volume(workspace: Workspace, tmp_path: Path) -> Path:
    """The mounted volume; the pod file names it."""
    folder = tmp_path / "volume"
    text = POD_FILE.replace("size_gb: 100}", f"size_gb: 100, path: {folder}}}")
    (workspace.root / "runpod" / "l4.yaml").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def releaser(workspace: Workspace, account: RunPod) -> Releaser:
    return Releaser(account, open_pod_ledger(workspace), [].append)


def rent(workspace: Workspace, account: RunPod, volume: Path) -> RentedPod:
    folder = str(volume / "here")
    return Renting(workspace, account, find_pod(workspace, "l4"), [].append, "qa-1", folder).rent()


def test_up_and_down_on_the_command_line(
    account: RunPod, fake: FakeRunPod, volume: Path, millhand: Millhand
) -> None:
    up = millhand("up", "l4", "--yes", "--json")
    assert up.exit_code == 0, up.output
    facts = json.loads(up.stdout)
    (pod_id,) = fake.pods
    assert marked(pod_id)
    assert len(facts["host_keys"]) == 1
    listed = json.loads(millhand("pods", "--json").stdout)
    assert [row["status"] for row in listed] == ["RUNNING"]
    down = millhand("down", "--json")
    assert [one["action"] for one in json.loads(down.stdout)] == ["terminated"]
    assert (fake.pods, marked(pod_id)) == ({}, [])


def test_a_pod_is_reached_by_its_pinned_key_before_and_after_a_restart(
    workspace: Workspace, account: RunPod, fake: FakeRunPod, volume: Path, releaser: Releaser
) -> None:
    pod = rent(workspace, account, volume)
    state = arm(workspace, pod, folder=str(volume / "here"), releaser=releaser)
    assert (state.armed, state.limit) == (True, "deadline")
    assert said(workspace, pod, volume) == "여기\n"
    account.act(pod.entry.pod_id, "restart")
    again = locate(workspace, account, pod.name, [].append)
    assert (again.port != pod.port, again.host_keys != pod.host_keys) == (True, True)
    assert said(workspace, again, volume) == "여기\n"
    with pytest.raises(MillhandError):
        said(workspace, again_with_old_keys(again, pod), volume)


def test_what_is_started_over_ssh_ends_with_its_container(
    workspace: Workspace, account: RunPod, fake: FakeRunPod, volume: Path, releaser: Releaser
) -> None:
    pod = rent(workspace, account, volume)
    ssh = open_ssh_pod(workspace, pod.name, lambda: address_of(pod), folder=str(volume), python="python3")
    ssh.run(Command(("bash", "-c", "setsid sleep 300 >/dev/null 2>&1 </dev/null &")))
    assert len(marked(pod.entry.pod_id)) >= 3
    ssh.close()
    releaser.release(pod.entry)
    assert marked(pod.entry.pod_id) == []


class Deaf(SshdMachines):
    """Containers in which the keeper does not start: an image without python3."""

    def boot(
        self, pod_id: str, env: Mapping[str, str], args: str, volume_path: str | None
    ) -> tuple[str, int]:
        """Run nothing of what was asked."""
        return super().boot(pod_id, env, "sleep infinity", volume_path)


def test_a_pod_whose_lease_cannot_be_armed_is_ended_at_once(
    account: RunPod, fake: FakeRunPod, volume: Path, tmp_path: Path, millhand: Millhand
) -> None:
    fake.machines = deaf = Deaf(tmp_path / "deaf")
    try:
        up = millhand("up", "l4", "--yes")
        assert up.exit_code == 1
        assert "The lease cannot be armed on the pod" in up.stderr
        assert fake.pods == {}
        assert len(fake.created()) == 1
    finally:
        deaf.close()


def test_a_keeper_that_lives_is_left_when_a_pod_is_armed_again(
    workspace: Workspace, account: RunPod, fake: FakeRunPod, volume: Path, releaser: Releaser
) -> None:
    pod = rent(workspace, account, volume)
    first = arm(workspace, pod, folder=str(volume / "here"), releaser=releaser)
    second = arm(workspace, pod, folder=str(volume / "here"), releaser=releaser)
    assert first.armed_s == second.armed_s
    releaser.release(pod.entry)


def said(workspace: Workspace, pod: RentedPod, volume: Path) -> str:
    ssh = open_ssh_pod(workspace, pod.name, lambda: address_of(pod), folder=str(volume), python="python3")
    try:
        return ssh.run(Command(("echo", "여기"))).check().stdout
    finally:
        ssh.close()


def again_with_old_keys(again: RentedPod, old: RentedPod) -> RentedPod:
    from dataclasses import replace

    return replace(again, host_keys=old.host_keys)


def test_the_key_of_the_account_is_on_no_machine(
    workspace: Workspace, account: RunPod, fake: FakeRunPod, volume: Path, releaser: Releaser, tmp_path: Path
) -> None:
    pod = rent(workspace, account, volume)
    arm(workspace, pod, folder=str(volume / "here"), releaser=releaser)
    for pid in marked(pod.entry.pod_id):
        try:
            seen = Path(f"/proc/{pid}/cmdline").read_bytes() + Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            continue
        assert fake.key.encode() not in seen
    lists = [place / "cmdline" for place in Path("/proc").iterdir() if place.name.isdigit()]
    for place in lists:
        with suppress(OSError):
            assert fake.key.encode() not in place.read_bytes(), place
    for file in (*volume.rglob("*"), *(tmp_path / "containers").rglob("*")):
        if file.is_file():
            assert fake.key.encode() not in file.read_bytes(), file
