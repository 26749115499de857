"""``millhand data build`` and ``millhand data new``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from millhand.cli.output import json_option, print_facts, print_json, print_table, say, show_findings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from millhand.datasets.building.build import Draught, Outcome
    from millhand.datasets.built import Built, StepReport

_FINDINGS = 3  # the exit code

_BUILD_EPILOG = """\b
Examples:
  millhand data build security_manual
  millhand data build security_manual --dry-run
  millhand data build security_manual --fresh --json

dataset_registry/NAME/dataset.yaml names the sources and the steps. What did not change since the last
build is not done again, and answers of a model that were paid for are kept. A file that cannot be read is
listed and the rest goes on: exit code 3."""


@click.command(epilog=_BUILD_EPILOG)
@click.argument("name")
@click.option(
    "--dry-run", is_flag=True, help="Go as far as costs nothing; say what asking a model would cost."
)
@click.option("--fresh", is_flag=True, help="Do every step again; answers that were paid for are kept.")
@click.option("--workers", type=click.IntRange(min=1), help="Processes at once; else one a core.")
@json_option
def build(name: str, dry_run: bool, fresh: bool, workers: int | None, as_json: bool) -> int:
    """Make dataset NAME of its documents: read, clean, split, question, write.

    Every row keeps its document, page and section. The parts for validation and test are datasets of their
    own: NAME_validation, NAME_test.
    """
    from millhand.datasets.building.build import BuildOptions, build_dataset, draft_dataset
    from millhand.workspace import find_workspace

    workspace = find_workspace()
    with _Progress() as progress:
        options = BuildOptions(fresh=fresh, workers=workers, tell=progress.show)
        if not dry_run:
            outcome = build_dataset(workspace, name, options)
        else:
            draught = draft_dataset(workspace, name, options)
    if dry_run:
        return _print_draught(draught, as_json=as_json)
    return _print_outcome(outcome, as_json=as_json)


class _Progress:
    """The step that is done, and how far, on stderr, where a person looks on."""

    def __init__(self) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        from millhand.cli.output import stderr

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, console=stderr(), transient=True)
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> _Progress:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, step: str, done: int, of: int) -> None:
        """Show how far a step is."""
        if step not in self._tasks:
            self._tasks[step] = self._progress.add_task(step, total=of)
        self._progress.update(self._tasks[step], completed=done, total=of)


def _print_outcome(outcome: Outcome, *, as_json: bool) -> int:
    built = outcome.built
    show_findings(built.findings)
    if as_json:
        print_json({"status": outcome.status, **_as_json(built)})
    else:
        _funnel(built.steps, sum(source.pieces for source in built.sources))
        for made in built.datasets:
            click.echo(f"{made.name}: {outcome.status}, {made.rows:,} rows ({made.format})")
        say(f"Next: millhand data report {built.datasets[0].name}")
    return _FINDINGS if any(finding.severity == "error" for finding in built.findings) else 0


def _as_json(built: Built) -> dict[str, Any]:
    import msgspec

    value: dict[str, Any] = msgspec.to_builtins(built)
    return value


def _funnel(steps: Sequence[StepReport], came: int) -> None:
    rows = [["read", "", f"{came:,}", ""]]
    for step in steps:
        why = [f"{count:,} {reason}" for reason, count in step.tally.dropped.items()]
        why += [f"{count:,} {name}" for name, count in step.tally.counts.items()]
        rows.append([step.name, f"{step.tally.came:,}", f"{step.tally.went:,}", ", ".join(why)])
    print_table("", ("step", "in", "out", ""), rows)


def _print_draught(draught: Draught, *, as_json: bool) -> int:
    import msgspec

    price = draught.price()
    findings = [finding for report in draught.reports for finding in report.findings]
    show_findings(findings)
    if as_json:
        steps = msgspec.to_builtins(draught.reports)
        print_json({"steps": steps, "pieces": len(draught.stage), "price": msgspec.to_builtins(price)})
        return 0
    _funnel(draught.reports, draught.reports[0].tally.came if draught.reports else len(draught.stage))
    click.echo(f"{len(draught.stage):,} pieces would go on; nothing was written.")
    if price is not None:
        _print_price(msgspec.to_builtins(price))
    return 0


def _print_price(price: dict[str, Any]) -> None:
    """What asking a model would take, by the names of ``synthesize.pricing.Price``."""
    if not price["requests"] and not price["cached"]:
        click.echo("No model is asked: it costs nothing.")
        return
    usd = "not known: `generate` takes usd_per_million_in and usd_per_million_out"
    if price["usd"] is not None:
        usd = f"{price['usd']:.2f}, at most {price['usd_at_most']:.2f}"
    print_facts(
        {
            "requests": f"{price['requests']:,}, at most {price['requests_at_most']:,}",
            "answered already": f"{price['cached']:,}, which cost nothing more",
            "questions asked for": f"{price['items']:,}",
            "tokens": f"{price['tokens_in']:,} in, {price['tokens_out']:,} out ({price['basis']})",
            "US$": usd,
        }
    )


_NEW_EPILOG = """\b
Examples:
  millhand data new manual docs/manual.pdf --licence CC-BY-4.0
  millhand data new filings dart/raw --licence KOGL-1
  millhand data new qa qa.xlsx --map instruction=질문,output=답변 --licence CC0-1.0"""


@click.command(epilog=_NEW_EPILOG)
@click.argument("name")
@click.argument("sources", nargs=-1, required=True, metavar="FILE…")
@click.option("--licence", default="unknown", show_default=True, help="Of the sources, as an SPDX name.")
@click.option("--description", default="", help="What it is, in a sentence.")
@click.option(
    "--map", "mappings", multiple=True, metavar="TARGET=COLUMN,…", help="Take a table's rows as records."
)
@json_option
def new(
    name: str,
    sources: tuple[str, ...],
    licence: str,
    description: str,
    mappings: tuple[str, ...],
    as_json: bool,
) -> None:
    """Write a recipe for dataset NAME: dataset.yaml, with the usual steps, to look at and to build.

    FILE is a document, a table, a folder or a pattern, below the workspace.
    """
    from millhand.datasets.mapping import parse_mapping
    from millhand.datasets.new import new_recipe
    from millhand.workspace import find_workspace

    workspace = find_workspace()
    here = [workspace.relative(Path(source)) for source in sources]
    path = new_recipe(
        workspace, name, here, licence=licence, description=description, mapping=parse_mapping(mappings)
    )
    shown = workspace.relative(path)
    if as_json:
        print_json({"name": path.parent.name, "recipe": shown})
        return
    say(f"Wrote {shown}. Look through it, then: millhand data build {path.parent.name}")


@click.command(
    epilog="\b\nExamples:\n  millhand data steps\n  millhand data steps dedup\n  millhand data steps --json"
)
@click.argument("name", required=False)
@json_option
def steps(name: str | None, as_json: bool) -> None:
    """Say what steps a recipe can name, or what options step NAME has."""
    from millhand.datasets.steps.describe import describe
    from millhand.errors import UsageError
    from millhand.text.normal import did_you_mean

    every = [step for step in describe() if name in (None, step.name)]
    if not every:
        mend = did_you_mean(str(name), [step.name for step in describe()]) or "See `millhand data steps`."
        raise UsageError(f"There is no step {name!r}.", mend=mend)
    if as_json:
        print_json([{**s._asdict(), "options": [option._asdict() for option in s.options]} for s in every])
        return
    if name is None:
        print_table("", ("step", "what it does"), [(step.name, step.text) for step in every])
        say("Its options: millhand data steps NAME")
        return
    click.echo(every[0].text)
    columns = ("option", "takes", "default", "")
    print_table("", columns, [(o.name, o.kind, _shown(o.default), o.text) for o in every[0].options])


def _shown(value: object) -> str:
    import json

    return json.dumps(value, ensure_ascii=False, default=str)  # a blank behind each comma: it can be wrapped
