"""``millhand serve``."""

from __future__ import annotations

import time

import click

from millhand.cli.output import say
from millhand.cli.place import model_argument, open_model, pod_option

EPILOG = """\b
Examples:
  millhand serve qa --port 8000
  curl -H "Authorization: Bearer $MILLHAND_API_KEY" http://127.0.0.1:8000/v1/models

The key is MILLHAND_API_KEY of the environment or the workspace's .env. Only 127.0.0.1 can reach it."""


@click.command(epilog=EPILOG)
@model_argument
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535))
@click.option("--merged/--adapter", default=None, help="Which model; the merged one if there is one.")
@pod_option
def serve(config: str, port: int, merged: bool | None, pod_name: str) -> None:
    """Serve the model of CONFIG's last finished run, or of FOLDER, OpenAI-compatible, until Ctrl-C."""
    from millhand.errors import TrainingError
    from millhand.runs.follow import log_tail
    from millhand.runs.serve import serving, serving_key

    workspace, pod, served = open_model(config, pod_name, merged)
    key = serving_key(workspace)
    say(f"Loading {served.what} …")
    with serving(workspace, pod, served, key=key, port=port) as (endpoint, handle):
        say(f"Serving {served.name} at {endpoint.url} (Ctrl-C ends it).")
        while handle.status().alive:
            time.sleep(0.5)
        raise TrainingError(f"The server ended. The last it printed:\n{log_tail(handle)}")
