"""``millhand push``: a model or a dataset goes to the Hugging Face Hub."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from millhand.cli.group import Group
from millhand.cli.output import ask_first, json_option, print_facts, print_json, say, show_findings
from millhand.cli.place import pod_option
from millhand.wording import counted

if TYPE_CHECKING:
    from millhand.hub.facts import Override
    from millhand.hub.publish import Published
    from millhand.hub.target import RepoType, Target
    from millhand.pods.base import Pod
    from millhand.runs.deliver import Delivering, Ready
    from millhand.workspace import Workspace

F = TypeVar("F", bound=Callable[..., Any])

_EPILOG = """\b
Examples:
  millhand push dataset qa --to me/minwon-data
  millhand push model qa --to me/minwon --dry-run
  millhand push model qa --to me/minwon --pod l4"""
_MODEL_EPILOG = """\b
Examples:
  millhand push model qa --to me/minwon --dry-run
  millhand push model qa-2 --to me/minwon-lora --adapter --public --tag v1
  millhand push model qa --to me/minwon --pod l4"""
_DATASET_EPILOG = """\b
Examples:
  millhand push dataset qa --to me/minwon-data --dry-run
  millhand push dataset qa --to me/minwon-data --public --tag v1
  millhand push dataset qa --to me/minwon-data --override 'licence:qa=the author agreed by letter'"""


def _options(command: F) -> F:
    """What both take."""
    for option in (
        json_option,
        click.option("--yes", is_flag=True, help="Do not ask."),
        click.option("--dry-run", is_flag=True, help="Show what would be sent; send nothing."),
        click.option(
            "--override",
            "overrides",
            multiple=True,
            metavar="GATE:SUBJECT=REASON",
            help="Open a gate and say why; the card tells it.",
        ),
        click.option("--tag", default="", help="Name the commit that comes of it."),
        click.option("--revision", default="main", show_default=True, help="The branch; made if need be."),
        click.option("--public", is_flag=True, help="For everyone to read; else it is private."),
        click.option("--to", "repository", required=True, metavar="USER/NAME", help="Where to."),
    ):
        command = option(command)
    return command


@click.group(cls=Group, epilog=_EPILOG)
def push() -> None:
    """Publish a model or a dataset on the Hugging Face Hub, with its card; private unless you say otherwise.

    What stands against it is found first. All files come with one commit, which is compared with the files
    here. After a break the same command goes on; what the Hub has is not sent again. The token is HF_TOKEN,
    in the environment or .env.
    """


@push.command(epilog=_MODEL_EPILOG)
@click.argument("project", metavar="PROJECT|RUN")
@click.option("--run", "run_name", default="", help="A finished run of the project; the last one by default.")
@click.option("--adapter", is_flag=True, help="The adapter, not the merged model.")
@pod_option
@_options
def model(project: str, run_name: str, adapter: bool, pod_name: str, **options: Any) -> None:
    """Publish the merged model of PROJECT's last finished run, or of RUN; or its adapter.

    With --pod the pod sends what lies there over its own line, and one that was rented for the run ends when
    all of it was seen on the Hub.
    """
    from millhand.runs.deliver import find_run, made_here

    asked = _asked("model", options)
    run = find_run(asked.workspace, project, run_name)
    pod = _pod(asked.workspace, pod_name)
    if pod.shared:
        made_here(asked.workspace, run, adapter=adapter)
    delivering = _open(asked, pod, as_json=options["as_json"])
    parcel = delivering.model(run, adapter=adapter)
    show_findings(parcel.notes)
    _go(delivering, delivering.ready(parcel, ask_storage=options["dry_run"]), options, {"run": run.name})
    released = None if options["dry_run"] else delivering.release(parcel)
    if released is not None:
        say(f"{released}")


@push.command(epilog=_DATASET_EPILOG)
@click.argument("name")
@_options
def dataset(name: str, **options: Any) -> None:
    """Publish the dataset NAME: its rows and what they were made from."""
    from millhand.datasets.registry import Registry

    asked = _asked("dataset", options)
    Registry(asked.workspace.registry).dataset(name)
    delivering = _open(asked, None, as_json=options["as_json"])
    parcel = delivering.dataset(name)
    show_findings(parcel.notes)
    ready = delivering.ready(parcel, ask_storage=options["dry_run"])
    _go(delivering, ready, options, {"dataset": parcel.facts.name})


class _Asked(NamedTuple):
    """What was typed, looked at; nobody was asked yet."""

    workspace: Workspace
    target: Target
    overrides: list[Override]


def _asked(kind: RepoType, options: dict[str, Any]) -> _Asked:
    from millhand.hub.gates import parse_override
    from millhand.hub.target import Target, check_target
    from millhand.workspace import find_workspace

    workspace = find_workspace()
    target = Target(
        kind, options["repository"], options["revision"], tag=options["tag"], public=options["public"]
    )
    overrides = [parse_override(text) for text in options["overrides"]]
    check_target(target)
    return _Asked(workspace, target, overrides)


def _pod(workspace: Workspace, name: str) -> Pod:
    """The pod that holds the model; nothing is rented for a push."""
    from millhand.runs.deliver_there import check_pod_is_up, rent_none
    from millhand.runs.opening import open_pod

    check_pod_is_up(workspace, name)
    return open_pod(workspace, name, say, foresee=rent_none)


def _open(asked: _Asked, pod: Pod | None, *, as_json: bool) -> Delivering:
    """Open the line to the Hub, which wants a token; nothing is sent."""
    import sys

    from millhand.hub.client import open_hub
    from millhand.runs.deliver import Delivering
    from millhand.runs.deliver_there import DeliveringThere

    workspace, target, overrides = asked
    hub = open_hub(workspace.settings(), say, bars=sys.stderr.isatty() and not as_json)
    if pod is None or pod.shared:
        return Delivering(workspace, hub, target, overrides)
    return DeliveringThere(workspace, hub, target, overrides, pod=pod)


def _go(delivering: Delivering, ready: Ready, options: dict[str, Any], of: dict[str, str]) -> None:
    if options["dry_run"]:
        _show(delivering, ready, of, as_json=options["as_json"])
        return
    if options["public"] and not options["yes"]:
        ask_first(
            f"Publish {counted(len(ready.files), 'file')} as {delivering.target.id}, for everyone to read?"
        )
    _tell(delivering.deliver(ready), of, as_json=options["as_json"])


def _show(delivering: Delivering, ready: Ready, of: dict[str, str], *, as_json: bool) -> None:
    """What would be done."""
    target = delivering.target
    rows = [
        {
            "path": change.path,
            "size": change.size,
            "sha256": change.sha256,
            "state": change.state,
            "stored": change.path in ready.stored,
        }
        for change in ready.changes
    ]
    if as_json:
        facts = {"repository": target.id, "type": target.kind, "branch": target.branch}
        print_json({**of, **facts, "public": target.public, "exists": ready.standing.exists, "files": rows})
        return
    for row in rows:  # a line a file, not a table: a hash that is folded cannot be copied
        click.echo(f"{row['sha256'] or '-':<64}  {row['size']:>15,}  {_state(row):<23}  {row['path']}")
    to_send = sum(
        c.size for c in ready.changes if c.state in ("new", "changed") and c.path not in ready.stored
    )
    say(f"{to_send:,} bytes would go to {target.id} ({'public' if target.public else 'private'}).")


def _state(row: dict[str, Any]) -> str:
    words = {
        "new": "not there",
        "changed": "other bytes",
        "same": "the same",
        "removed": "would be taken away",
    }
    return "uploaded, not published" if row["stored"] else words[row["state"]]


def _tell(published: Published, of: dict[str, str], *, as_json: bool) -> None:
    target = published.target
    facts = {**of, "repository": target.id, "type": target.kind, "branch": target.branch, "tag": target.tag}
    facts |= {"url": published.url, "commit": published.commit}
    if as_json:
        files = [{"path": f.path, "size": f.size, "sha256": f.sha256} for f in published.files]
        removed = list(published.removed)
        more = {"public": target.public, "again": published.again, "files": files, "removed": removed}
        print_json({**facts, **more})
        return
    if published.again:
        say("It was there already; nothing was sent.")
    if published.removed:
        say(f"Taken away there: {', '.join(published.removed)}. The commit before still has them.")
    size = sum(file.size for file in published.files)
    print_facts(
        {**{k: v for k, v in facts.items() if v}, "files": f"{len(published.files)} ({size:,} bytes)"}
    )
    say(f"Next: millhand pull {target.kind} {target.id} --to DIR")
