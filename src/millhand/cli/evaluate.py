"""``millhand evaluate``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from millhand.cli.output import json_option, print_json, print_table, say
from millhand.cli.place import config_argument, open_place, pod_option

if TYPE_CHECKING:
    from millhand.datasets.records import Turn
    from millhand.endpoint import Endpoint
    from millhand.quality.exact_match import ExactMatch
    from millhand.runs.ledger import Run
    from millhand.workspace import Workspace

EPILOG = """\b
Examples:
  millhand evaluate qa
  millhand evaluate qa --held-out paraphrases

Exact match is the share of questions answered word for word. On rows that the model was trained on it says
how much was learned by heart; on held-out rows, how far it carries."""
SHOWN = 5


@click.command(epilog=EPILOG)
@config_argument
@click.option("--held-out", default="", metavar="DATASET", help="A dataset the model was not trained on.")
@click.option("--limit", type=click.IntRange(1), help="Ask only the first so many of each.")
@click.option("--merged/--adapter", default=None, help="Which model; the merged one if there is one.")
@pod_option
@json_option
def evaluate(
    config: str, held_out: str, limit: int | None, merged: bool | None, pod_name: str, as_json: bool
) -> None:
    """Ask the trained model its own rows, and held-out ones, and count the exact answers."""
    from millhand.runs.serve import choose_model, serving

    workspace, project, pod = open_place(config, pod_name)
    served = choose_model(workspace, pod, project, merged=merged)
    sets = _sets(workspace, served.run, held_out)
    turns = {title: _turns(workspace, name, limit) for title, name in sets.items()}
    say(f"Loading {served.what} …")
    with serving(workspace, pod, served) as (endpoint, _):
        measured = {title: _measure(endpoint, title, asked) for title, asked in turns.items()}
    if limit is None:  # a card tells whole figures only
        _keep(workspace, served.run, {sets[title]: match for title, match in measured.items()})
    _show(served.what, measured, as_json=as_json)


def _sets(workspace: Workspace, run: Run, held_out: str) -> dict[str, str]:
    """What to ask, by what to call it: the run's own datasets, not those that the config names today."""
    from millhand.runs.finished import open_ledger
    from millhand.runs.manifest import data_fact
    from millhand.training.check import eval_datasets, train_datasets

    config, ledger = run.facts["config"], open_ledger(workspace)
    trained = train_datasets(config)
    for name in trained:
        if data_fact(workspace, ledger, name) != run.facts["data"][name]:
            say(f"warning: {name} has changed since run {run.name} was trained: some rows it never saw.")
    if config.get("val_size"):
        say(f"note: of the trained rows, {config['val_size']} were kept aside for evaluation (val_size).")
    held = [*eval_datasets(config), *([held_out] if held_out else [])]
    titles = {f"trained rows ({name})": name for name in trained}
    return titles | {f"held-out rows ({name})": name for name in held}


def _turns(workspace: Workspace, name: str, limit: int | None) -> list[Turn]:
    from itertools import islice

    from millhand.datasets.registry import Registry

    return list(islice(Registry(workspace.registry).dataset(name).turns(), limit))


def _measure(endpoint: Endpoint, title: str, turns: list[Turn]) -> ExactMatch:
    from rich.progress import Progress

    from millhand.cli.output import stderr
    from millhand.quality.exact_match import measure

    with Progress(console=stderr(), transient=True, disable=not stderr().is_terminal) as progress:
        task = progress.add_task(title, total=len(turns))
        return measure(endpoint, turns, told=lambda done: progress.update(task, completed=done))


def _keep(workspace: Workspace, run: Run, measured: dict[str, ExactMatch]) -> None:
    """Note the figures with the run: its card tells them."""
    from millhand.hub.facts import Evaluation
    from millhand.runs.evaluations import keep_evaluations
    from millhand.training.check import train_datasets

    trained = train_datasets(run.facts["config"])
    found = [
        Evaluation(
            dataset=name,
            metric="exact_match",
            title="Exact match",
            value=match.rate,
            asked=match.asked,
            trained_on=name in trained,
        )
        for name, match in measured.items()
    ]
    keep_evaluations(workspace, run, found)


def _show(what: str, measured: dict[str, ExactMatch], *, as_json: bool) -> None:
    if as_json:
        print_json({"model": what, "sets": {title: _as_json(match) for title, match in measured.items()}})
        return
    rows = [(title, match.exact, match.asked, f"{match.rate:.1%}") for title, match in measured.items()]
    print_table(f"Exact match of the {what}", ("asked", "exact", "of", "rate"), rows)
    for title, match in measured.items():
        for answer in match.wrong[:SHOWN]:
            say(f"{title}: {answer.question}\n  wanted: {answer.wanted}\n  given:  {answer.given}")


def _as_json(match: ExactMatch) -> dict[str, Any]:
    wrong = [{"question": a.question, "wanted": a.wanted, "given": a.given} for a in match.wrong]
    return {"asked": match.asked, "exact": match.exact, "rate": match.rate, "wrong": wrong}
