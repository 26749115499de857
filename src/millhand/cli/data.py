"""``millhand data``: add, list, show, remove; what builds of documents stands in data_build."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from millhand.cli import data_build, data_report, data_review
from millhand.cli.group import Group
from millhand.cli.output import (
    ask_first,
    json_option,
    print_facts,
    print_json,
    print_table,
    say,
    show_findings,
    stdout,
)
from millhand.wording import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from millhand.datasets.add import Added
    from millhand.datasets.inspect import Contents
    from millhand.datasets.registry import Dataset, Registry
    from millhand.text.lengths import Lengths

_BAR_WIDTH = 40


@click.group(cls=Group, epilog="\b\nExamples:\n  millhand data add qa.xlsx\n  millhand data show qa")
def data() -> None:
    """Make datasets of tables and documents; list, show and remove them."""


data.add_command(data_build.build)
data.add_command(data_build.new)
data.add_command(data_build.steps)
data.add_command(data_report.report)
data.add_command(data_review.review)


_ADD_EPILOG = """\b
Examples:
  millhand data add qa.xlsx
  millhand data add 민원.csv --map instruction=질문,output=답변 --name minwon
  millhand data add chats.jsonl --shape openai --licence CC-BY-4.0
  millhand data add qa.xlsx --replace"""


@data.command(epilog=_ADD_EPILOG)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--name", help="The dataset's name; else the file's.")
@click.option("--shape", type=click.Choice(["alpaca", "sharegpt", "openai"]), help="Else found out.")
@click.option(
    "--map",
    "mappings",
    multiple=True,
    metavar="TARGET=COLUMN,…",
    help="Which column is what: instruction=질문,output=답변; else proposed from the columns' names.",
)
@click.option("--sheet", help="A spreadsheet's sheet; else the first with rows.")
@click.option("--encoding", help="Of CSV or JSON: utf-8, cp949, …; else found out.")
@click.option("--system", default="", metavar="TEXT", help="The system prompt of rows without one.")
@click.option("--licence", help="The licence of the data, as an SPDX name.")
@click.option("--description", help="What it is, in a sentence.")
@click.option("--replace", is_flag=True, help="Put it in the place of the dataset of that name.")
@click.option("--skip-bad", is_flag=True, help="Take the good rows; list the others in rejected.jsonl.")
@click.option("--as-text", is_flag=True, help="Take numbers, true and false in JSON as text.")
@json_option
def add(file: Path, mappings: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Make a dataset of FILE: xlsx, xls, CSV, TSV, JSON, JSONL or parquet.

    Rows are in alpaca, sharegpt or openai shape, or in a table whose columns are mapped. Every row is
    checked; if one has a fault, all faults are listed and nothing is written.
    """
    from millhand.datasets.add import AddOptions, add_dataset
    from millhand.datasets.mapping import parse_mapping

    wanted = AddOptions(mapping=parse_mapping(mappings), **options)
    with _Progress(file.name) as progress:
        added = add_dataset(_registry(), file, wanted, progress.rows)
    for note in added.notes:
        say(f"{file.name}: {note}")
    show_findings(added.warnings)
    _print_added(added, as_json=as_json)


class _Progress:
    """Rows read so far, on stderr, where a person looks on."""

    def __init__(self, name: str) -> None:
        from rich.status import Status

        from millhand.cli.output import stderr

        self._name, self._status = name, Status(f"Reading {name} …", console=stderr())

    def __enter__(self) -> _Progress:
        self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._status.stop()

    def rows(self, count: int) -> None:
        """Show a count."""
        self._status.update(f"Reading {self._name}: {count:,} rows")


def _print_added(added: Added, *, as_json: bool) -> None:
    import msgspec

    made = added.definition
    if as_json:
        warnings = [
            {"id": w.id, "message": w.message, "row": w.row, "column": w.column} for w in added.warnings
        ]
        answer = {"status": added.status, **msgspec.to_builtins(made), "rejected": made.rejected}
        print_json({**answer, "notes": list(added.notes), "warnings": warnings})
        return
    click.echo(f"{made.name}: {added.status}, {counted(made.rows, 'row')} ({made.format})")
    if made.rejected:
        say(f"Rows left out: {made.rejected:,}; why stands in dataset_registry/{made.name}/rejected.jsonl")
    say(f"Next: millhand data show {made.name}")


@data.command("list", epilog="\b\nExamples:\n  millhand data list\n  millhand data list --json")
@json_option
def list_(as_json: bool) -> None:
    """List the datasets: those made here, and those that a person entered by hand."""
    registry = _registry()
    definitions = registry.definitions()
    facts = [_listed(name, entry, definitions) for name, entry in registry.entries().items()]
    if as_json:
        print_json(facts)
    elif facts:
        columns = ("name", "rows", "format", "licence", "from")
        print_table("", columns, [[fact[column] for column in columns] for fact in facts])
    else:
        say("There are no datasets yet. Add one: millhand data add FILE")


