"""``millhand sync``: the workspace's files to a pod, and what it made back."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

import click

from millhand.cli.output import json_option, print_facts, print_json, print_table, say, stderr
from millhand.cli.place import open_pod

if TYPE_CHECKING:
    from rich.progress import Progress

    from millhand.pods.sync.report import Report

EPILOG = """\b
Examples:
  millhand sync up --pod l4                        what git does not ignore, and what is not there yet
  millhand sync up --pod l4 models/base --dry-run  say what would be sent
  millhand sync down --pod l4                      what runs made, without their checkpoints
  millhand sync down --pod l4 outputs/qa --checkpoints

Only what has changed travels, in both directions; a broken one goes on where it stopped. What
.gitignore and .millhandignore name stays, unless it is named here. Runs bring what they need themselves."""
_CHECKPOINTS = "checkpoint-*"


@click.command(epilog=EPILOG)
@click.argument("way", type=click.Choice(("up", "down")))
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@click.option("--pod", "pod_name", required=True, metavar="POD", help="A pod file of runpod/, or ssh://….")
@click.option("--dry-run", is_flag=True, help="Say what would be done, change nothing.")
@click.option("--delete", is_flag=True, help="Also remove in the named folders what the other side lacks.")
@click.option("--checkpoints", is_flag=True, help="Also bring checkpoints down.")
@json_option
def sync(
    way: str,
    paths: tuple[str, ...],
    pod_name: str,
    dry_run: bool,
    delete: bool,
    checkpoints: bool,
    as_json: bool,
) -> None:
    """Bring the workspace's files to a pod (up), or what it made home (down)."""
    from millhand.pods.sync.transfer import Choice
    from millhand.runs.moving import move
    from millhand.runs.watching import reached
    from millhand.workspace import find_workspace

    leaves = () if checkpoints or way == "up" else (_CHECKPOINTS,)
    choice = Choice(dry_run=dry_run, delete=delete, exclude=leaves)
    workspace = find_workspace()
    with _Bar() as bar:
        if way == "up" and not dry_run:
            report = move(open_pod(workspace, pod_name), "up", list(paths), choice, bar)
        else:  # nothing is rented for looking, nor for what no pod has
            with reached(workspace, pod_name, say) as pod:
                report = move(pod, "up" if way == "up" else "down", list(paths), choice, bar)
    _show(report, as_json=as_json)
    report.check()


def _show(report: Report, *, as_json: bool) -> None:
    if as_json:
        print_json(report)
    elif report.dry_run and not report.planned:
        say("Nothing would be done: both sides are alike.")
    elif report.dry_run:
        print_table("", ("what", "file", "bytes"), [(p.action, p.path, p.size or "") for p in report.planned])
    else:
        facts = {
            "looked at": f"{report.checked} files",
            "brought": f"{report.files} files, {report.size / 1e6:.1f} MB",
            "over the line": f"{(report.sent + report.received) / 1e6:.2f} MB",
            "removed": report.deleted or None,
            "took": f"{report.seconds:.1f} s",
        }
        print_facts({name: value for name, value in facts.items() if value is not None})


class _Bar:
    """Draws a sync's progress on stderr (:class:`millhand.pods.sync.report.Progress`)."""

    def __init__(self) -> None:
        self._files = self._size = 0
        self._bar: Progress | None = None

    def __enter__(self) -> _Bar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def total(self, files: int, size: int) -> None:
        """More is to be brought."""
        self._size += size
        if self._bar is None and stderr().is_terminal:
            self._bar = _new_bar()
            self._bar.add_task("files", total=0)
            self._bar.start()
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], total=self._size)

    def done(self, files: int, size: int) -> None:
        """More is there."""
        if self._bar is not None:
            self._bar.advance(self._bar.task_ids[0], size)


def _new_bar() -> Progress:
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    return Progress(
        BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn(), console=stderr()
    )
