"""``millhand export``."""

from __future__ import annotations

import click

from millhand.cli.output import json_option, print_facts, print_json, say
from millhand.cli.place import config_argument, open_place, pod_option

EPILOG = """\b
Examples:
  millhand export qa
  millhand export qa --run qa-2
  millhand export qa --pod l4 --there"""


@click.command(epilog=EPILOG)
@config_argument
@click.option("--run", "run_name", default="", help="A finished run of the project; the last one by default.")
@pod_option
@click.option("--there", is_flag=True, help="Leave the model on the pod, for `millhand push model --pod`.")
@json_option
def export(config: str, run_name: str, pod_name: str, there: bool, as_json: bool) -> None:
    """Merge a trained adapter into its base; done when the result was loaded and has spoken.

    It comes home from a pod, and a pod that was rented for the run ends; with --there it stays, and so does
    the pod.
    """
    from millhand.cli.watch import TrainingBar
    from millhand.runs.export import Exporting

    workspace, project, pod = open_place(config, pod_name)
    there = there and not pod.shared
    exported = Exporting(workspace, pod, project, TrainingBar(), there=there).export(run_name)
    released = None if there else pod.release()
    if released is not None:
        say(f"{released}")
    facts = {name: exported.facts[name] for name in ("parameters", "dtype", "question", "answer")}
    answer = {"run": exported.run.name, "folder": exported.folder, **facts}
    if as_json:
        print_json({**answer, "again": exported.again})
        return
    if exported.again:
        say("It was exported before; nothing was done.")
    print_facts(answer)
    after = f"push model {project.name} --to USER/NAME --pod {pod_name}" if there else f"chat {project.name}"
    say(f"Next: millhand {after}")
