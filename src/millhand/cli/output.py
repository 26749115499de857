"""What commands print: data on stdout (a table or JSON), everything else on stderr."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

import click
import orjson

from millhand.errors import Finding, FindingsError, MillhandError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

json_option = click.option("--json", "as_json", is_flag=True, help="Answer in JSON on stdout.")

_COLOURS = {"error": "bold red", "warning": "yellow", "note": "cyan"}


@cache
def stdout() -> Console:
    """The console that data goes to."""
    from rich.console import Console

    return Console(highlight=False, soft_wrap=True)


@cache
def stderr() -> Console:
    """The console that progress, notes and errors go to."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, soft_wrap=True)


def say(text: str) -> None:
    """Tell the person something that is not the command's answer."""
    click.echo(text, err=True)


def is_agreed(question: str) -> bool:
    """Ask a person a question of yes or no, on stderr.

    Raises:
        UsageError: Nobody is there to answer.
    """
    try:
        return click.confirm(question, err=True)
    except click.Abort as error:
        if not isinstance(error.__context__, EOFError):  # Ctrl-C
            raise
    say("")
    raise UsageError(f"{question} Nobody is here to answer.", mend="Agree beforehand: the same with `--yes`.")


def ask_first(question: str) -> None:
    """Go on only when a person agrees.

    Raises:
        UsageError: Nobody is there to answer.
        click.Abort: The answer is no.
    """
    if not is_agreed(question):
        raise click.Abort


def print_json(value: object) -> None:
    """Print one JSON document, keys as given, Hangul as it is."""
    click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode("utf-8"))


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table; cells are text, never markup."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title) if title else None, title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")  # cut off with "…" a path could not be copied
    for row in rows:
        table.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
    stdout().print(table)


def print_facts(facts: Mapping[str, object]) -> None:
    """Print names and values, a line each."""
    width = max((len(name) for name in facts), default=0)
    for name, value in facts.items():
        click.echo(f"{name:<{width}}  {value}")


def show_findings(findings: Iterable[Finding]) -> None:
    """Show findings on stderr: place and fault, then why it matters, then the mend."""
    from rich.text import Text

    for finding in findings:
        line = Text(finding.severity, style=_COLOURS[finding.severity])
        where = f" {finding.where}:" if finding.where else ""
        line.append(f"{where} {finding.message}  [{finding.id}]", style="default")
        stderr().print(line)
        for label, text in (("why", finding.why), ("mend", finding.mend)):
            if text:
                stderr().print(Text(f"  {label}: {text}"))


def show_error(error: MillhandError, *, as_json: bool, answer: Mapping[str, object] | None = None) -> None:
    """Show an error; with ``--json`` the answer on stdout says the same to a program, in one document.

    Args:
        error: What went wrong.
        as_json: Whether a program reads along.
        answer: What was done all the same: further names of that document.
    """
    findings = error.findings if isinstance(error, FindingsError) else ()
    if as_json:
        fault = {"error": error.message, "mend": error.mend, "findings": list(findings)}
        print_json({**(answer or {}), **fault})
    show_findings(findings)
    say(f"millhand: {error.message}")
    if error.mend:
        say(error.mend)
