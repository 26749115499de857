"""``millhand train``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from millhand.cli.output import json_option, print_facts, print_json, say
from millhand.cli.place import config_argument, pod_option

if TYPE_CHECKING:
    from millhand.runs.train import Trained

EPILOG = """\b
Examples:
  millhand train qa              the same inputs: goes on, or says that it is done
  millhand train qa --resume     go on from the last whole checkpoint
  millhand train qa --run qa-2   go on with that run, whatever the config says now
  millhand train qa --new        once more, under a new name

  millhand train qa --pod l4 --export   rent, train, merge, bring home, give back

CONFIG is a project of llamafactory_configs/, or the path of its train.yaml.
Ctrl-C saves a checkpoint and stops; the run can be gone on with. On another machine the run goes on
without this one: Ctrl-C only stops following it, and the same command follows it again. A pod that was
rented for the run is given back when what it made is here, and by its own lease in any case."""

_LOSSES = ("loss", "eval_loss", "best_eval_loss")


@click.command(epilog=EPILOG)
@config_argument
@click.option("--resume", is_flag=True, help="Go on with an earlier run; fail where there is none.")
@click.option("--run", "run_name", default="", help="Go on with this run as it was configured then.")
@click.option("--new", is_flag=True, help="Start a new run, whatever is there.")
@click.option("--export", "exports", is_flag=True, help="Merge the adapter too, before a pod is given back.")
@click.option("--keep", is_flag=True, help="Do not give the rented pod back; `millhand down` does.")
@click.option("--anyway", is_flag=True, help="Rent even where it does not fit, or outlasts the lease.")
@pod_option
@json_option
def train(
    config: str,
    resume: bool,
    run_name: str,
    new: bool,
    exports: bool,
    keep: bool,
    anyway: bool,
    pod_name: str,
    as_json: bool,
) -> None:
    """Train the model that CONFIG describes, with LLaMA-Factory."""
    from millhand.cli.watch import TrainingBar
    from millhand.errors import UsageError
    from millhand.runs.export import Exporting
    from millhand.runs.foresight import foresee
    from millhand.runs.opening import open_pod
    from millhand.runs.train import Training
    from millhand.training.project import open_project
    from millhand.workspace import find_workspace

    if new and (resume or run_name):
        raise UsageError("--new starts a run; --resume and --run go on with one.", mend="Give one of them.")
    workspace = find_workspace()
    project = open_project(workspace, config)
    pod = open_pod(
        workspace,
        pod_name,
        say,
        foresee=lambda there, run: foresee(workspace, project, there, say, run=run, anyway=anyway),
    )
    with TrainingBar() as bar:
        training = Training(workspace, pod, project, bar, exports=exports)
        trained = training.train(resume=resume, new=new, run_name=run_name)
        merged = Exporting(workspace, pod, project, bar).export(trained.run.name) if exports else None
        if not keep:
            training.release(trained.run)
    there = "" if pod.shared else f" --pod {pod_name}"
    _show(trained, merged.folder if merged else None, there, as_json=as_json)


def _show(trained: Trained, merged: str | None, there: str, *, as_json: bool) -> None:
    run = trained.run
    answer = {"run": run.name, "output_dir": run.output_dir, "again": trained.again, "curve": trained.curve}
    if as_json:
        print_json({**answer, "merged": merged, "results": trained.results})
        return
    if trained.again:
        say("These inputs were trained before; nothing was done (`--new` trains once more).")
    results = trained.results
    shown = {
        name.replace("_", " "): f"{results[name]:.4f}" for name in _LOSSES if results.get(name) is not None
    }
    facts = {
        "run": run.name,
        "output": run.output_dir,
        "steps": f"{results['steps']} of {results['max_steps']}",
        **shown,
        "trained for": f"{results['training_s']:.0f} s",
        "loss curve": trained.curve,
        "merged model": merged,
    }
    print_facts({name: value for name, value in facts.items() if value is not None})
    say(f"Next: millhand chat {run.project}" if merged else f"Next: millhand export {run.project}{there}")
