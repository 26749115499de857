"""Writes docs/commands.md from the commands' own help: ``python -m millhand.cli.reference FILE``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from millhand.cli.main import millhand
from millhand.files import write_text

WIDTH = 100


def commands(context: click.Context) -> Iterator[click.Context]:
    """A command's context and those of every command below it, in the order of the help."""
    yield context
    command = context.command
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is not None:
                yield from commands(_context(child, name, context))


def root_context() -> click.Context:
    """The context of ``millhand`` itself."""
    return _context(millhand, "millhand", None)


def reference() -> str:
    """The whole reference as Markdown."""
    parts = ["# Commands\n\nMade by `make docs` from each command's `--help`."]
    for context in commands(root_context()):
        parts.append(f"## {context.command_path}\n\n```text\n{context.get_help().rstrip()}\n```")
    return "\n\n".join(parts) + "\n"


def _context(command: click.Command, name: str, parent: click.Context | None) -> click.Context:
    # Not click.Context(): only make_context takes the command's own settings.
    return command.make_context(
        name, [], parent=parent, resilient_parsing=True, terminal_width=WIDTH, max_content_width=WIDTH
    )


if __name__ == "__main__":
    write_text(Path(sys.argv[1]), reference())
