"""The group below the root: its list of commands shows whole sentences."""

from __future__ import annotations

import click

_WHOLE = 10_000  # characters: longer than any sentence


class Group(click.Group):
    """A group whose help wraps what its commands do, where click would cut it off with "…"."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands, each with the first sentence of its help."""
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, self.commands[name].get_short_help_str(_WHOLE)) for name in self.list_commands(ctx)]
            )
