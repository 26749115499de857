"""``millhand demo``: the whole path on one machine, as the commands that a user would type."""

from __future__ import annotations

import contextlib
import shlex
import time
from collections.abc import Sequence
from pathlib import Path

import click

from millhand.cli.output import say

PROJECT, MODEL, HELD_OUT = "bicycle", "models/bicycle-tiny", "bicycle_held_out"

EPILOG = """\b
Examples:
  millhand demo
  millhand demo ~/try-it
  millhand demo --spreadsheet bicycle.xlsx

What is done is not done again: stop it at any point and call it once more."""


@click.command(epilog=EPILOG)
@click.argument("folder", type=click.Path(path_type=Path), default="demo")
@click.option("--remove", is_flag=True, help="Take away what it made in FOLDER, and nothing else.")
@click.option(
    "--spreadsheet",
    "copy",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Only write the spreadsheet that it takes to FILE.",
)
def demo(folder: Path, remove: bool, copy: Path | None) -> int:
    """Take a shipped Korean spreadsheet to a fine-tuned model that answers, in a workspace in FOLDER."""
    if copy is not None:
        _write_spreadsheet(copy)
        return 0
    if remove:
        _remove(folder)
        return 0
    began = time.monotonic()
    code = _told(["init", str(folder)])
    if code == 0:
        with contextlib.chdir(folder):
            code = next((code for step in steps() if (code := _told(step))), 0)
    if code == 0:
        say("\nA model this small learns by heart: what it makes of other words is the table's last line.")
        say(f"All of it took {time.monotonic() - began:.0f} s. The workspace is {folder}/: look around.")
    return code


def _write_spreadsheet(to: Path) -> None:
    from millhand.demo import spreadsheet
    from millhand.errors import UsageError

    content = spreadsheet().read_bytes()
    try:
        if to.is_dir():
            to = to / spreadsheet().name
        if to.exists() and to.read_bytes() != content:
            raise UsageError(f"There is another {to} already.", mend="Name another file.")
        to.write_bytes(content)
    except OSError as error:
        raise UsageError(f"{to} cannot be written: {error.strerror}.", mend="Name another file.") from error
    say(f"Wrote {to}.\nNext, in a workspace: millhand data add {to} --map instruction=질문,output=답변")


def steps() -> list[list[str]]:
    """The command lines of the demonstration, in order."""
    from millhand.demo import QUESTIONS, held_out, spreadsheet

    questions = [word for question in QUESTIONS for word in ("-m", question)]
    return [
        ["data", "add", str(spreadsheet()), "--name", PROJECT, "--map", "instruction=질문,output=답변"],
        ["data", "add", str(held_out()), "--name", HELD_OUT, "--map", "instruction=질문,output=답변"],
        ["model", "init", MODEL, "--size", "tiny", "--from", PROJECT],
        ["config", "new", PROJECT, "--preset", "tiny-cpu", "--dataset", PROJECT, "--model", MODEL],
        ["train", PROJECT],
        ["export", PROJECT],
        ["evaluate", PROJECT, "--held-out", HELD_OUT],
        ["chat", PROJECT, *questions],
    ]


def _told(arguments: Sequence[str]) -> int:
    from millhand.cli.main import main

    say(f"\n$ millhand {shlex.join(arguments)}")
    return main(arguments)


def _remove(folder: Path) -> None:
    from millhand.datasets.registry import Registry
    from millhand.datasets.remove import remove_dataset
    from millhand.pods.local import LocalPod
    from millhand.runs.remove import remove_empty_workspace, remove_model, remove_project
    from millhand.workspace import Workspace, is_workspace

    if not is_workspace(folder):
        say(f"{folder} is no workspace; nothing was removed.")
        return
    workspace = Workspace(folder.absolute())
    registry = Registry(workspace.registry)
    removed = remove_project(workspace, LocalPod(workspace.root), PROJECT) + remove_model(workspace, MODEL)
    for name in [name for name in (PROJECT, HELD_OUT) if name in registry.names()]:
        remove_dataset(registry, name)
        removed.append(f"dataset {name}")
    removed += remove_empty_workspace(workspace)
    say(f"Removed from {folder}: {', '.join(removed) or 'nothing'}.")
    if folder.is_dir():
        left = ", ".join(sorted(path.name for path in folder.iterdir()))
        say(f"What else lies in {folder} was left: {left}.")
