"""The pod's side of a lease: the process that ends the pod when its lease is over.

It travels: standard library, any Python >= 3.8 on Linux. :mod:`millhand.pods.lease` builds the command
lines; each is one of

::

    hold               hold the lease and end the pod when it runs out (the container's command)
    hold --detach      the same in the background; waits until it is armed, prints `status`
    status             the state, with `alive` (does a keeper hold it) and `now_s`, as JSON
    order JSON         change the lease; waits until the keeper has taken it, prints `status`
    beat               a client is at work: idle counting starts again
    delivered [JOB]    what the job (without one: what was trained by hand) made is verified elsewhere

One keeper a pod: a second `hold` finds the lock taken and leaves. Exit 0; 2: the lease cannot be read;
1: anything else. The reason is one line on stderr.

From the environment, else from that of process 1, else from /etc/rp_environment:

    RUNPOD_POD_ID, RUNPOD_API_KEY    the pod and its own key, which goes to the API and is kept nowhere
    MILLHAND_LEASE                   the lease as JSON; only ``hours`` has no default
        api_url           https://api.runpod.io/v2; plain http only to this machine
        hours             from the first arming on; may be a fraction
        deadline_epoch_s  the same end by the API server's clock (its Date header); null: by hours alone
        spend_usd         what the pod may cost in all, at usd_per_hour; null: no limit
        usd_per_hour      0
        idle_minutes      end so long after the last activity if nothing is lost by it; null: never
        end_action        "terminate", or "stop"
        storage           what outlives the pod: "container" nothing; "persistent" the volume, where it is
                          stopped; "network" the volume, however it ends
        volume            /workspace
        jobs              the folder of the job folders: VOLUME/.millhand/jobs
        grace_s           180: so long before a limit, at most half of the lease, running jobs are asked to
                          save and end
        revive_minutes    15: so long a pod that was started again after its lease waits for a new one

The state is VOLUME/.millhand/lease/POD_ID/lease.json, replaced whole: a network volume is shared, so each
pod has a folder. An order is {"hours": from now on, "spend_usd": in all, "idle_minutes", "usd_per_hour",
"end_action", "end": true for now}, each optional. docs/decisions/0005-lease.md has the reasons.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from millhand.pods.keeper_look import TICK_S, Scout, read_json, uptime, write_json
from millhand.pods.keeper_rules import Keeper
from millhand.pods.keeper_terms import read_lease, setting, state_folder

ARMED_WITHIN_S = 15.0
LOAD_S = 5.0
STATE = "lease.json"


def take_lock(pod: str, *, shared: bool = False, within_s: float = 2.0) -> IO[bytes] | None:
    """The lock of the pod's keeper; None where one lives. Not on the volume, which may be shared."""
    if sys.platform == "win32":
        raise OSError("a pod runs Linux")
    import fcntl

    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    path = f"/tmp/millhand-keeper-{os.getuid()}-{pod}.lock"  # noqa: S108 - one place whatever TMPDIR says
    file = os.fdopen(os.open(path, flags, 0o600), "r+b")
    deadline = time.monotonic() + within_s
    while True:
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() >= deadline:
                file.close()
                return None
            time.sleep(0.02)
        else:
            return file


class Place:
    """The lease that this pod was given, and where its state lies."""

    def __init__(self) -> None:
        self.lease = read_lease(setting("MILLHAND_LEASE") or "null")
        self.pod = setting("RUNPOD_POD_ID")
        self.folder = state_folder(self.lease, self.pod)

    def held(self) -> bool:
        """Whether a keeper lives."""
        lock = take_lock(self.pod, shared=True, within_s=0.0)
        if lock is not None:
            lock.close()
        return lock is None

    def status(self) -> dict[str, Any]:
        """The state, and whether it is enforced: ``armed`` is what a run needs before it starts."""
        alive, state = self.held(), read_json(self.folder / STATE)
        armed = alive and state.get("phase") == "held" and bool(state.get("can_end"))
        return {"pod": self.pod, **state, "alive": alive, "armed": armed, "now_s": time.time()}


