"""``millhand chat``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from millhand.cli.output import json_option, print_json, say, stdout
from millhand.cli.place import model_argument, open_model, pod_option

if TYPE_CHECKING:
    from millhand.endpoint import Endpoint, Message

EPILOG = """\b
Examples:
  millhand chat qa                          a conversation; an empty line ends it
  millhand chat qa -m "체인은 언제 닦나요?"    one question
  millhand chat qa --adapter                the adapter on its base, not the merged model
  millhand chat models/minwon               a model that `millhand pull` brought"""


@click.command(epilog=EPILOG)
@model_argument
@click.option("-m", "--message", "questions", multiple=True, help="Ask this and end; may be given again.")
@click.option("--merged/--adapter", default=None, help="Which model; the merged one if there is one.")
@pod_option
@json_option
def chat(config: str, questions: tuple[str, ...], merged: bool | None, pod_name: str, as_json: bool) -> None:
    """Ask the model that CONFIG's last finished run made, or the one in FOLDER."""
    from millhand.runs.serve import serving

    workspace, pod, served = open_model(config, pod_name, merged)
    say(f"Loading {served.what} …")
    with serving(workspace, pod, served) as (endpoint, _):
        if questions:
            _ask(endpoint, questions, as_json=as_json)
        else:
            _converse(endpoint)


def _ask(endpoint: Endpoint, questions: tuple[str, ...], *, as_json: bool) -> None:
    answers = []
    for question in questions:
        answer = endpoint.chat([{"role": "user", "content": question}])
        answers.append({"question": question, "answer": answer})
        if not as_json:  # at once: a later question may fail
            click.echo(f"Q: {question}\nA: {answer}\n")
    if as_json:
        print_json(answers)


def _converse(endpoint: Endpoint) -> None:
    said: list[Message] = []
    say("An empty line ends the conversation.")
    while question := _next_question():
        said.append({"role": "user", "content": question})
        pieces = []
        for piece in endpoint.stream(said):
            pieces.append(piece)
            stdout().out(piece, end="", highlight=False)
        click.echo()
        said.append({"role": "assistant", "content": "".join(pieces)})


def _next_question() -> str:
    try:
        return str(click.prompt("", prompt_suffix="> ", default="", show_default=False, err=True)).strip()
    except click.Abort:  # the end of the input, or Ctrl-C, ends a conversation as an empty line does
        return ""
