"""What a command does first, in passing: it ends the ledger's pods that should be over.

A pod whose container never ran has no keeper, and its client may be gone. Nobody need think of `reap` for it.
"""

from __future__ import annotations

import dataclasses

from millhand.errors import MillhandError
from millhand.runs.pod_ledger import PodEntry
from millhand.runs.reap import Reaped, reason, settle
from millhand.runs.release import Releaser

WITHIN_S = 20.0


def tidy(releaser: Releaser, *owners: str) -> None:
    """End what is over, to be ended, or waited for by nobody, and say so. It never fails.

    It asks about pods of the ledger only, one request where none is due, and begins nothing more after
    :data:`WITHIN_S` seconds. What a pod has cost is left to its keeper, and to `reap`.

    Args:
        owners: For whom the command is about to use a pod: theirs is waited for again, by it.
    """
    try:
        alive = releaser.ledger.entries(alive=True)
        if alive:
            hurried = dataclasses.replace(releaser, account=releaser.account.hurried(WITHIN_S))
            _end_the_due(hurried, alive, owners)
    except MillhandError:
        return  # the command itself is about to hear that ledger or API do not answer


def _end_the_due(releaser: Releaser, alive: list[PodEntry], owners: tuple[str, ...]) -> None:
    clock = releaser.account.waits.now
    until, now_s = clock() + WITHIN_S, releaser.account.server_time_s()
    for entry in alive:
        waited_for = entry.owner in owners and entry.state in ("intended", "rented")
        stays_stopped = entry.state == "stopped" and not entry.safe
        if not waited_for and not stays_stopped and (why := reason(entry, now_s, spend=False)):
            late = Reaped(entry.name, "failed", "RunPod is slow.", 0.0)
            _say(releaser, settle(releaser, entry, spend=False) if clock() < until else late, why)


def _say(releaser: Releaser, done: Reaped | None, due: str) -> None:
    if done is None or done.action == "gone":
        return
    if done.left:
        told = f"{done.pod} should be over ({due}) and may be billed on: {done.why}"
        releaser.say(f"{told} `millhand reap` tries for longer.")
    else:
        releaser.say(f"{done.pod} is {done.action}: {done.why}.")