def show(place: Place) -> int:
    """Print the status."""
    print(json.dumps(place.status()))
    return 0


def hold(place: Place) -> int:
    """Hold the lease; comes back only where another keeper does."""
    lock = take_lock(place.pod)
    if lock is None:
        print("millhand keeper: another one holds the lease", file=sys.stderr)
        return 0
    with lock:
        _harden()
        scout = Scout(place.folder, Path(place.lease["jobs"]))
        scout.start()
        deadline = time.monotonic() + LOAD_S
        while scout.past is None and time.monotonic() < deadline:  # a volume that hangs holds up no lease
            time.sleep(0.01)
        keeper = Keeper(place.lease, place.pod, scout)
        keeper.take_up(scout.past or {})
        while True:
            _turn(keeper)
            time.sleep(TICK_S)


def _turn(keeper: Keeper) -> None:
    try:
        keeper.tick()
    except Exception as error:  # noqa: BLE001 - whatever breaks here, the pod must still come to its end
        keeper.story["broken"] = type(error).__name__


def _harden() -> None:
    """Outlive the terminal, Ctrl-C and, where the system allows it, the hunt for memory."""
    for name in ("SIGHUP", "SIGINT"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("-900", encoding="ascii")


def hold_detached(place: Place) -> int:
    """Hold the lease in a process of its own; wait until it is armed."""
    began = 0.0 if place.held() else uptime()
    if began and _in_background():
        os._exit(hold(place))
    deadline = time.monotonic() + ARMED_WITHIN_S
    while time.monotonic() < deadline:
        status = place.status()
        if status["alive"] and status.get("uptime_s", 0.0) > began:
            break
        time.sleep(0.05)
    return show(place)


def _in_background() -> bool:
    """Fork; True in the process that stays behind, without a terminal and with nobody's streams."""
    if sys.platform == "win32":
        raise OSError("a pod runs Linux")
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return False
    os.setsid()
    if os.fork():
        os._exit(0)
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(null, stream)
    return True


def order(place: Place, text: str) -> int:
    """Leave the keeper an order and wait for it to be taken."""
    asked = json.loads(text)
    number = os.urandom(8).hex()
    write_json(place.folder / "lease.order.json", {**asked, "id": number})
    deadline = time.monotonic() + ARMED_WITHIN_S
    while time.monotonic() < deadline:
        taken = place.status().get("order", {})
        if taken.get("id") == number:
            fault = taken.get("fault")
            return _say(fault) if fault else show(place)
        time.sleep(0.05)
    return _say("no keeper took the order")


def beat(place: Place) -> int:
    """Note that a client is at work."""
    write_json(place.folder / "client.beat", {"at_ns": time.time_ns()})
    return 0


def delivered(place: Place, job: str = "") -> int:
    """Note that what a job made is verified elsewhere; the note is void when the job starts anew."""
    if not job:
        write_json(place.folder / "delivered.json", {"until_s": time.time()})
        return 0
    folder = Path(place.lease["jobs"], job)
    state = read_json(folder / "state.json")
    if folder.parent != Path(place.lease["jobs"]) or not state:
        return _say(f"there is no job {job!r}")
    write_json(folder / "delivered.json", {"started_s": state.get("started_s"), "at_s": time.time()})
    return 0


def _say(text: str) -> int:
    print(text, file=sys.stderr)
    return 1


def run(words: list[str]) -> int:
    """Run one command."""
    place = Place()
    if words == ["hold", "--detach"]:
        return hold_detached(place)
    command, *rest = words
    commands: dict[str, Callable[..., int]] = {
        "hold": hold,
        "status": show,
        "order": order,
        "beat": beat,
        "delivered": delivered,
    }
    return commands[command](place, *rest)


def main() -> int:
    """Run the command of the command line, its faults as one line."""
    try:
        return run(sys.argv[1:])
    except ValueError as error:
        print(f"millhand keeper: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        return _say(f"millhand keeper: {error}")
