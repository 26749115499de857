"""``millhand ui`` and ``millhand tensorboard``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from millhand.cli.output import say
from millhand.cli.place import open_pod, pod_option

if TYPE_CHECKING:
    from millhand.pods.base import JobHandle

EPILOG = """\b
Examples:
  millhand ui                    on this machine
  millhand ui --pod l4           on the rented pod, seen at http://127.0.0.1:7860
  millhand ui --pod l4 --open    and open the browser

The workspace's datasets are in its list, and its configs behind "Load arguments". It has no password, so
it listens on 127.0.0.1 alone. Ctrl-C ends it; a training that was started on it goes on on its pod."""

TENSORBOARD_EPILOG = """\b
Examples:
  millhand tensorboard --pod l4

Runs write for it where their train.yaml says `report_to: tensorboard`."""

port_help = "The port of this machine's 127.0.0.1."
open_option = click.option("--open", "opens", is_flag=True, help="Open the page in the browser.")


@click.command(epilog=EPILOG)
@click.option("--port", default=7860, show_default=True, type=click.IntRange(1, 65535), help=port_help)
@click.option("--lang", default="ko", show_default=True, type=click.Choice(("ko", "en", "zh", "ru", "ja")))
@open_option
@pod_option
def ui(port: int, lang: str, opens: bool, pod_name: str) -> None:
    """Show LLaMA-Factory's WebUI with this workspace in it, until Ctrl-C."""
    from millhand.runs.webui import web_ui
    from millhand.workspace import find_workspace

    workspace = find_workspace()
    pod = open_pod(workspace, pod_name)
    say("Starting the WebUI …")
    with web_ui(workspace, pod, at=port, language=lang) as (url, handle):
        _stay(f"The WebUI is at {url} (Ctrl-C ends it).", url, handle, opens=opens)


@click.command(epilog=TENSORBOARD_EPILOG)
@click.option("--port", default=6006, show_default=True, type=click.IntRange(1, 65535), help=port_help)
@open_option
@pod_option
def tensorboard(port: int, opens: bool, pod_name: str) -> None:
    """Show TensorBoard over the runs' logs, until Ctrl-C."""
    from millhand.runs import webui
    from millhand.workspace import find_workspace

    pod = open_pod(find_workspace(), pod_name)
    say("Starting TensorBoard …")
    with webui.tensorboard(pod, at=port) as (url, handle):
        _stay(f"TensorBoard is at {url} (Ctrl-C ends it).", url, handle, opens=opens)


def _stay(told: str, url: str, handle: JobHandle, *, opens: bool) -> None:
    from millhand.errors import TrainingError
    from millhand.runs.follow import log_tail

    say(told)
    if opens:
        import webbrowser

        webbrowser.open(url)
    while handle.status().alive:
        time.sleep(0.5)
    raise TrainingError(f"It ended. The last it printed:\n{log_tail(handle)}")
