"""``millhand data review``: rows out to a person, corrections back in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from millhand.cli.output import json_option, print_json, say

if TYPE_CHECKING:
    from millhand.datasets.built import Built
    from millhand.datasets.registry import Registry

_EPILOG = """\b
Examples:
  millhand data review security_manual --out rows.csv
  millhand data review security_manual --in rows.csv && millhand data build security_manual
  millhand data review security_manual

In the CSV, change `question` and `answer`, write x under `delete`, write what you like under `note`; an
emptied question or answer becomes again what was generated. The corrections are kept in
dataset_registry/NAME/corrections.jsonl and put to the rows at every build. One whose row is gone, or
answered otherwise by now, is listed by the build."""


@click.command(epilog=_EPILOG)
@click.argument("name")
@click.option("--out", type=click.Path(path_type=Path), metavar="CSV", help="Write the rows for a person.")
@click.option("--in", "in_", type=click.Path(path_type=Path), metavar="CSV", help="Take corrections back.")
@json_option
def review(name: str, out: Path | None, in_: Path | None, as_json: bool) -> None:
    """Have a person correct the rows of the built dataset NAME in a spreadsheet.

    Without --out and --in, say how many corrections there are.
    """
    from millhand.datasets.registry import Registry
    from millhand.datasets.standing import find_built
    from millhand.workspace import find_workspace

    if out and in_:
        raise click.UsageError("Give --out or --in, not both.")
    registry = Registry(find_workspace().registry)
    built = find_built(registry, name)
    if out:
        _write(registry, built, out, as_json=as_json)
    elif in_:
        _take(registry, built, in_, as_json=as_json)
    else:
        _count(registry, built, as_json=as_json)


def _write(registry: Registry, built: Built, path: Path, *, as_json: bool) -> None:
    from millhand.datasets.review.sheet import write_sheet

    sheet = write_sheet(registry, built, path)
    if as_json:
        print_json({"file": str(path), "rows": sheet.lines, "long_cells": sheet.long})
        return
    if sheet.long:
        say(f"{sheet.long:,} cells are longer than Excel keeps: correct those rows in another program.")
    say(f"Wrote {path}: {sheet.lines:,} rows. Change question and answer; x under delete leaves a row out.")
    say(f"Next: millhand data review {built.datasets[0].name} --in {path}")


def _take(registry: Registry, built: Built, path: Path, *, as_json: bool) -> None:
    from millhand.datasets.review.sheet import take_sheet

    taken = take_sheet(registry, built, path)
    if as_json:
        print_json({**taken.counts, "corrections": taken.corrections})
        return
    for deed, count in sorted(taken.counts.items()):
        click.echo(f"{deed}: {count:,}")
    say(f"{taken.corrections:,} corrections are kept. Next: millhand data build {built.datasets[0].name}")


def _count(registry: Registry, built: Built, *, as_json: bool) -> None:
    from millhand.datasets.review.corrections import read_corrections
    from millhand.datasets.standing import name_of

    corrections = read_corrections(registry.folder / name_of(built))
    without = [f.message for f in built.findings if f.id == "data.correction-without-row"]
    counts = {
        "corrected": sum(correction.now is not None for correction in corrections),
        "deleted": sum(correction.delete for correction in corrections),
        "noted": sum(bool(correction.note) for correction in corrections),
        "without_row": len(without),
    }
    if as_json:
        print_json({"corrections": len(corrections), **counts, "lost": without})
        return
    click.echo(f"{len(corrections):,} corrections")
    for name, count in counts.items():
        click.echo(f"  {name.replace('_', ' ')}: {count:,}")
    for message in without:
        say(f"  {message}")
    if not corrections:
        say(f"Begin: millhand data review {built.datasets[0].name} --out rows.csv")
