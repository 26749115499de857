"""``millhand up`` and ``down``: rent a pod of a pod file, and end it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from millhand.cli.output import (
    ask_first,
    json_option,
    print_facts,
    print_json,
    print_table,
    say,
    show_error,
)
from millhand.cli.pods import releaser_if_rented

if TYPE_CHECKING:
    from millhand.errors import MillhandError
    from millhand.pods.podfile import RunPodSpec
    from millhand.pods.runpod.prospect import Prospect
    from millhand.runs.live import Live
    from millhand.runs.release import Released
    from millhand.runs.renting import RentedPod, Renting

UP_EPILOG = """\b
Examples:
  millhand up l4 --dry-run       what is free now, what it costs, when it would end
  millhand up l4                 the same, asks, then rents and waits
  millhand up l4 --yes

POD is a file of runpod/: l4, runpod/l4 and runpod/l4.yaml mean the same."""
DOWN_EPILOG = """\b
Examples:
  millhand down                  the pod, where there is one
  millhand down l4               that of a pod file, a run, or a pod's own name
  millhand down l4 --now         also while a run trains on it, which saves first
  millhand down l4 --stop        keep its disk, where it has one
  millhand down --all"""


@click.command(epilog=UP_EPILOG)
@click.argument("pod", metavar="POD")
@click.option("--dry-run", is_flag=True, help="Show the priced plan, rent nothing.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask; also make the network volume if it is missing.")
@json_option
def up(pod: str, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Rent what a pod file describes and wait until it can be used; a pod that is there is used again.

    The pod ends by itself when its lease is over, whatever becomes of this computer; one that would not is
    ended at once.
    """
    from millhand.runs.arming import arm
    from millhand.runs.release import Releaser
    from millhand.runs.tidy import tidy

    renting = _renting(pod)
    releaser = Releaser(renting.account, renting.ledger, say)
    if not dry_run:
        tidy(releaser, renting.owner)
    there = None if dry_run else renting.there()
    if there is None:
        plan = renting.plan()
        if dry_run:
            _show_plan(renting.spec, plan, as_json=as_json)
            return
        tell_plan(renting.spec, plan)
        if plan.candidates and not yes:
            ask_first("Rent it?")
    with _reminded(renting):
        rented = renting.rent(make=True)
        arm(renting.workspace, rented, folder=renting.workspace_there, releaser=releaser)
    _show_pod(rented, as_json=as_json)


@contextmanager
def _reminded(renting: Renting) -> Iterator[None]:
    """Say what is billed on where the wait for a pod is broken off, with Ctrl-C too."""
    from millhand.runs.billed import billed, billed_on

    try:
        yield
    except BaseException:
        for entry in billed(renting.workspace, renting.pod_file.name):
            if entry.owner == renting.owner:
                say(billed_on(entry))
        raise


@click.command(epilog=DOWN_EPILOG)
@click.argument("pod", metavar="[POD]", default="")
@click.option("--all", "all_", is_flag=True, help="All that POD means; without it all of this workspace.")
@click.option("--stop", is_flag=True, help="Stop it: its own disk is kept and billed, its GPU given back.")
@click.option("--lose", is_flag=True, help="Also where what lies on it is lost with it.")
@click.option(
    "--now", is_flag=True, help="Also where something runs on it: runs save first, if that is kept."
)
@json_option
@click.pass_context
def down(ctx: click.Context, pod: str, all_: bool, stop: bool, lose: bool, now: bool, as_json: bool) -> None:
    """End a rented pod, wait until RunPod says so, and say what it cost.

    What runs on it is told first, and asked about. A pod whose data would be lost is refused. A pod that is
    not in this workspace's ledger is never touched.
    """
    from millhand.errors import MillhandError
    from millhand.runs.ending import Ending, chosen
    from millhand.workspace import find_workspace

    releaser = releaser_if_rented()
    if releaser is None:
        _show_none(pod, as_json=as_json)
        return
    found = chosen(releaser, pod, every=all_)
    ending = Ending(find_workspace(), releaser, stop=stop, lose=lose)
    live = ending.live(found)
    _tell_live(live, now=now)
    done: list[Released] = []
    failed: list[tuple[str, MillhandError]] = []
    for entry in found:
        try:
            done.append(ending.end(entry, live))
        except MillhandError as error:  # the others are to be ended all the same
            failed.append((entry.name, error))
            say(f"{entry.name}: {error}")
    _show_ended(done, failed, as_json=as_json)
    if failed:
        ctx.exit(failed[0][1].exit_code)
    if not done and not as_json:
        say("There is no such pod any more." if pod else "No pod is rented.")


def _show_none(pod: str, *, as_json: bool) -> None:
    """Say that nothing was ever rented.

    Raises:
        UsageError: A pod was named.
    """
    from millhand.errors import UsageError

    if pod:
        raise UsageError(
            f"No pod {pod!r} is in this workspace's ledger.", mend="Nothing was ever rented from it."
        )
    _show_ended([], [], as_json=as_json)
    if not as_json:
        say("No pod is rented.")


