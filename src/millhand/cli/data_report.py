"""``millhand data report``: a built dataset on one page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from millhand.cli.output import json_option, print_json, say

if TYPE_CHECKING:
    from millhand.datasets.report.page import Report

_EPILOG = """\b
Examples:
  millhand data report security_manual
  millhand data report security_manual --config manual --out manual.html
  millhand data report security_manual --json

The page is one HTML file that fetches nothing. Lengths are in tokens if a config that names the dataset
has its model's tokenizer on this machine, else in characters."""


@click.command(epilog=_EPILOG)
@click.argument("name")
@click.option("--out", type=click.Path(path_type=Path), help="Else dataset_registry/NAME/report.html.")
@click.option("--config", help="Measure against this config; else the first that names the dataset.")
@click.option("--tokenizer", type=click.Path(path_type=Path), metavar="DIR", help="Count this one's tokens.")
@click.option("--seed", default=0, show_default=True, help="Draws the rows that are shown.")
@json_option
def report(
    name: str, out: Path | None, config: str | None, tokenizer: Path | None, seed: int, as_json: bool
) -> None:
    """Write a page on dataset NAME: sources, steps, lengths, splits and proof, rows."""
    from millhand.datasets.registry import Registry
    from millhand.datasets.report.page import FILE, make_report, render
    from millhand.datasets.standing import find_made, name_of
    from millhand.files import write_text
    from millhand.training.ruler import ruler_for
    from millhand.wording import counted
    from millhand.workspace import find_workspace

    workspace = find_workspace()
    registry = Registry(workspace.registry)
    built = find_made(registry, name)
    ruler = ruler_for(workspace, [made.name for made in built.datasets], config=config, tokenizer=tokenizer)
    made = make_report(registry, name, ruler, seed=seed)
    path = out or registry.folder / name_of(built) / FILE
    write_text(path, render(made))
    if as_json:
        print_json({"file": workspace.relative(path), **_facts(made)})
    else:
        click.echo(workspace.relative(path))
        told = counted(made.facts.total, "row"), counted(len(built.findings), "finding")
        say(f"{', '.join(told)}. Open it in a browser.")


def _facts(made: Report) -> dict[str, Any]:
    facts = made.facts
    lengths = {split: some.summary() for split, some in facts.lengths.items()}
    return {
        "rows": dict(facts.rows),
        "documents": len(facts.documents.seen),
        "lengths": {"unit": made.ruler.unit, "cutoff_len": made.ruler.limit, **lengths},
        "over_cutoff_len": facts.over.total(),
        "same_rows": facts.same_rows,
        "rows_in_two_splits": len(facts.texts.crossed),
        "documents_in_two_splits": len(facts.documents.crossed),
        "personal_data_left": dict(facts.personal),
        "not_made": made.failures.total,
        "corrections": len(made.corrections),
        "findings": len(made.built.findings),
    }
