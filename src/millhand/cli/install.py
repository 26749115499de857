"""``millhand install``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from millhand.cli.doctor import local_pod, python_option
from millhand.cli.output import json_option, print_facts, print_json, say

if TYPE_CHECKING:
    from millhand.runs.install import Report
    from millhand.training.install import Step

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_SHOWN = ("torch", "llamafactory", "transformers", "datasets", "accelerate", "peft", "trl", "bitsandbytes")


@click.command(
    epilog="\b\nExamples:\n  millhand install\n  millhand install -c constraints.txt --webui\n"
    "  millhand install --dry-run\n  millhand install --python ~/envs/train/bin/python"
)
@click.option(
    "-c", "--constraint", "constraints", type=_FILE, multiple=True, help="A constraint file of pip's."
)
@click.option("--webui", is_flag=True, help="Also what LLaMA-Factory's WebUI needs (gradio).")
@click.option("--dry-run", is_flag=True, help="Show the commands, run none.")
@python_option
@json_option
def install(
    constraints: tuple[Path, ...], webui: bool, dry_run: bool, python: str | None, as_json: bool
) -> None:
    """Bring LLaMA-Factory and what it trains with into the interpreter that runs millhand.

    pip's own settings (index, proxy, cache) hold; no root, GPU or server is needed. torch comes first,
    in the build that pip offers. Beside a build for CUDA all of LLaMA-Factory's dependencies follow;
    beside one for a CPU the smallest set that trains text models, without torchvision, and without
    torchaudio's native libraries where they do not fit. At the end LLaMA-Factory is started once.

    Repeating goes on where the last one ended; in a finished environment nothing is done.
    """
    from millhand.runs.facts import ask
    from millhand.runs.install import install as bring
    from millhand.runs.install import planned_steps, read_limits
    from millhand.training.install import Wish

    pod = local_pod(python)
    files = tuple(path.absolute() for path in constraints)
    wish = Wish(pod.python, tuple(map(str, files)), read_limits(files), webui)
    if dry_run:
        _show_steps(planned_steps(ask(pod, quick=True), wish), as_json)
        return
    _show_report(bring(pod, wish, say=say), as_json)


def _show_steps(steps: list[Step], as_json: bool) -> None:
    if as_json:
        print_json([{"what": s.what, "when": s.when, "argv": s.command.argv} for s in steps])
        return
    for step in steps:
        click.echo(f"# {step.what}{f' (where torch is a {step.when} build)' if step.when else ''}")
        click.echo(step.command.shown())
    say(
        "Nothing is missing." if not steps else "Then: mend torchaudio where it does not load; start it once."
    )


def _show_report(report: Report, as_json: bool) -> None:
    if as_json:
        print_json(asdict(report))
        return
    versions = {name: report.packages[name] for name in _SHOWN if name in report.packages}
    print_facts({"python": report.python, "build": report.build, **versions})
    done = f"Installed in {report.seconds} s." if report.steps else "Everything was there."
    say(f"{done} LLaMA-Factory starts. See `millhand doctor`.")
