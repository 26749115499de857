"""``millhand pods``, ``cost`` and ``reap``: what is rented, what it costs, what should be over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from millhand.cli.output import json_option, print_json, print_table, say

if TYPE_CHECKING:
    from millhand.runs.release import Releaser
    from millhand.runs.spend import Cost
    from millhand.runs.standing import Standing


def open_releaser() -> Releaser:
    """The workspace's pods and the account that they are in.

    Raises:
        UsageError: No key is set.
    """
    from millhand.pods.runpod.client import open_account
    from millhand.runs.pod_ledger import open_pod_ledger
    from millhand.runs.release import Releaser
    from millhand.workspace import find_workspace

    workspace = find_workspace()
    return Releaser(open_account(workspace, say), open_pod_ledger(workspace), say)


def releaser_if_rented() -> Releaser | None:
    """The same; None where nothing was ever rented: then there is nothing to ask, and no key is needed."""
    from millhand.runs.pod_ledger import open_pod_ledger
    from millhand.workspace import find_workspace

    return open_releaser() if open_pod_ledger(find_workspace()).entries() else None


@click.command(epilog="\b\nExamples:\n  millhand pods\n  millhand pods --all --json")
@click.option("--all", "all_", is_flag=True, help="Also those that are over.")
@json_option
def pods(all_: bool, as_json: bool) -> None:
    """List the pods that this workspace has rented. No other pod of the account is shown or touched.

    Those that `millhand reap` would end by the ledger are ended first, and told.
    """
    from millhand.runs.standing import standing
    from millhand.runs.tidy import tidy

    rows: list[Standing] = []
    releaser = releaser_if_rented()
    if releaser is not None:
        tidy(releaser)
        rows = standing(releaser, everything=all_)
    if as_json:
        print_json(rows)
        return
    if not rows:
        say("No pod is rented. Next: millhand up l4 --dry-run")
        return
    columns = ("pod", "GPU", "status", "age", "$/h", "spent $", "ends in")
    print_table("", columns, [
        (r.pod, _short(r.gpu), r.status.lower(), _span(r.age_h), f"{r.usd_per_hour:.2f}",
         f"{r.spent_usd:.2f}", _span(r.left_h))
        for r in rows
    ])  # fmt: skip


@click.command(epilog="\b\nExamples:\n  millhand cost\n  millhand cost qa-1\n  millhand cost --json")
@click.argument("run", default="")
@json_option
def cost(run: str, as_json: bool) -> None:
    """Show what pods cost (or a RUN's, or a pod file's): expected, by the ledger, and billed by RunPod.

    Those that `millhand reap` would end by the ledger are ended first, and told.
    """
    rows = _costs(run)
    if as_json:
        print_json(rows)
        return
    if not rows:
        say(f"Nothing was rented for {run}." if run else "Nothing was rented yet.")
        return
    columns = ("pod", "GPU", "hours", "expected $", "ledger $", "billed $")
    table = [
        (
            r.pod,
            _short(r.gpu),
            f"{r.hours:.2f}",
            f"{r.expected_usd:.2f}",
            f"{r.ledger_usd:.2f}",
            _money(r.bill_usd),
        )
        for r in rows
    ]
    billed = [r.bill_usd for r in rows if r.bill_usd is not None]
    sums = (f"{sum(r.expected_usd for r in rows):.2f}", f"{sum(r.ledger_usd for r in rows):.2f}")
    print_table("", columns, [*table, ("all", "", "", *sums, f"{sum(billed):.2f}")])
    for r in rows:
        if r.difference:
            say(f"{r.pod}: {r.difference}.")
    say("Network volumes are billed besides, rented or not.")


def _costs(wanted: str) -> list[Cost]:
    """The costs; without a key those of the ledger alone."""
    from millhand.pods.runpod.client import KEY_NAME
    from millhand.runs.pod_ledger import open_pod_ledger
    from millhand.runs.spend import reconcile
    from millhand.runs.tidy import tidy
    from millhand.workspace import find_workspace

    workspace = find_workspace()
    if workspace.secret(KEY_NAME) is None:
        return reconcile(None, open_pod_ledger(workspace), wanted)
    releaser = open_releaser()
    tidy(releaser)
    return reconcile(releaser.account, releaser.ledger, wanted)


@click.command(epilog="\b\nExamples:\n  millhand reap\n  millhand reap --dry-run")
@click.option("--dry-run", is_flag=True, help="Say what is due, end nothing.")
@json_option
@click.pass_context
def reap(ctx: click.Context, dry_run: bool, as_json: bool) -> None:
    """End the pods of this workspace that should be over: their lease, their run or their release is.

    Each pod holds its lease itself; this looks again. A pod that is not in the ledger is never touched.
    The exit code is 1 where one could not be ended, or not be looked at.
    """
    from millhand.runs.reap import reap as end_what_is_due

    releaser = releaser_if_rented()
    done = [] if releaser is None else end_what_is_due(releaser, dry=dry_run)
    left = [one for one in done if one.left]
    if as_json:
        print_json(done)
    elif done:
        columns = ("pod", "done", "why", "spent $")
        print_table("", columns, [(r.pod, r.action, r.why, f"{r.spent_usd:.2f}") for r in done])
    else:
        say("Nothing is due.")
    if left:
        say(f"{len(left)} may be billed on: repeat `millhand reap`, or look at https://console.runpod.io.")
        ctx.exit(1)


def _short(gpu: str) -> str:
    """A GPU's name without its maker: a terminal is narrow."""
    return gpu.removeprefix("NVIDIA ").removeprefix("GeForce ")


def _span(hours: float | None) -> str:
    """``12 min``, ``2.1 h``."""
    if hours is None:
        return ""
    return f"{max(0.0, hours * 60):.0f} min" if hours < 1 else f"{hours:.1f} h"


def _money(usd: float | None) -> str:
    return "" if usd is None else f"{usd:.2f}"
