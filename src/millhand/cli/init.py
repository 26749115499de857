"""``millhand init``."""

from __future__ import annotations

from pathlib import Path

import click

from millhand.cli.output import json_option, print_json, say


@click.command(epilog="\b\nExamples:\n  millhand init esg && cd esg\n  millhand init .")
@click.argument("folder", type=click.Path(path_type=Path))
@json_option
def init(folder: Path, as_json: bool) -> None:
    """Lay an empty workspace down in FOLDER; what is there already stays as it is."""
    from millhand.pods.shipped import lay_down
    from millhand.workspace import create_workspace

    workspace, made = create_workspace(folder)
    made += lay_down(workspace)
    if as_json:
        print_json({"root": str(workspace.root), "made": made})
        return
    say(f"Workspace {workspace.root}: {'made ' + ', '.join(made) if made else 'everything was there'}.")
    say(f"Next: cd {folder} && millhand data add FILE")
