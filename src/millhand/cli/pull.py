"""``millhand pull``: a model or a dataset comes from the Hugging Face Hub."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from millhand.cli.group import Group
from millhand.cli.output import json_option, print_facts, print_json, say

if TYPE_CHECKING:
    from millhand.hub.client import Hub
    from millhand.runs.pulled import Pulled
    from millhand.workspace import Workspace

F = TypeVar("F", bound=Callable[..., Any])

_STEERS = frozenset("$`!%")  # shells take these up inside of quotes too
_EPILOG = """\b
Examples:
  millhand pull model me/minwon
  millhand pull dataset me/minwon-data"""
_MODEL_EPILOG = """\b
Examples:
  millhand pull model me/minwon
  millhand pull model me/minwon --revision v1 --to models/minwon-v1"""
_DATASET_EPILOG = """\b
Examples:
  millhand pull dataset me/minwon-data
  millhand pull dataset me/minwon-data --revision v1
  millhand pull dataset me/minwon-data --to data/minwon --json"""


def _options(command: F) -> F:
    """What both take."""
    for option in (
        json_option,
        click.option("--revision", default="", help="A branch, a tag or a commit; else main."),
        click.option("--to", "folder", type=click.Path(path_type=Path), metavar="DIR", help="Where to."),
        click.argument("repository", metavar="USER/NAME"),
    ):
        command = option(command)
    return command


@click.group(cls=Group, epilog=_EPILOG)
def pull() -> None:
    """Fetch a model or a dataset from the Hugging Face Hub, and compare every file with the Hub's listing.

    Pickled weights are left out: they run code when they are loaded. After a break the same command goes on
    with the files that are missing. What is private or gated needs HF_TOKEN, in the environment or .env.
    """


@pull.command(epilog=_MODEL_EPILOG)
@_options
def model(repository: str, folder: Path | None, revision: str, as_json: bool) -> None:
    """Fetch the model USER/NAME; by default to models/NAME."""
    from millhand.runs.pulled import pull_model

    workspace, hub = _open(folder, as_json=as_json)
    _tell(workspace, pull_model(workspace, hub, repository, folder, revision), as_json=as_json)


@pull.command(epilog=_DATASET_EPILOG)
@_options
def dataset(repository: str, folder: Path | None, revision: str, as_json: bool) -> None:
    """Fetch the dataset USER/NAME; by default into the registry, if Millhand published it."""
    from millhand.runs.pulled import pull_dataset

    workspace, hub = _open(folder, as_json=as_json)
    _tell(workspace, pull_dataset(workspace, hub, repository, folder, revision), as_json=as_json)


def _open(folder: Path | None, *, as_json: bool) -> tuple[Workspace | None, Hub]:
    """The workspace around the current folder, which a named folder makes needless, and a line to the Hub."""
    import os
    import sys

    from millhand.errors import NoWorkspaceError
    from millhand.hub.client import open_hub
    from millhand.workspace import find_workspace

    try:
        workspace = find_workspace()
    except NoWorkspaceError:
        if folder is None:
            raise
        workspace = None
    settings = workspace.settings() if workspace else os.environ
    bars = sys.stderr.isatty() and not as_json
    return workspace, open_hub(settings, say, signed_in=False, bars=bars)


def _tell(workspace: Workspace | None, pulled: Pulled, *, as_json: bool) -> None:
    from millhand.hub.names import shown

    source = pulled.fetched.source
    folder = workspace.relative(pulled.folder) if workspace else str(pulled.folder)
    facts: dict[str, object] = {"repository": source.id, "type": source.kind, "commit": source.commit}
    facts |= {"folder": folder, "dataset": pulled.dataset or None}
    if as_json:
        files = [{"path": f.path, "size": f.size, "sha256": f.sha256} for f in source.files.values()]
        left = {"again": pulled.fetched.again, "left_out": list(source.left_out)}
        print_json({**facts, **left, "files": files})
        return
    if source.left_out:
        say(f"Left out, for they can run code when they are loaded: {', '.join(map(shown, source.left_out))}")
    if pulled.fetched.again:
        say("It was here already; nothing was fetched.")
    told = {name: value for name, value in facts.items() if value}
    print_facts({**told, "files": f"{len(source.files)} ({source.size:,} bytes)"})
    say(f"Next: {_next_step(workspace, pulled, folder)}")


def _next_step(workspace: Workspace | None, pulled: Pulled, folder: str) -> str:
    from millhand.runs.manifest import FILE_NAME

    files = pulled.fetched.source.files
    if pulled.dataset:
        return f"millhand data show {pulled.dataset}"
    if pulled.fetched.source.kind == "dataset":
        return _add_step(workspace, pulled)
    if workspace and FILE_NAME in files:
        return f"millhand chat {folder}"
    key = "adapter_name_or_path" if "adapter_config.json" in files else "model_name_or_path"
    return f"write `{key}: {folder}` into a config."


def _add_step(workspace: Workspace | None, pulled: Pulled) -> str:
    """How the largest file of rows becomes a dataset of the workspace."""
    from millhand.documents.tables import DELIMITED, JSON, PARQUET, SPREADSHEETS
    from millhand.runs.facts import quoted

    source, endings = pulled.fetched.source, (*DELIMITED, *JSON, *PARQUET, *SPREADSHEETS)
    rows = [file for path, file in source.files.items() if path.lower().endswith(endings)]
    rows = [file for file in rows if not _STEERS & set(file.path)]
    if not rows:
        return "look at what came; `millhand data add FILE` takes a table, JSON, JSONL or parquet."
    path = pulled.folder / max(rows, key=lambda file: file.size).path
    name = source.id.partition("/")[2]
    add = f"millhand data add {quoted(str(path if workspace else path.absolute()))} --name {name}"
    return add if workspace else f"in a workspace (`millhand init NAME` lays one down): {add}"