def _listed(name: str, entry: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    made = definitions.get(name)
    where = made.sources[0].path if made and made.sources else _elsewhere(entry)
    return {
        "name": name,
        "rows": made.rows if made else None,
        "format": entry.get("formatting", "alpaca"),
        "ranking": bool(entry.get("ranking", False)),
        "licence": made.licence if made else "",
        "from": where,
        "by_hand": made is None,
    }


def _elsewhere(entry: Mapping[str, Any]) -> str:
    from millhand.datasets.info import HUBS

    return next((str(entry[key]) for key in (*HUBS, "file_name") if key in entry), "")


@data.command(
    epilog="\b\nExamples:\n  millhand data show qa\n  millhand data show qa --rows 10 --tokenizer models/tiny"
)
@click.argument("name")
@click.option("--rows", default=3, show_default=True, type=click.IntRange(min=0), help="Example rows.")
@click.option("--tokenizer", type=click.Path(path_type=Path), metavar="DIR", help="Count its tokens.")
@json_option
def show(name: str, rows: int, tokenizer: Path | None, as_json: bool) -> None:
    """Show what dataset NAME holds: counts, columns, lengths and some rows."""
    from millhand.datasets.inspect import look_into

    dataset = _registry().dataset(name)
    contents = look_into(dataset, examples=rows, tokenizer=tokenizer)
    if as_json:
        print_json(_shown(dataset, contents))
        return
    print_facts(_facts(dataset, contents))
    for what, lengths in (("question", contents.question), ("answer", contents.answer)):
        _draw(f"{what}, {contents.unit}", lengths)
    for number, row in enumerate(contents.examples, 1):
        click.echo(f"\nrow {number}")
        told = {**row, "source": _place(row["source"])} if isinstance(row.get("source"), dict) else row
        print_facts({key: value for key, value in told.items() if value not in ("", [], None)})


def _place(source: Mapping[str, Any]) -> str:
    """Where a row came from, as a person would say it."""
    row = f"row {source['row']}" if source.get("row") else ""
    parts = (source.get("document"), source.get("place") or row, source.get("section"))
    return ", ".join(str(part) for part in parts if part)


def _facts(dataset: Dataset, contents: Contents) -> dict[str, object]:
    made = dataset.definition
    facts: dict[str, object] = {"name": dataset.name, "rows": f"{contents.rows:,}"}
    if contents.trained != contents.rows:
        facts["rows that train"] = f"{contents.trained:,} (LLaMA-Factory skips the others)"
    facts |= {"format": dataset.entry.get("formatting", "alpaca"), "columns": ", ".join(contents.columns)}
    if made is None:
        return facts | {"made by": "hand"}
    facts |= {"licence": made.licence or "not said", "description": made.description.strip()}
    facts |= {"from": ", ".join(f"{s.path} ({s.rows:,} {_unit(s.path)})" for s in made.sources)}
    if contents.edited:
        facts["note"] = "rows.jsonl was changed since it was made"
    return {name: value for name, value in facts.items() if value}


def _unit(path: str) -> str:
    """What a source is counted in: a document is read as passages, the texts under one heading each."""
    from millhand.documents.tables import DELIMITED, JSON, PARQUET, SPREADSHEETS

    return "rows" if path.lower().endswith((*DELIMITED, *JSON, *PARQUET, *SPREADSHEETS)) else "passages"


def _draw(title: str, lengths: Lengths) -> None:
    from rich.markup import escape

    facts = lengths.summary()
    marks = ", ".join(f"{mark} {facts[mark]:,}" for mark in ("min", "median", "p95", "max"))
    stdout().print(f"\n[bold]{escape(title)}[/bold]: {marks}")
    highest = max((bucket.texts for bucket in lengths.histogram()), default=0)
    for low, high, count in lengths.histogram():
        bar = "█" * -(-count * _BAR_WIDTH // max(1, highest))
        stdout().print(f"{f'{low:,}-{high:,}':>15} [cyan]{bar:<{_BAR_WIDTH}}[/cyan] {count:,}")


def _shown(dataset: Dataset, contents: Contents) -> dict[str, Any]:
    import msgspec

    made = msgspec.to_builtins(dataset.definition) if dataset.definition else {}
    lengths = {"question": contents.question, "answer": contents.answer, "whole": contents.whole}
    return {
        **made,
        "name": dataset.name,
        "rows": contents.rows,
        "trained_rows": contents.trained,
        "columns": list(contents.columns),
        "format": dataset.entry.get("formatting", "alpaca"),
        "ranking": bool(dataset.entry.get("ranking", False)),
        "by_hand": dataset.definition is None,
        "edited": contents.edited,
        "rows_path": str(dataset.rows_path),
        "sha256": dataset.sha256,
        "lengths": {"unit": contents.unit, **{name: value.summary() for name, value in lengths.items()}},
        "examples": contents.examples,
    }


@data.command(epilog="\b\nExamples:\n  millhand data remove qa\n  millhand data remove qa --yes")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def remove(name: str, yes: bool, as_json: bool) -> None:
    """Remove dataset NAME: its files and its entry. What Millhand did not make stays."""
    from millhand.datasets.remove import check_removable, remove_dataset
    from millhand.workspace import check_name

    registry, name = _registry(), check_name(name, "dataset")
    check_removable(registry, name)
    if not yes:
        ask_first(f"Remove dataset {name} and its rows?")
    left = remove_dataset(registry, name)
    if as_json:
        print_json({"removed": name, "left": left})
        return
    say(f"Removed dataset {name}.")
    if left:
        say(f"Not made by Millhand, so left in dataset_registry/{name}/: {', '.join(left)}")


def _registry() -> Registry:
    from millhand.datasets.registry import Registry
    from millhand.workspace import find_workspace

    return Registry(find_workspace().registry)
