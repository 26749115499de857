"""``millhand ps``, ``attach``, ``logs``, ``stop`` and ``resume``: jobs, wherever they run."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from millhand.cli.output import json_option, print_facts, print_json, print_table, say

if TYPE_CHECKING:
    from millhand.runs.follow import Followed
    from millhand.runs.job_rows import JobRow
    from millhand.runs.watching import Stopped, Watched
    from millhand.workspace import Workspace

run_argument = click.argument("run", metavar="RUN")
pod_option = click.option(
    "--pod", "pod_name", default="", metavar="POD", help="Where; by default the pod that the run is on."
)
PS_EPILOG = """\b
Examples:
  millhand ps
  millhand ps --pod l4
  millhand ps --json | jq '.[].phase'"""
_RUN = "RUN is a project's name, for its last run, or a run's. PROJECT/RUN is that run for sure."
ATTACH_EPILOG = f"""\b
Examples:
  millhand attach qa
  millhand attach qa-2 --pod l4

{_RUN} Ctrl-C ends the looking; the run goes on."""
LOGS_EPILOG = f"""\b
Examples:
  millhand logs qa
  millhand logs qa --tail 50
  millhand logs qa -f

{_RUN} Ctrl-C ends the looking; the run goes on."""
STOP_EPILOG = f"""\b
Examples:
  millhand stop qa
  millhand stop qa --grace 600
  millhand stop qa --grace 0     at once

{_RUN}"""
RESUME_EPILOG = f"""\b
Examples:
  millhand resume qa
  millhand resume qa-2 --pod l4

