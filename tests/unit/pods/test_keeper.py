"""The keeper of a lease: a real process, against an API on loopback that plays what goes wrong."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from millhand.errors import MillhandError
from millhand.pods.lease import PodLease, Terms, boot_argv, boot_env
from millhand.shell import Command
from millhand.workspace import STATE
from tests.patience import wait_until
from tests.unit.pods.tenancy import (
    HOUR,
    KEY,
    MAKE_WEIGHTS,
    TRAIN,
    Api,
    Tenant,
    api,
    tenant,
)

__all__ = ["api", "tenant"]


def test_a_deadline_ends_the_pod_however_often_the_api_fails(tenant: Tenant, api: Api) -> None:
    api.script = [500, 0, 429, 204]
    lease = tenant.arm(hours=2 * HOUR)
    wait_until(lambda: lease.state().phase == "ended")
    path = f"/v2/pods/{tenant.id}"
    assert api.ends == [("DELETE", path, {})] * 3 + [("POST", f"{path}/action", {"action": "terminate"})]
    assert set(api.keys) == {f"Bearer {KEY}"}
    state = lease.state()
    assert (state.why, state.fault, state.armed, state.alive) == ("deadline", "", False, True)


def test_what_the_api_refuses_is_asked_in_the_other_way(tenant: Tenant, api: Api) -> None:
    api.script = [409, 403, 204]
    lease = tenant.arm(hours=1 * HOUR)
    wait_until(lambda: lease.state().phase == "ended")
    assert [method for method, *_ in api.ends] == ["DELETE", "POST", "DELETE"]


def test_an_api_that_is_away_is_waited_for(tenant: Tenant, api: Api) -> None:
    api.down = True
    lease = tenant.arm(hours=1 * HOUR)
    wait_until(lambda: lease.state().fault)
    assert lease.state().phase == "ending"
    api.down = False
    wait_until(lambda: lease.state().phase == "ended")


@pytest.mark.parametrize("ahead_s", [86400.0, -86400.0])
def test_the_absolute_deadline_goes_by_the_servers_clock(tenant: Tenant, api: Api, ahead_s: float) -> None:
    api.ahead_s = ahead_s
    lease = tenant.arm(hours=1.0, deadline_epoch_s=time.time() + ahead_s + 3)
    wait_until(lambda: api.ends, within_s=10)
    assert lease.state().clock_offset_s == pytest.approx(ahead_s, abs=2)
    assert lease.state().why == "deadline"


def test_a_clock_set_wrong_does_not_end_a_lease_that_has_time(tenant: Tenant, api: Api) -> None:
    api.ahead_s = 86400
    lease = tenant.arm(hours=1.0, deadline_epoch_s=time.time() + 86400 + 3600)
    assert lease.state().left_s == pytest.approx(3600, abs=5)


def test_what_the_pod_costs_ends_it(tenant: Tenant, api: Api) -> None:
    lease = tenant.arm(hours=9.0, usd_per_hour=3600.0, spend_usd=3.0)
    assert lease.state().limit == "spend"
    wait_until(lambda: api.ends)
    assert lease.state().why == "spend"
    assert lease.state().spent_usd == pytest.approx(3, abs=1.5)


def test_a_killed_keeper_is_followed_by_one_that_goes_on(tenant: Tenant) -> None:
    first = tenant.arm(hours=1.0, usd_per_hour=3600.0).state()
    tenant.kill()
    dead = tenant.lease(hours=1.0, usd_per_hour=3600.0).state()
    assert (dead.alive, dead.armed) == (False, False)
    time.sleep(1)
    second = tenant.arm(hours=1.0, usd_per_hour=3600.0).state()
    assert second.armed_s == first.armed_s
    assert second.held_s >= first.held_s + 1
    assert second.spent_usd >= first.spent_usd + 1
    assert (second.keepers, second.boots, second.restarts) == (2, 1, ())


def test_a_container_restart_is_seen_and_gives_no_new_deadline(tenant: Tenant) -> None:
    tenant.arm(hours=1.0)
    tenant.kill()
    boot = tenant.state()["boot"].partition("/")[0] + "/0"
    tenant.change(boot=boot, uptime_s=tenant.state()["uptime_s"] - 600)
    state = tenant.arm(hours=1.0).state()
    assert (state.boots, len(state.restarts)) == (2, 1)
    assert state.left_s == pytest.approx(3000, abs=10)


def test_where_the_volume_is_gone_the_deadline_of_the_environment_holds(tenant: Tenant) -> None:
    soon = time.time() + 1200
    tenant.arm(hours=1.0, deadline_epoch_s=soon, usd_per_hour=3.0)
    tenant.kill()
    for path in tenant.folder.iterdir():
        path.unlink()
    lease = tenant.arm(hours=1.0, deadline_epoch_s=soon, usd_per_hour=3.0)
    wait_until(lambda: lease.state().clock_offset_s is not None)
    wait_until(lambda: lease.state().left_s == pytest.approx(1200, abs=10))
    assert lease.state().spent_usd == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize("damage", ["", "[]", '{"pod": 3}', '{"phase": "held", "boot": 3}'])
def test_a_damaged_state_is_no_state(tenant: Tenant, damage: str) -> None:
    tenant.folder.mkdir(parents=True)
    (tenant.folder / "lease.json").write_text(damage.replace("3", json.dumps(tenant.id)))
    assert tenant.arm().state().left_s == pytest.approx(3600, abs=5)


def test_an_idle_pod_is_ended_and_a_busy_one_is_not(tenant: Tenant, api: Api) -> None:
    job = tenant.start("import time; time.sleep(6)")
    lease = tenant.arm(idle_minutes=1 / 60, storage="network")
    wait_until(lambda: "job train" in lease.state().active)
    wait_until(lambda: not job.status().alive)
    assert not api.ends
    wait_until(lambda: api.ends)
    assert lease.state().why == "idle"


def test_a_client_at_work_keeps_a_pod(tenant: Tenant, api: Api) -> None:
    lease = tenant.arm(idle_minutes=5 / 60, storage="network")
    for _ in range(4):
        lease.beat()
        time.sleep(2)
    assert not api.ends
    wait_until(lambda: api.ends)


def test_an_idle_pod_is_kept_until_what_it_made_is_elsewhere(tenant: Tenant, api: Api) -> None:
    job = tenant.start(MAKE_WEIGHTS, output="outputs/a")
    wait_until(lambda: not job.status().alive)
    lease = tenant.arm(idle_minutes=1 / 60)
    wait_until(lambda: lease.state().undelivered == ("train",))
    time.sleep(4)
    assert not api.ends
    with pytest.raises(MillhandError, match="no job 'other'"):
        lease.delivered("other")
    lease.delivered("train")
    wait_until(lambda: api.ends)


def test_what_was_delivered_before_a_job_began_anew_is_not_delivered(tenant: Tenant) -> None:
    job = tenant.start(MAKE_WEIGHTS, output="outputs/a")
    wait_until(lambda: not job.status().alive)
    lease = tenant.arm()
    lease.delivered("train")
    wait_until(lambda: lease.state().safe)
    job = tenant.start("pass", output="outputs/a")
    wait_until(lambda: not job.status().alive)
    wait_until(lambda: not lease.state().safe)


def test_a_disk_that_a_stop_keeps_is_not_thrown_away_with_what_is_on_it(tenant: Tenant, api: Api) -> None:
    job = tenant.start(MAKE_WEIGHTS, output="outputs/a")
    wait_until(lambda: not job.status().alive)
    api.script = [409, 409, 409, 409, 204]
    lease = tenant.arm(hours=4 * HOUR, storage="persistent", grace_s=0.0)
    wait_until(lambda: lease.state().phase == "ended", within_s=60)
    assert [body for _, _, body in api.ends] == [{"action": "stop"}] * 5


def test_a_pod_that_cannot_be_stopped_is_terminated_when_nothing_is_lost(tenant: Tenant, api: Api) -> None:
    api.script = [400, 400, 400, 204]
    lease = tenant.arm(hours=1 * HOUR, storage="network", end_action="stop")
    wait_until(lambda: lease.state().phase == "ended")
    asked = [body.get("action", method) for method, _, body in api.ends]
    assert asked == ["stop", "stop", "stop", "DELETE"]


def test_jobs_save_before_the_deadline_and_the_pod_ends_then(tenant: Tenant, api: Api) -> None:
    job = tenant.start(TRAIN)
    wait_until(lambda: b"up" in job.log())
    lease = tenant.arm(hours=16 * HOUR, storage="network")
    wait_until(lambda: api.ends)
    assert (tenant.root / "saved").exists()
    assert job.status().exit_code == 0
    assert job.read(f"{STATE}/jobs/train/stop.heard").endswith(b" deadline")
    assert lease.state().why == "deadline"


def test_an_order_gives_more_time_and_one_ends_the_pod(tenant: Tenant, api: Api) -> None:
    lease = tenant.arm(hours=9 * HOUR, grace_s=0.0)
    assert lease.extend(hours=2.0, spend_usd=5.0).left_s == pytest.approx(7200, abs=5)
    with pytest.raises(MillhandError, match="hours cannot be -1"):
        lease.extend(hours=-1)
    time.sleep(9)
    assert not api.ends
    lease.end()
    wait_until(lambda: api.ends)
    assert lease.state().why == "order"


def test_an_order_that_nobody_takes_is_said_so(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    lease = tenant.lease()
    with pytest.raises(MillhandError, match="no keeper took the order"):
        lease.extend(hours=1)


def test_what_an_order_said_holds_after_a_restart(tenant: Tenant) -> None:
    tenant.arm(hours=1.0).extend(hours=5)
    tenant.kill()
    assert tenant.arm(hours=1.0).state().left_s == pytest.approx(5 * 3600, abs=10)


def test_a_pod_started_again_after_its_lease_waits_for_a_new_one(tenant: Tenant, api: Api) -> None:
    lease = tenant.arm(hours=1 * HOUR)
    wait_until(lambda: lease.state().phase == "ended")
    tenant.kill()
    tenant.change(boot=tenant.state()["boot"].partition("/")[0] + "/0")
    asked = len(api.ends)
    state = tenant.arm(hours=1 * HOUR).state()
    assert state.revived
    assert state.left_s == pytest.approx(900, abs=5)
    assert lease.extend(hours=1.0).left_s == pytest.approx(3600, abs=5)
    assert len(api.ends) == asked


def test_one_keeper_holds_a_lease(tenant: Tenant) -> None:
    first = tenant.arm()
    tenant.arm()
    assert len(tenant.pids) == 1
    second = tenant.pod.run(
        Command(
            boot_argv(sys.executable),
            {**boot_env(Terms(hours=1, volume=str(tenant.root))), "RUNPOD_POD_ID": tenant.id},
        ),
        timeout_s=30,
    )
    assert (second.code, "another one holds" in second.stderr) == (0, True)
    assert first.state().keepers == 1


def test_a_volume_that_hangs_holds_up_no_lease(tenant: Tenant, api: Api) -> None:
    tenant.folder.mkdir(parents=True)
    os.mkfifo(tenant.folder / "lease.json")  # whoever opens it waits for ever
    said = boot_env(Terms(hours=1 * HOUR, volume=str(tenant.root), api_url=api.url))
    env = {**os.environ, **said, "RUNPOD_POD_ID": tenant.id, "RUNPOD_API_KEY": KEY}
    pid = os.posix_spawn(sys.executable, boot_argv(sys.executable), env)
    try:
        wait_until(lambda: api.ends)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_a_lease_that_nobody_could_end_is_not_armed(tenant: Tenant) -> None:
    lease = tenant.lease(key="")
    with pytest.raises(MillhandError, match="no key of its own"):
        lease.arm()
    tenant.pids.add(lease.state().pid or 0)


@pytest.mark.parametrize("said", ["", "Welcome!", '{"armed": "perhaps"}'])
def test_what_is_no_state_of_a_lease_is_an_error(tenant: Tenant, said: str) -> None:
    python = tenant.root / "python"
    python.write_text(f"#!/bin/sh\necho '{said}'\n")
    python.chmod(0o755)
    with pytest.raises(MillhandError, match="did not answer with the state of a lease") as caught:
        PodLease(tenant.pod, tenant.id, Terms(hours=1), python=str(python)).arm()
    assert "millhand down" in caught.value.mend


def test_the_key_goes_to_the_api_alone(tenant: Tenant, api: Api) -> None:
    api.script = [307, 204]
    lease = tenant.arm(hours=2 * HOUR)
    arguments = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    wait_until(lambda: lease.state().phase == "ended")
    assert not [path for _, path, _ in api.ends if "elsewhere" in path]
    files = [path.read_bytes() for path in tenant.root.rglob("*") if path.is_file()]
    assert not [text for text in [*arguments, *files] if KEY.encode() in text]
    with pytest.raises(MillhandError, match="must be https"):
        tenant.lease(api_url="http://api.example.com/v2").arm()
