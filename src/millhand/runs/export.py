"""`millhand export`: merge a finished run's adapter, prove that the result loads and speaks, then name it.

The model is written to ``EXPORT_DIR.partial`` and takes its name only when it has generated tokens, so a
folder of that name is always a whole model.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from millhand.datasets.registry import Registry
from millhand.errors import Finding, FindingsError, TrainingError, UsageError
from millhand.files import write_text
from millhand.llamafactory import launch
from millhand.pods.base import Job, Pod
from millhand.runs import manifest
from millhand.runs.environment import training_environment
from millhand.runs.follow import Watcher, inspect_output, log_tail, wait
from millhand.runs.ledger import Ledger, Run
from millhand.runs.plan import VERIFIED
from millhand.runs.train import open_ledger
from millhand.shell import Secret
from millhand.training.check import dataset_names
from millhand.training.effective import export_values, makes_adapter, render
from millhand.training.project import Project
from millhand.workspace import STATE, Workspace

EXPORTED = "export"
NEW_TOKENS = 12
_SAME = ("model_name_or_path", "template", "finetuning_type")
_DEFAULTS = {"finetuning_type": "lora"}  # LLaMA-Factory's own, hparams/finetuning_args.py
_QUANTIZED = ("quantization_bit", "export_quantization_bit")


@dataclass(frozen=True, slots=True)
class Exported:
    """A model on disk that was seen to load and to speak; ``again`` when it was there already."""

    run: Run
    folder: str
    facts: dict[str, Any]
    again: bool


@dataclass(frozen=True, slots=True)
class Exporting:
    """One call of `millhand export`."""

    workspace: Workspace
    pod: Pod
    project: Project
    watcher: Watcher

    def export(self, run_name: str = "") -> Exported:
        """Merge and verify the model of the last finished run, or of the run named.

        Raises:
            UsageError: There is no finished run, or the folder to export to is taken.
            FindingsError: export.yaml does not fit what was trained.
            TrainingError: LLaMA-Factory wrote no model that loads.
        """
        ledger = open_ledger(self.workspace)
        run = finished_run(ledger, self.project, run_name)
        given = self.project.values("export")
        findings = list(check_export(given, run, self.workspace.relative(self.project.path("export"))))
        if findings:
            raise FindingsError(findings, message="Nothing was exported.")
        folder = export_folder(given, run)
        values = export_values(given, run.facts["config"], output_dir=run.output_dir, export_dir=folder)
        found = self._found(ledger, run, folder, values)
        return found or self._export(ledger, run, folder, values)

    def _found(self, ledger: Ledger, run: Run, folder: str, values: Mapping[str, Any]) -> Exported | None:
        mark = ledger.done(run.name, EXPORTED)
        state = inspect_output(self.pod, folder)
        if mark is not None and mark.facts.get("values") == values and not state["fault"]:
            return Exported(run, folder, mark.facts, again=True)
        if state["empty"]:
            return None
        mend = f"Name another export_dir in {self.workspace.relative(self.project.path('export'))}."
        raise UsageError(f"{folder} is not empty, and not the export of run {run.name}.", mend=mend)

    def _export(self, ledger: Ledger, run: Run, folder: str, values: Mapping[str, Any]) -> Exported:
        partial = f"{folder}.partial"
        shutil.rmtree(self.workspace.root / partial, ignore_errors=True)  # an earlier attempt's
        ledger.begin(run.name, EXPORTED)
        env = launch.base_env(
            self.workspace.settings(),
            threads=training_environment(self.pod, self.workspace.settings()).threads,
        )
        self._merge(run, {**values, "export_dir": partial}, env)
        self.watcher.note("Loading what was written and letting it speak.")
        spoken = self._speak(run, partial, env)
        self.pod.get([partial])
        self._keep_manifest(run, partial, spoken)
        (self.workspace.root / partial).rename(self.workspace.root / folder)
        facts = {"values": dict(values), "folder": folder, **spoken}
        ledger.finish(run.name, EXPORTED, facts)
        return Exported(run, folder, facts, again=False)

    def _merge(self, run: Run, values: Mapping[str, Any], env: Mapping[str, str | Secret]) -> None:
        config = f"{STATE}/runs/{run.name}/export.yaml"
        write_text(self.workspace.root / config, render(values, f"How run {run.name} was exported."))
        self.pod.put([config])
        self.watcher.note(f"Merging run {run.name}.")
        handle = self.pod.start(Job(f"export-{run.name}", launch.export(self.pod.python, config, env)))
        code = wait(handle).exit_code
        fault = inspect_output(self.pod, str(values["export_dir"]))["fault"]
        if code != 0 or fault:
            text = (
                f"Exporting run {run.name} ended with exit code {code}; {fault or 'its weights are there'}."
            )
            raise TrainingError(f"{text} The last it printed:\n{log_tail(handle.log())}", mend=_mend(run))

    def _speak(self, run: Run, folder: str, env: Mapping[str, str | Secret]) -> dict[str, Any]:
        question = first_question(self.workspace, run.facts["config"])
        command, script = launch.speak(self.pod.python, folder, question, env, new_tokens=NEW_TOKENS)
        result = self.pod.run(command, stdin=script)
        if result.code != 0:
            tail = "\n".join(result.stderr.splitlines()[-8:])
            raise TrainingError(
                f"The model in {folder} was written and does not work:\n{tail}", mend=_mend(run)
            )
        spoken: dict[str, Any] = orjson.loads(result.stdout.splitlines()[-1])
        return {"question": question, **spoken}

    def _keep_manifest(self, run: Run, folder: str, spoken: Mapping[str, Any]) -> None:
        kept = manifest.read_manifest(self.workspace.root / run.output_dir / manifest.FILE_NAME)
        path = self.workspace.root / folder / manifest.FILE_NAME
        manifest.write_manifest(path, {**kept, "export": dict(spoken)})


def finished_run(ledger: Ledger, project: Project, name: str = "") -> Run:
    """The last finished run of a project, or the one named.

    Raises:
        UsageError: There is none.
    """
    runs = [run for run in ledger.runs(project.name) if ledger.done(run.name, VERIFIED)]
    chosen = [run for run in runs if not name or run.name == name]
    if chosen:
        return chosen[-1]
    what = f"run {name!r} that is finished" if name else "finished run"
    mend = (
        f"Finished are: {', '.join(run.name for run in runs)}."
        if runs
        else f"Train one: `millhand train {project.name}`."
    )
    raise UsageError(f"{project.name} has no {what}.", mend=mend)


def export_folder(values: Mapping[str, Any], run: Run) -> str:
    """The run's own export folder: export_dir, numbered as the run is."""
    base = str(values["export_dir"]).rstrip("/")
    return base + run.name.removeprefix(run.project)