{_RUN}"""


@click.command(epilog=PS_EPILOG)
@click.option("--pod", "pod_name", default="", metavar="POD", help="One pod; by default all that are known.")
@json_option
def ps(pod_name: str, as_json: bool) -> int:
    """List the jobs of this machine and of the pods that are rented: how far they are, what is wrong.

    Nothing is rented for it. A pod that cannot be reached is said so, and the exit code is then 1.
    """
    from millhand.errors import MillhandError
    from millhand.pods.podfile import find_pod
    from millhand.runs.job_rows import jobs_of
    from millhand.runs.watching import places
    from millhand.workspace import find_workspace

    workspace = find_workspace()
    rows: list[JobRow] = []
    missed: dict[str, MillhandError] = {}
    with _reminded(workspace, find_pod(workspace, pod_name).name if pod_name else ""):
        for place in [pod_name] if pod_name else places(workspace):
            try:
                found = jobs_of(workspace, place, say)
            except MillhandError as error:
                if pod_name:
                    raise
                missed[place] = error
            else:
                rows += found.rows
                missed |= found.missed
        for name, why in missed.items():
            say(f"{name}: {why}")
        _show_jobs(rows, as_json=as_json)
    return 1 if missed else 0


@contextmanager
def _reminded(workspace: Workspace, pod_file: str = "", run: str = "") -> Iterator[None]:
    """Say at the end, however it comes, which pods are billed on."""
    from millhand.runs.billed import billed, billed_on

    try:
        yield
    finally:
        for entry in billed(workspace, pod_file, run):
            say(billed_on(entry))


@contextmanager
def _looked_at(run: str, pod_name: str) -> Iterator[Watched]:
    from millhand.runs.watching import watched
    from millhand.workspace import find_workspace

    workspace = find_workspace()
    with (
        watched(workspace, run, say, pod_name=pod_name) as watching,
        _reminded(workspace, watching.pod.name, watching.run.name),
    ):
        yield watching


def _show_jobs(rows: list[JobRow], *, as_json: bool) -> None:
    from millhand.runs.faults import say as in_words

    if as_json:
        print_json([asdict(row) for row in rows])
    elif not rows:
        say("No job yet. Next: millhand train PROJECT")
    else:
        columns = ("job", "pod", "phase", "step", "since", "wrong")
        table = [
            (r.job, where, _phase(r), _steps(r), _when(r.since_s), in_words(r.faults))
            for r, where in zip(rows, _wheres(rows), strict=True)
        ]
        print_table("", columns, table)


def _wheres(rows: list[JobRow]) -> list[str]:
    """The pod of each row; where a pod file has several that are rented, which of them it is."""
    names: dict[str, set[str]] = {}
    for row in rows:
        names.setdefault(row.pod, set()).add(row.rented)
    return [row.rented or f"one of {row.pod}" if len(names[row.pod]) > 1 else row.pod for row in rows]


def _phase(row: JobRow) -> str:
    return f"exited ({row.exit_code})" if row.phase == "exited" else row.phase


def _steps(row: JobRow) -> str:
    return "" if row.step is None else f"{row.step}/{row.total_steps}"


def _when(seconds: float | None) -> str:
    return "" if seconds is None else time.strftime("%m-%d %H:%M", time.localtime(seconds))


@click.command(epilog=ATTACH_EPILOG)
@run_argument
@pod_option
@json_option
def attach(run: str, pod_name: str, as_json: bool) -> int:
    """Follow a run that trains somewhere, from its first step on to its end.

    Exit code 0 when the job ended well, 1 when it did not. Nothing is verified or fetched:
    `millhand train` does that.
    """
    from millhand.cli.watch import TrainingBar
    from millhand.runs.follow import follow

    with _looked_at(run, pod_name) as watching:
        with TrainingBar() as bar:
            status, where = watching.handle.status(), f"{watching.run.name} on {watching.pod.name}"
            bar.note(f"Run {where}: {status.phase}{_since(status.started_s)}.")
            followed = follow(watching.handle, watching.run.output_dir, bar, detaches=True)
        return _show_end(watching, followed, as_json=as_json)


def _since(seconds: float | None) -> str:
    return f" since {_when(seconds)}" if seconds is not None else ""


def _show_end(watching: Watched, followed: Followed, *, as_json: bool) -> int:
    from millhand.runs.faults import explain

    run, status, last = watching.run, followed.status, followed.log.last
    cause, mend = explain(status.faults, run, watching.typed)
    step, total = (last.step, last.total_steps) if last else (None, None)
    answer = {
        "run": run.name,
        "pod": watching.pod.name,
        "phase": status.phase,
        "exit_code": status.exit_code,
        "step": step,
        "total_steps": total,
        "faults": list(status.faults),
    }
    if as_json:
        print_json(answer)
    else:
        named = {
            **answer,
            "step": f"{step} of {total}" if last else None,
            "total_steps": None,
            "faults": cause,
        }
        print_facts({name.replace("_", " "): value for name, value in named.items() if value is not None})
    well = status.phase == "exited" and status.exit_code == 0
    from millhand.runs.places import again

    say(f"Next: {again(run)}" if well else mend or f"Look: millhand logs {watching.typed}")
    return 0 if well else 1


@click.command(epilog=LOGS_EPILOG)
@run_argument
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes, to the job's end.")
@click.option("--tail", type=click.IntRange(min=0), help="Only the last lines; by default all.")
@pod_option
@json_option
def logs(run: str, follow: bool, tail: int | None, pod_name: str, as_json: bool) -> None:
    """Show what a run printed, both streams, as it is."""
    from millhand.errors import UsageError
    from millhand.runs.watching import last_lines, stream

    if follow and as_json:
        raise UsageError("--json is one document, and --follow has no end.", mend="Give one of them.")
    with _looked_at(run, pod_name) as watching:
        handle = watching.handle
        if handle.status().phase == "absent":
            raise UsageError(f"Run {watching.run.name} has printed nothing on {watching.pod.name}.")
        said, end = (b"", 0) if tail is None else last_lines(handle, tail)
        if as_json:
            _show_log(watching, said if tail is not None else handle.log())
            return
        out = sys.stdout.buffer
        out.write(said if tail is not None or follow else handle.log())
        for new in stream(handle, end) if follow else iter(()):
            out.write(new)
            out.flush()


def _show_log(watching: Watched, said: bytes) -> None:
    text = said.decode("utf-8", errors="replace")
    phase = watching.handle.status().phase
    print_json({"run": watching.run.name, "pod": watching.pod.name, "phase": phase, "log": text})


@click.command(epilog=STOP_EPILOG)
@run_argument
@click.option("--grace", "grace_s", type=click.FloatRange(min=0), help="Seconds to save in; 180 by default.")
@pod_option
@json_option
def stop(run: str, grace_s: float | None, pod_name: str, as_json: bool) -> None:
    """Have a run save a checkpoint after its current step and end. `millhand resume` goes on from there.

    A pod that was rented stays, and is billed: `millhand down` ends it.
    """
    from millhand.runs.follow import STOP_GRACE_S
    from millhand.runs.watching import stop as end

    with _looked_at(run, pod_name) as watching:
        say(f"Stopping {watching.run.name} on {watching.pod.name}: it saves after the current step.")
        stopped = end(watching, STOP_GRACE_S if grace_s is None else grace_s)
        _show_stop(watching, stopped, as_json=as_json)


def _show_stop(watching: Watched, stopped: Stopped, *, as_json: bool) -> None:
    run, status = watching.run, stopped.status
    answer = {
        "run": run.name,
        "pod": watching.pod.name,
        "was_running": stopped.was_alive,
        "phase": status.phase,
        "exit_code": status.exit_code,
        "kept_step": stopped.kept_step,
        "finished": stopped.finished,
    }
    if as_json:
        print_json({**answer, "billed": _still_billed(watching)})
    else:
        print_facts({name.replace("_", " "): value for name, value in answer.items() if value is not None})
    from millhand.runs.places import again

    say(f"Next: {again(run)}" if stopped.finished else f"Next: millhand resume {watching.typed}")


def _still_billed(watching: Watched) -> list[dict[str, object]]:
    from millhand.runs.billed import billed

    entries = billed(watching.workspace, watching.pod.name, watching.run.name)
    return [{"pod": entry.name, "usd_per_hour": entry.hourly_usd} for entry in entries]


@click.command(epilog=RESUME_EPILOG)
@run_argument
@pod_option
@json_option
@click.pass_context
def resume(context: click.Context, run: str, pod_name: str, as_json: bool) -> object:
    """Go on with a run as it was configured, from its last whole checkpoint, where it was.

    The same as `millhand train PROJECT --run RUN --pod POD`, with --export if it was begun with that; a pod
    is rented if that takes one.
    """
    from millhand.cli.train import train
    from millhand.runs.finished import open_ledger
    from millhand.runs.naming import find_run
    from millhand.workspace import find_workspace

    found = find_run(open_ledger(find_workspace()), run)
    return context.invoke(
        train,
        config=found.project,
        run_name=found.name,
        pod_name=pod_name or found.pod,
        exports=found.exports,
        as_json=as_json,
    )
