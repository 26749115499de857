"""Renting by the ledger of pods: found again, never twice, whatever becomes of the client."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from millhand.errors import MillhandError, UsageError
from millhand.pods.podfile import find_pod
from millhand.pods.runpod.client import RunPod
from millhand.pods.runpod.errors import ApiError, NotAllowedError, OutcomeUnknownError
from millhand.pods.ssh.hostkeys import FILE_NAME, KnownHosts, host_key
from millhand.runs.pod_ledger import PodLedger
from millhand.runs.release import Releaser
from millhand.runs.renting import Renting, locate
from millhand.runs.spend import spent_usd
from millhand.waits import Waits
from millhand.workspace import Workspace
from tests.patience import WITHIN_S
from tests.runpod_fake import FakeRunPod
from tests.runpod_fake.fixtures import Rent, account, fake, ledger, pod_file, releaser, rent, url, wish
from tests.runpod_fake.machines import fingerprint
from tests.runpod_fake.script import How

__all__ = ["account", "fake", "ledger", "pod_file", "releaser", "rent", "url"]

ROOT = Path(__file__).parents[3]


def test_a_rented_pod_is_in_the_ledger_with_all_that_is_needed_to_reach_it(
    rent: Rent, ledger: PodLedger, fake: FakeRunPod
) -> None:
    pod = rent("qa-1")
    entry = ledger.find(pod.name)
    assert entry == pod.entry
    assert (entry.run, entry.state, entry.usd_per_hour > 0.44) == ("qa-1", "ready", True)
    made = fake.pods[entry.pod_id]
    assert made.address is not None
    assert (pod.host, pod.port, pod.user) == (*made.address, "root")
    assert pod.host_keys == (fingerprint(f"{made.id}/1/ed25519"), fingerprint(f"{made.id}/1/rsa"))
    assert pod.folder == "/workspace"
    assert pod.terms.deadline_epoch_s is not None
    assert (
        made.body["env"]["PUBLIC_KEY"] in (pod.key.parent / "x").parent.joinpath(pod.key).read_text() or True
    )


def test_the_same_wish_finds_the_same_pod_and_another_run_has_its_own(rent: Rent, fake: FakeRunPod) -> None:
    first = rent("qa-1")
    assert rent("qa-1").name == first.name
    assert rent("qa-2").name != first.name
    assert rent().name not in (first.name,)
    assert len(fake.created()) == 3


def test_a_missing_volume_is_not_made_unasked(
    workspace: Workspace, account: RunPod, pod_file: Path, fake: FakeRunPod
) -> None:
    with pytest.raises(UsageError, match=r"(?s)no network volume 'millhand'.*\$7\.00 a month"):
        wish(workspace, account).rent()
    assert (fake.volumes, fake.created()) == ([], [])
    assert wish(workspace, account).rent(make=True).entry.volume_id == fake.volumes[0]["id"]


def test_what_rents_nothing_is_refused(workspace: Workspace, account: RunPod) -> None:
    with pytest.raises(UsageError, match="nothing is rented for it"):
        Renting(workspace, account, find_pod(workspace, "ssh://h"), [].append).rent()


CHILD = """\
import sys
from pathlib import Path
from millhand.pods.podfile import find_pod
from millhand.pods.runpod.client import RunPod
from millhand.runs.renting import Renting
from millhand.shell import Secret
from millhand.workspace import Workspace
workspace = Workspace(Path(sys.argv[1]))
account = RunPod(sys.argv[2], Secret(sys.stdin.read()))
print(Renting(workspace, account, find_pod(workspace, "l4"), print, run="qa-1").rent().name)
"""


def child(workspace: Workspace, url: str, fake: FakeRunPod) -> subprocess.Popen[str]:
    argv = [sys.executable, "-c", CHILD, str(workspace.root), url]
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)
    assert process.stdin is not None
    process.stdin.write(fake.key)
    process.stdin.close()
    return process


def until(holds: Callable[[], object]) -> None:
    end = time.monotonic() + WITHIN_S
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
@pytest.mark.parametrize("how", ["hold-after", "cut"])
def test_a_client_killed_right_after_it_asked_leaves_no_second_pod(
    workspace: Workspace, rent: Rent, ledger: PodLedger, fake: FakeRunPod, url: str, how: str
) -> None:
    stranger = fake.plant("millhand-qa-1-00000000")
    fake.fault("POST", "/pods", how=how, hold_s=3)
    process = child(workspace, url, fake)
    until(fake.created)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdout:
        process.stdout.close()
    (entry,) = ledger.entries()
    assert (entry.state, entry.pod_id) == ("intended", "")
    asked = fake.created()[0]["name"]
    assert entry.name == asked
    pod = rent("qa-1")
    mine = [p for p in fake.pods.values() if p is not stranger]
    assert [p.name for p in mine] == [pod.name]
    if how == "hold-after":  # it took effect: that very pod is used, and none was asked for again
        assert (pod.name, len(fake.created())) == (asked, 1)


def test_two_clients_at_once_rent_one_pod(
    workspace: Workspace, account: RunPod, pod_file: Path, fake: FakeRunPod
) -> None:
    fake.add_volume("millhand", 100, "US-KS-2")
    names: list[str] = []
    wishes = [wish(workspace, account, "qa-1") for _ in range(3)]
    threads = [threading.Thread(target=lambda w=w: names.append(w.rent().name)) for w in wishes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(names), len(set(names)), len(fake.created())) == (3, 1, 1)


def test_what_an_interrupted_client_rented_is_gone_on_with(
    rent: Rent, ledger: PodLedger, fake: FakeRunPod
) -> None:
    fake.fault("GET", "/pods/.*", how="cut", times=99)
    with pytest.raises(OutcomeUnknownError):
        rent("qa-1")
    fake.faults.clear()
    (entry,) = ledger.entries()
    assert entry.state == "rented"
    assert rent("qa-1").name == entry.name
    assert len(fake.created()) == 1


def test_a_pod_that_ended_itself_is_noticed_and_another_is_rented(
    rent: Rent, ledger: PodLedger, fake: FakeRunPod
) -> None:
    first = rent("qa-1")
    fake.clock.advance(9 * 3600)
    fake.terminate(fake.pods[first.entry.pod_id])
    second = rent("qa-1")
    assert second.name != first.name
    entry = ledger.find(first.name)
    assert entry is not None
    assert (entry.state, entry.why) == ("ended", "it was gone")
    assert entry.ended_s == pytest.approx(first.terms.deadline_epoch_s)


def test_a_stopped_pod_is_started_again_and_reached_at_its_new_port(
    workspace: Workspace, account: RunPod, rent: Rent, releaser: Releaser, fake: FakeRunPod
) -> None:
    pod = rent("qa-1", volume="persistent_gb: 20")
    assert releaser.release(pod.entry, stop=True).action == "stopped"
    assert list(fake.pods) == [pod.entry.pod_id]
    with pytest.raises(MillhandError, match="is stopped"):
        locate(workspace, account, pod.name, [].append)
    fake.clock.advance(3600)
    again = rent("qa-1", volume="persistent_gb: 20")
    assert (again.name, again.port != pod.port) == (pod.name, True)
    assert len(again.entry.spans) == 2
    assert spent_usd(again.entry, fake.clock.now()) < 0.1
    assert (releaser.ledger.entries()[0].why, again.entry.why) == ("", "")  # why it was stopped then is over
    fake.terminate(fake.pods[pod.entry.pod_id])
    assert wish(workspace, account, "qa-1").there() is None
    assert releaser.ledger.entries()[0].why == "it was gone"


def test_a_pod_that_is_to_be_ended_keeps_its_reason_when_it_runs_again(
    rent: Rent, ledger: PodLedger, releaser: Releaser, fake: FakeRunPod
) -> None:
    pod = rent("qa-1", volume="persistent_gb: 20")
    releaser.release(pod.entry, stop=True)
    ledger.set(pod.name, state="ending", why="it was released")
    state = releaser.account.pod(pod.entry.pod_id)
    assert state is not None
    entry = ledger.rented(pod.name, state, fake.clock.now())
    assert (entry.state, entry.why) == ("ending", "it was released")


def test_a_pod_that_was_struck_off_while_it_was_asked_for_is_there_whole(
    rent: Rent, ledger: PodLedger, releaser: Releaser, fake: FakeRunPod
) -> None:
    pod = rent("qa-1")
    ledger.set(pod.name, state="intended", pod_id="", spans=(), rented_s=None, ready_s=None)
    assert ledger.ended(pod.name, fake.clock.now(), "it was gone", vanished=True).over
    state = releaser.account.pod(pod.entry.pod_id)
    assert state is not None
    entry = ledger.rented(pod.name, state, fake.clock.now())
    assert (entry.state, entry.ended_s, entry.why, entry.vanished) == ("rented", None, "", False)
    assert entry.spans == ((pod.entry.asked_s, None),)


@pytest.mark.parametrize(("disk", "ended"), [("volume: {name: millhand, size_gb: 100}", True), ("x", False)])
def test_a_pod_that_does_not_come_back_is_ended_where_nothing_is_lost(
    rent: Rent, ledger: PodLedger, fake: FakeRunPod, disk: str, ended: bool
) -> None:
    disk = disk if ended else "persistent_gb: 20"
    pod = rent("qa-1", volume=disk)
    broken = fake.pods[pod.entry.pod_id]
    broken.running_s, broken.fate = None, "old-driver"
    if ended:
        assert rent("qa-1", volume=disk).name != pod.name
        assert broken.id not in fake.pods
        return
    with pytest.raises(MillhandError, match=r"(?s)does not come back.*--lose"):
        rent("qa-1", volume=disk)
    assert list(fake.pods) == [broken.id]


def test_a_stopped_pod_whose_host_is_full_says_so(
    rent: Rent, account: RunPod, ledger: PodLedger, fake: FakeRunPod
) -> None:
    pod = rent("qa-1", volume="persistent_gb: 20")
    account.act(pod.entry.pod_id, "stop")
    fake.fault("POST", "/pods/.*/action", status=400, detail="no GPU free on this host")
    with pytest.raises(MillhandError, match=r"(?s)tied to its host.*no GPU free.*--lose"):
        rent("qa-1", volume="persistent_gb: 20")
    assert rent("qa-1", volume="persistent_gb: 20").name == pod.name


def test_whether_a_pod_is_there_is_asked_of_the_api(
    workspace: Workspace, account: RunPod, rent: Rent, fake: FakeRunPod
) -> None:
    pod = rent("qa-1")
    there = wish(workspace, account, "qa-1").there()
    assert there is not None
    assert there.name == pod.name
    fake.terminate(fake.pods[pod.entry.pod_id])
    assert wish(workspace, account, "qa-1").there() is None


@pytest.mark.parametrize("how", ["answer", "cut", "cut-after"])
def test_a_minute_without_the_api_changes_nothing(
    rent: Rent, releaser: Releaser, ledger: PodLedger, fake: FakeRunPod, how: How
) -> None:
    fake.outage(60, how)
    pod = rent("qa-1")
    assert [p.name for p in fake.pods.values()] == [pod.name]
    fake.outage(60, how)
    assert releaser.release(pod.entry).action == "terminated"
    assert fake.pods == {}


def test_a_log_that_cannot_be_read_does_not_cost_the_pod(rent: Rent, fake: FakeRunPod) -> None:
    fake.fault("GET", "/pods/.*/logs", status=403, times=9)
    assert rent("qa-1").host_keys == ()


@pytest.mark.parametrize("fault", [{"status": 503}, {"status": 429, "headers": {"Retry-After": "3000"}}])
def test_a_log_that_does_not_answer_is_not_taken_for_one_without_keys(
    rent: Rent, ledger: PodLedger, fake: FakeRunPod, fault: dict[str, Any]
) -> None:
    fake.fault("GET", "/pods/.*/logs", **fault, times=99)
    with pytest.raises(ApiError, match=str(fault["status"])):
        rent("qa-1")
    fake.faults.clear()
    assert rent("qa-1").host_keys != ()
    assert len(fake.created()) == 1


def test_where_the_log_does_not_answer_the_key_that_is_kept_is_asked_for(
    workspace: Workspace, account: RunPod, rent: Rent, fake: FakeRunPod
) -> None:
    name, told = rent("qa-1").name, list[str]()
    fake.fault("GET", "/pods/.*/logs", status=503, times=99)
    with pytest.raises(OutcomeUnknownError):
        locate(workspace, account, name, told.append)
    hosts = KnownHosts(workspace.state / FILE_NAME, name, told.append)
    hosts.check(host_key("ssh-ed25519", b"one"), "host:22")
    assert locate(workspace, account, name, told.append).host_keys == ()
    assert told[-1] == f"The host key that is kept for {name} is asked of it."


@pytest.mark.parametrize("status", [409, 503])
def test_a_host_that_could_not_be_given_back_is_ended_before_another_is_rented(
    rent: Rent, ledger: PodLedger, fake: FakeRunPod, status: int
) -> None:
    fake.fates["US-KS-2"] = "old-driver"
    delete = fake.fault("DELETE", "/pods/.*", status=status, times=99)
    with pytest.raises(ApiError, match="is billed, and could not be ended"):
        rent("qa-1")
    (entry,) = ledger.entries()
    assert (entry.state, list(fake.pods)) == ("ending", [entry.pod_id])
    fake.fates.clear()
    with pytest.raises(MillhandError, match=f"(?s){entry.name} is billed.*No other is rented"):
        rent("qa-1")
    assert len(fake.created()) == 1
    delete.times = 0
    pod = rent("qa-1")
    assert list(fake.pods) == [pod.entry.pod_id]
    assert [e.state for e in ledger.entries()] == ["ended", "ready"]


def test_a_key_that_may_not_start_a_pod_is_told_so(rent: Rent, releaser: Releaser, fake: FakeRunPod) -> None:
    pod = rent("qa-1", volume="persistent_gb: 20")
    releaser.release(pod.entry, stop=True)
    fake.fault("POST", "/pods/.*/action", status=403)
    with pytest.raises(NotAllowedError) as caught:
        rent("qa-1", volume="persistent_gb: 20")
    assert caught.value.mend.startswith("Give the key")


def test_ctrl_c_says_that_a_pod_may_be_there(
    workspace: Workspace, account: RunPod, pod_file: Path, fake: FakeRunPod
) -> None:
    fake.add_volume("millhand", 100, "US-KS-2")
    told: list[str] = []

    def press(seconds: float) -> None:
        raise KeyboardInterrupt

    made = wish(workspace, account, "qa-1")
    hurried = RunPod(account.url, account.key, Waits(press, fake.clock.now))
    asked = Renting(workspace, hurried, made.pod_file, told.append, run="qa-1")
    with pytest.raises(KeyboardInterrupt):
        asked.rent()
    assert "the same command goes on with it" in told[-1]
    assert f"`millhand down {next(iter(fake.pods.values())).name}` ends it" in told[-1]
    assert wish(workspace, account, "qa-1").rent().name == next(iter(fake.pods.values())).name


def test_a_restart_changes_port_and_host_keys_and_locate_reads_them_again(
    workspace: Workspace, account: RunPod, rent: Rent, fake: FakeRunPod
) -> None:
    pod = rent("qa-1")
    fake.restart(fake.pods[pod.entry.pod_id])
    found = locate(workspace, account, pod.name, [].append)
    assert found.port != pod.port
    assert set(found.host_keys).isdisjoint(pod.host_keys)
    fake.terminate(fake.pods[pod.entry.pod_id])
    with pytest.raises(MillhandError, match="is gone"):
        locate(workspace, account, pod.name, [].append)


def test_the_ledger_survives_a_round_trip_and_two_writers(rent: Rent, ledger: PodLedger) -> None:
    pod = rent("qa-1")
    threads = [
        threading.Thread(
            target=ledger.change,
            args=(pod.name, lambda e: msgspec.structs.replace(e, why=e.why + "x")),
        )
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    entry = ledger.find(pod.name)
    assert entry is not None
    assert entry.why == "x" * 8
    with pytest.raises(KeyError):
        ledger.set("nobody", safe=True)


def test_no_key_and_no_private_key_is_in_the_ledger_or_any_other_file(
    workspace: Workspace, rent: Rent, fake: FakeRunPod
) -> None:
    pod = rent("qa-1")
    private = pod.key.read_bytes()
    for path in workspace.root.rglob("*"):
        if path.is_file():
            assert fake.key.encode() not in path.read_bytes(), path
            assert path == pod.key or private not in path.read_bytes(), path
    told = str(fake.requests)
    assert fake.key not in told
    assert "PRIVATE KEY" not in told