def check_export(values: Mapping[str, Any], run: Run, file: str) -> Iterator[Finding]:
    """Find what would merge the wrong things: LLaMA-Factory merges on any base of the same shape."""
    trained = {**_DEFAULTS, **run.facts["config"]}
    given = {**_DEFAULTS, **values}
    for key in _SAME:
        if key == "model_name_or_path" and not makes_adapter(trained):
            continue  # what is exported is the trained model itself, whatever the file names
        if given.get(key) != trained.get(key):
            message = f"{key} is {given.get(key)!r}, the run was trained with {trained.get(key)!r}."
            why = "A merge on another base or template gives a model that is worse, without an error."
            mend = f"Write `{key}: {trained.get(key)}` in {file}."
            yield Finding(
                id="export.other-base", severity="error", file=file, message=message, why=why, mend=mend
            )
    for key in _QUANTIZED:
        if values.get(key) is not None:
            message = f"{key} is set."
            why = "An adapter cannot be merged into a quantized model: the merge needs the unquantized base."
            yield Finding(
                id="export.quantized",
                severity="error",
                file=file,
                message=message,
                why=why,
                mend=f"Take {key} out.",
            )
    if not values.get("export_dir"):
        why = "LLaMA-Factory would not know where to write."
        mend = "Add `export_dir: outputs/NAME-merged`."
        yield Finding(
            id="export.no-folder",
            severity="error",
            file=file,
            message="export_dir is missing.",
            why=why,
            mend=mend,
        )


def first_question(workspace: Workspace, values: Mapping[str, Any]) -> str:
    """A question that the model was trained on: the first of its first dataset."""
    registry = Registry(workspace.registry)
    turns = registry.dataset(dataset_names(values)[0]).turns()
    return next((turn.question for turn in turns), "안녕하세요?")


def _mend(run: Run) -> str:
    return f"All it printed: {STATE}/jobs/export-{run.name}/log.txt."
