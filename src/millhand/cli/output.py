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

_WORD = 100  # terminal cells: what is longer without a blank is no name or path, and is folded
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
    """Print a table; cells are text, never markup.

    A name or a path stays on one line, to be copied. What goes elsewhere than to a terminal is as wide as
    its cells.
    """
    from rich.table import Table
    from rich.text import Text

    cells = [["" if cell is None else str(cell) for cell in row] for row in rows]
    frame = 3 * len(columns) + 1
    room = stdout().width - frame if stdout().is_terminal else None
    widths = _widths(list(zip(columns, *cells, strict=True)), room)
    table = Table(title=Text(title) if title else None, title_justify="left", width=sum(widths) + frame)
    for column, width in zip(columns, widths, strict=True):
        table.add_column(column, overflow="fold", width=width)
    for row in cells:
        table.add_row(*(Text(cell) for cell in row))
    stdout().print(table)


def _widths(columns: Sequence[Sequence[str]], room: int | None) -> list[int]:
    """How wide columns of these cells are, in all at most ``room`` unless a word needs more.

    The widest gives way first, and none below its longest word.
    """
    from rich.cells import cell_len

    widths = [max(cell_len(line) for cell in column for line in cell.split("\n")) for column in columns]
    least = [max(cell_len(word) for cell in column for word in ("", *cell.split())) for column in columns]
    while room is not None and sum(widths) > room:
        giving = [n for n, width in enumerate(widths) if width > min(least[n], _WORD)]
        if not giving:
            break
        widths[max(giving, key=widths.__getitem__)] -= 1
    return widths


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
