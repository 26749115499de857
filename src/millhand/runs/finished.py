"""Finished runs: what makes one, finding one, and telling when what it was made from has changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from millhand.errors import Finding, TrainingError, UsageError
from millhand.llamafactory.log import FILE_NAME as LOG_NAME
from millhand.llamafactory.log import TrainerLog, read_log
from millhand.llamafactory.yaml import read_yaml
from millhand.pods.base import Pod
from millhand.runs import manifest
from millhand.runs.environment import training_environment
from millhand.runs.follow import inspect_output
from millhand.runs.ledger import Ledger, Run, StepMark
from millhand.runs.places import pod_settings
from millhand.runs.plan import VERIFIED
from millhand.training.effective import SHARED, makes_adapter
from millhand.training.project import Project
from millhand.workspace import STATE, Workspace

# What a finished run need not be fetched with: it is many times the size of what it made.
UNFETCHED = ("checkpoint-*", "set-aside-*")
EXPORTED = "export:"  # the step that made a merged model, followed by its folder
_DEFAULTS = {"finetuning_type": "lora"}  # LLaMA-Factory's own, hparams/finetuning_args.py
_FREE = ("use_fast_tokenizer",)
_FREE_IN_CHAT = (*_FREE, "default_system", "enable_thinking")


def open_ledger(workspace: Workspace) -> Ledger:
    """The ledger of a workspace."""
    return Ledger(workspace.state / "ledger.sqlite")


def job_name(run: Run) -> str:
    """The job that trains a run."""
    return training_job(run.name)


def training_job(run: str) -> str:
    """The job that trains the run of that name."""
    return f"train-{run}"


def config_path(run: Run) -> str:
    """The YAML that LLaMA-Factory was given for a run, in the workspace."""
    return f"{STATE}/runs/{run.name}/train.yaml"


def run_log(pod: Pod, run: Run) -> TrainerLog:
    """What a run has logged."""
    return read_log([pod.attach(job_name(run)).read(f"{run.output_dir}/{LOG_NAME}")])


def settle(
    workspace: Workspace, pod: Pod, ledger: Ledger, run: Run, state: Mapping[str, Any]
) -> dict[str, Any]:
    """Verify a run whose weights are whole: write its manifest and mark it; return its results.

    Raises:
        TrainingError: Its losses are no numbers: the weights are worth nothing.
    """
    log = run_log(pod, run)
    if log.diverged_at is not None:
        raise TrainingError(
            f"Run {run.name} diverged: from step {log.diverged_at} on its loss is no number, or 0.",
            mend="Lower learning_rate, or raise the warm-up, and train again.",
        )
    ledger.begin(run.name, VERIFIED)
    results = manifest.results(log, state)
    environment = training_environment(pod, pod_settings(workspace, pod))
    path = workspace.root / config_path(run)
    given = read_yaml(path) if path.is_file() else run.facts["config"]
    pod.get([run.output_dir], exclude=UNFETCHED)
    written = manifest.build_manifest(run, given, environment.as_facts(), results)
    manifest.write_manifest(workspace.root / run.output_dir / manifest.FILE_NAME, written)
    ledger.finish(run.name, VERIFIED, results)
    return results


def finished_run(workspace: Workspace, pod: Pod, project: Project, name: str = "") -> Run:
    """The last finished run of a project, or the one named.

    A run that a trainer finished while nobody followed it is verified now.

    Raises:
        UsageError: There is none, or what it made is gone.
    """
    ledger = open_ledger(workspace)
    runs = [run for run in ledger.runs(project.name) if _is_finished(workspace, pod, ledger, run)]
    chosen = [run for run in runs if not name or run.name == name]
    if not chosen:
        what = f"run {name!r} that is finished" if name else "finished run"
        there = f"Finished are: {', '.join(run.name for run in runs)}."
        mend = there if runs else f"Train one: `millhand train {project.name}`."
        raise UsageError(f"{project.name} has no {what}.", mend=mend)
    if not inspect_output(pod, chosen[-1].output_dir)["finished"]:
        raise UsageError(
            f"{chosen[-1].output_dir}, which run {chosen[-1].name} made, is gone or damaged.",
            mend=f"Train it again: `millhand train {project.name}`.",
        )
    return chosen[-1]


def _is_finished(workspace: Workspace, pod: Pod, ledger: Ledger, run: Run) -> bool:
    if ledger.done(run.name, VERIFIED):
        return True
    state = inspect_output(pod, run.output_dir)
    if not state["finished"] or pod.attach(job_name(run)).status().alive:
        return False
    settle(workspace, pod, ledger, run, state)
    return True


def exported(pod: Pod, ledger: Ledger, run: Run) -> StepMark | None:
    """The mark of the run's last export whose model is still whole."""
    marks = [mark for mark in ledger.steps(run.name) if mark.name.startswith(EXPORTED) and mark.done_s]
    marks.sort(key=lambda mark: mark.done_s or 0.0)
    return next(
        (mark for mark in reversed(marks) if not inspect_output(pod, mark.facts["folder"])["fault"]), None
    )


def check_against_run(
    values: Mapping[str, Any], run: Run, file: str, *, chat: bool = False
) -> Iterator[Finding]:
    """Find where export.yaml or chat.yaml does not fit what was trained.

    LLaMA-Factory merges on any base of the same shape, and answers with any template.
    """
    trained, given = {**_DEFAULTS, **run.facts["config"]}, {**_DEFAULTS, **values}
    free = _FREE_IN_CHAT if chat else _FREE
    own = ("model_name_or_path", "finetuning_type") if makes_adapter(trained) else ()
    for key in (*own, *(key for key in SHARED if key not in free)):
        if (given.get(key) or None) != (trained.get(key) or None):
            message = f"{key} is {given.get(key)!r}, the run was trained with {trained.get(key)!r}."
            why = "On another base or template a model answers worse, without an error."
            mend = (
                f"Write `{key}: {trained.get(key)}` in {file}."
                if key in trained
                else f"Take {key} out of {file}."
            )
            yield Finding(
                id="run.other-base", severity="error", file=file, message=message, why=why, mend=mend
            )


def check_base(workspace: Workspace, ledger: Ledger, run: Run) -> Iterator[Finding]:
    """Find whether the base that an adapter was trained on has been replaced since."""
    trained = run.facts["config"]
    if not makes_adapter(trained):
        return
    now = manifest.model_facts(workspace, ledger, trained)
    before = run.facts["model"]
    if now != before:
        files = {**before.get("files", {}), **now.get("files", {})}
        other = [
            name for name in files if before.get("files", {}).get(name) != now.get("files", {}).get(name)
        ]
        yield Finding(
            id="run.base-changed",
            severity="error",
            file=str(trained["model_name_or_path"]),
            message=f"The base is not what {run.name} was trained on: {', '.join(sorted(other)) or 'all'}.",
            why="An adapter fits only the weights that it was trained on.",
            mend=f"Put the old base back, or train again: `millhand train {run.project}`.",
        )
