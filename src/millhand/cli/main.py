"""The root command. Each subcommand's module is imported only when that subcommand is called."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from millhand import __version__
from millhand.cli.interrupts import patient_interrupts

if TYPE_CHECKING:
    from millhand.errors import MillhandError

# name -> (module:attribute, one line of help); the help stands here so that `millhand --help` imports none
COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("millhand.cli.demo:demo", "See all of it: a spreadsheet becomes a model that answers."),
    "init": ("millhand.cli.init:init", "Lay an empty workspace down."),
    "doctor": ("millhand.cli.doctor:doctor", "Say what this machine has and lacks for training."),
    "install": ("millhand.cli.install:install", "Bring the training stack into this environment."),
    "docs": ("millhand.cli.docs:docs", "Read documents: PDF, DART filings, HTML, Markdown, spreadsheets."),
    "dart": ("millhand.cli.dart:dart", "Fetch DART filings; make documents, sentences and chunks of them."),
    "data": ("millhand.cli.data:data", "Make datasets of tables and documents."),
    "config": ("millhand.cli.config:config", "Write LLaMA-Factory's configurations from presets."),
    "check": ("millhand.cli.check:check", "Find what would make a run fail, before it starts."),
    "plan": ("millhand.cli.plan:plan", "Estimate memory, time and price on each GPU, before renting one."),
    "model": ("millhand.cli.model:model", "Make a model that training starts from."),
    "train": ("millhand.cli.train:train", "Train what a config describes, with LLaMA-Factory."),
    "export": ("millhand.cli.export:export", "Merge a trained adapter into its base."),
    "gguf": ("millhand.cli.gguf:gguf", "Write a merged model as GGUF, for llama.cpp and Ollama."),
    "chat": ("millhand.cli.chat:chat", "Ask a trained model."),
    "serve": ("millhand.cli.serve:serve", "Serve a trained model, OpenAI-compatible, on 127.0.0.1."),
    "push": ("millhand.cli.push:push", "Publish a model or a dataset on the Hugging Face Hub."),
    "pull": ("millhand.cli.pull:pull", "Fetch a model or a dataset from the Hugging Face Hub."),
    "sync": ("millhand.cli.sync:sync", "Bring the workspace to a pod, and what it made back."),
    "ui": ("millhand.cli.ui:ui", "Show LLaMA-Factory's WebUI, here or on a pod."),
    "tensorboard": ("millhand.cli.ui:tensorboard", "Show TensorBoard over the runs' logs."),
    "evaluate": ("millhand.cli.evaluate:evaluate", "Count the exact answers of a trained model."),
    "up": ("millhand.cli.up:up", "Rent a GPU that a pod file describes."),
    "down": ("millhand.cli.up:down", "End a rented pod."),
    "pods": ("millhand.cli.pods:pods", "List the rented pods: status, age, price, deadline."),
    "cost": ("millhand.cli.pods:cost", "Show what pods cost: expected, measured, billed."),
    "reap": ("millhand.cli.pods:reap", "End rented pods that should be over."),
    "hosts": ("millhand.cli.hosts:hosts", "List the host keys that are trusted, or forget one."),
    "runs": ("millhand.cli.runs:runs", "List runs and how far they are."),
    "ps": ("millhand.cli.jobs:ps", "List jobs, here and on pods: how far they are, what is wrong."),
    "attach": ("millhand.cli.jobs:attach", "Follow a run that trains somewhere."),
    "logs": ("millhand.cli.jobs:logs", "Show what a run printed."),
    "stop": ("millhand.cli.jobs:stop", "Have a run save a checkpoint and end."),
    "resume": ("millhand.cli.jobs:resume", "Go on with a run from its last whole checkpoint."),
}

EPILOG = """\b
Examples:
  millhand init esg && cd esg
  millhand data add qa.xlsx --map instruction=질문,output=답변
  millhand config new qa --preset llama3-8b-qlora-l4 --dataset qa
  millhand train qa

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 findings, 130 interrupted."""


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports a command's module on first use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order in which a newcomer meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module and return the command."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or name the one that was likely meant."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            from millhand.text.normal import did_you_mean

            ctx.fail(f"No such command {name!r}. {did_you_mean(name, COMMANDS)}".rstrip())
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands with their help, importing none of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="millhand")
def millhand() -> None:
    """Take a domain's documents to a fine-tuned, published and served LLaMA-Factory model."""


def main(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; what can be expected to go wrong becomes text."""
    as_json = "--json" in arguments
    try:
        with patient_interrupts():
            result = millhand.main(args=list(arguments), prog_name="millhand", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return _told(error.format_message(), error.exit_code, as_json=as_json)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        return _told("Interrupted.", 130, as_json=as_json)
    except BrokenPipeError:  # whoever read the answer has enough of it
        return 1
    except OSError as error:  # a full disk, a folder that may not be written
        click.echo(f"millhand: {error}", err=True)
        return _told(str(error), 1, as_json=as_json)
    except _errors() as error:
        from millhand.cli.output import show_error

        show_error(error, as_json=as_json)
        return error.exit_code
    return result if isinstance(result, int) else 0


def _errors() -> type[MillhandError]:
    """The root of Millhand's errors; looked up when one is raised, not at every start."""
    from millhand.errors import MillhandError

    return MillhandError


def _told(message: str, code: int, *, as_json: bool) -> int:
    if as_json:
        from millhand.cli.output import print_json

        print_json({"error": message, "mend": "", "findings": []})
    return code