def _tell_live(live: list[Live], *, now: bool) -> None:
    """Say what runs on the pods that are to end; go on when that is agreed to.

    Raises:
        UsageError: Nobody is there to answer.
        click.Abort: The answer is no.
    """
    from millhand.errors import UsageError

    for one in live if now else ():
        say(f"{one}")
    if now or not live:
        return
    told = " ".join(str(one) for one in live)
    try:
        ask_first(f"{told}\nEnd it all the same (a run saves first, where that outlives the pod)?")
    except UsageError as error:
        mend = "`--now` ends it all the same: a run saves a checkpoint first, where that outlives the pod."
        raise UsageError(f"{told} Nothing was ended.", mend=mend) from error


def _show_ended(done: list[Released], failed: list[tuple[str, MillhandError]], *, as_json: bool) -> None:
    """Say what was ended; where one could not be, it is one JSON document all the same."""
    for one in done if not as_json else ():
        click.echo(_told(one))
    if failed:
        faults = [{"pod": name, "error": error.message, "mend": error.mend} for name, error in failed]
        answer = {"done": [asdict(one) for one in done], "failed": faults}
        show_error(failed[0][1], as_json=as_json, answer=answer)
    elif as_json:
        print_json([asdict(one) for one in done])


def _renting(pod: str) -> Renting:
    from millhand.errors import UsageError
    from millhand.pods.podfile import RunPodSpec, find_pod
    from millhand.pods.runpod.client import open_account
    from millhand.runs.renting import Renting
    from millhand.runs.there import folder_there
    from millhand.workspace import find_workspace

    workspace = find_workspace()
    found = find_pod(workspace, pod)
    if not isinstance(found.spec, RunPodSpec):
        raise UsageError(f"{found.name} is {found.spec.kind}: nothing is rented for it.")
    folder = folder_there(workspace, found)
    return Renting(workspace, open_account(workspace, say), found, say, workspace_there=folder)


def _show_plan(spec: RunPodSpec, plan: Prospect, *, as_json: bool) -> None:
    if as_json:
        candidates = [
            {"gpu": c.gpu, "cloud": c.cloud, "data_center": c.data_center, "usd_per_hour": c.usd_per_hour,
             "stock": c.stock}
            for c in plan.candidates
        ]  # fmt: skip
        told = {"passed_over": plan.passed_over, "most_usd": plan.most_usd}
        volume = {"volume_to_make": plan.to_make, "volume_usd_per_month": plan.monthly_usd}
        lease = {"hours": spec.lease.hours, "spend_usd": spec.lease.spend_usd}
        limits = {"lease": {**lease, "idle_minutes": spec.lease.idle_minutes, "end": spec.end_action}}
        print_json({"candidates": candidates, **told, **volume, **limits})
        return
    rows = [
        (index, c.gpu, c.cloud.lower(), c.data_center or "any", c.stock.lower(), f"{c.usd_per_hour:.3f}")
        for index, c in enumerate(plan.candidates, 1)
    ]
    print_table("Asked for in this order", ("", "GPU", "cloud", "data centre", "stock", "$/h"), rows)
    for line in _limits(spec, plan):
        say(line)


def _limits(spec: RunPodSpec, plan: Prospect) -> list[str]:
    lease, lines = spec.lease, [f"Passed over: {note}." for note in plan.passed_over]
    lines.append(
        f"It ends by itself ({spec.end_action}) after {lease.hours:g} h, at ${lease.spend_usd:.2f}, or "
        f"idle for {lease.idle_minutes:g} min. The most that it can cost: ${plan.most_usd:.2f}."
    )
    if spec.volume:
        does = "is not there yet and would be made" if plan.to_make else "is there"
        price = f"${plan.monthly_usd:.2f} a month until it is deleted"
        lines.append(f"The network volume {spec.volume.name} {does}: {price}.")
    return lines


def tell_plan(spec: RunPodSpec, plan: Prospect) -> None:
    """The plan in a few lines."""
    for candidate in plan.candidates[:3]:
        say(f"{candidate.shown}: ${candidate.usd_per_hour:.2f} an hour ({candidate.stock.lower()} stock)")
    for line in _limits(spec, plan):
        say(line)


def _show_pod(pod: RentedPod, *, as_json: bool) -> None:
    entry = pod.entry
    facts: dict[str, Any] = {
        "pod": entry.name,
        "gpu": entry.gpu,
        "where": f"{entry.cloud.lower()}, {entry.data_center}",
        "usd_per_hour": entry.hourly_usd,
        "host": pod.host,
        "port": pod.port,
        "user": pod.user,
        "key": str(pod.key),
        "host_keys": list(pod.host_keys),
        "folder": pod.folder,
        "deadline_s": entry.terms.deadline_epoch_s,
    }
    if as_json:
        print_json(facts)
        return
    ends = time.strftime("%Y-%m-%d %H:%M", time.localtime(facts.pop("deadline_s")))
    shown = {"host_keys": " ".join(pod.host_keys), "usd_per_hour": f"{entry.hourly_usd:.3f}"}
    print_facts({**facts, **shown, "ends_at_the_latest": ends})
    say(f"It is billed until its lease ends it, or `millhand down {entry.pod_file}` does.")


def _told(one: Released) -> str:
    if one.action == "gone":
        return f"{one.pod} is gone; it had run {one.hours:.2f} h for ${one.spent_usd:.2f}."
    return f"{one.pod} is {one.action}: {one.hours:.2f} h, ${one.spent_usd:.2f}."
