"""``millhand sync``: the workspace's files to a pod, and what it made back."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING

import click

from millhand.cli.output import (
    is_agreed,
    json_option,
    print_facts,
    print_json,
    print_table,
    say,
    show_error,
    show_findings,
    stderr,
)
from millhand.cli.place import open_pod
from millhand.wording import counted

if TYPE_CHECKING:
    from rich.progress import Progress

    from millhand.pods.sync.folders import Entry
    from millhand.pods.sync.report import Report
    from millhand.pods.sync.transfer import Choice
    from millhand.runs.moving import Way

EPILOG = """\b
Examples:
  millhand sync up --pod l4                        what git does not ignore, and what is not there yet
  millhand sync up --pod l4 models/base --dry-run  say what would be sent
  millhand sync down --pod l4                      what runs made, without their checkpoints
  millhand sync down --pod l4 outputs/qa --checkpoints
  millhand sync up --pod l4 dataset_registry/qa --delete   shows what would go, and asks

Only what has changed travels, in both directions; a broken one goes on where it stopped. What
.gitignore and .millhandignore name stays, unless it is named here; outputs go up only when they are
named. Runs bring what they need themselves. --delete removes files, never folders, and only in folders
that the other side has with something in them."""
_CHECKPOINTS = "checkpoint-*"


@click.command(epilog=EPILOG)
@click.argument("way", type=click.Choice(("up", "down")))
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@click.option("--pod", "pod_name", required=True, metavar="POD", help="A pod file of runpod/, or ssh://….")
@click.option("--dry-run", is_flag=True, help="Say what would be done, change nothing.")
@click.option(
    "--delete", is_flag=True, help="Also remove files of the named folders that the other side lacks."
)
@click.option("-y", "--yes", is_flag=True, help="Remove without asking.")
@click.option("--checkpoints", is_flag=True, help="Checkpoints too are brought down, or removed.")
@json_option
@click.pass_context
def sync(
    ctx: click.Context,
    way: Way,
    paths: tuple[str, ...],
    pod_name: str,
    dry_run: bool,
    delete: bool,
    yes: bool,
    checkpoints: bool,
    as_json: bool,
) -> None:
    """Bring the workspace's files to a pod (up), or what it made home (down)."""
    from millhand.errors import FindingsError
    from millhand.pods.sync.transfer import Choice
    from millhand.runs.moving import named_paths

    named = named_paths(paths, delete=delete)
    leaves = () if checkpoints else (_CHECKPOINTS,)  # up: none is removed
    with _Bar() as bar:
        agree = partial(_agreed, bar, way, yes)
        choice = Choice(dry_run=dry_run, delete=delete, exclude=leaves, agree=agree)
        report = _moved(way, named, pod_name, choice, bar)
    if not as_json:
        _show(report)
    try:
        report.check()
    except FindingsError as error:
        show_error(error, as_json=as_json, answer=vars(report))
        ctx.exit(error.exit_code)
    if as_json:
        print_json(report)
    show_findings(report.findings)


def _moved(way: Way, named: list[str], pod_name: str, choice: Choice, bar: _Bar) -> Report:
    from millhand.runs.moving import move
    from millhand.runs.watching import reached
    from millhand.workspace import find_workspace

    workspace = find_workspace()
    if way == "up" and not choice.dry_run:
        return move(open_pod(workspace, pod_name), way, named, choice, bar)
    with reached(workspace, pod_name, say) as pod:  # nothing is rented for looking, nor for what no pod has
        return move(pod, way, named, choice, bar)


def _agreed(bar: _Bar, way: Way, yes: bool, going: Sequence[Entry]) -> bool:
    """Show what would be removed and ask.

    Raises:
        UsageError: Nobody is there to answer.
    """
    from millhand.pods.sync.tree import shown

    bar.stop()
    where, other = ("on the pod", "here") if way == "up" else ("here", "on the pod")
    say(f"Not {other}, and to be removed {where}:")
    for entry in going:
        say(f"  {shown(entry.path)}  {_size(entry.size)}" if entry.size else f"  {shown(entry.path)}")
    total = sum(entry.size for entry in going)
    agreed = yes or is_agreed(f"Remove {counted(len(going), 'file')}, {_size(total)}, {where}?")
    if not agreed:
        say("Nothing is removed.")
    return agreed


def _size(size: int) -> str:
    """Bytes as a person reads them: ``950 bytes``, ``1.2 MB``."""
    return f"{size} bytes" if size < 100_000 else f"{size / 1e6:.1f} MB"


def _show(report: Report) -> None:
    if report.dry_run and not report.planned:
        say("Nothing would be done: both sides are alike.")
    elif report.dry_run:
        print_table("", ("what", "file", "bytes"), [(p.action, p.path, p.size or "") for p in report.planned])
    else:
        facts = {
            "looked at": counted(report.checked, "file"),
            "brought": f"{counted(report.files, 'file')}, {report.size / 1e6:.1f} MB",
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
        self.stop()

    def stop(self) -> None:
        """Let the line go: somebody is to read, or to be asked."""
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
