"""`millhand export`: merge a finished run's adapter, prove that the result loads and speaks, then name it.

The model is written to ``EXPORT_DIR.partial`` and takes its name only when it has generated tokens and its
manifest lies in it. So a folder of that name is always a whole model that says how it was made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from millhand.datasets.registry import Registry
from millhand.errors import Finding, FindingsError, TrainingError, UsageError
from millhand.files import locked, write_text
from millhand.llamafactory import launch
from millhand.pods.base import Job, Pod
from millhand.pods.local import LocalPod
from millhand.runs import manifest
from millhand.runs.environment import training_environment
from millhand.runs.finished import EXPORTED, check_against_run, check_base, finished_run, open_ledger
from millhand.runs.follow import Watcher, inspect_output, log_tail, wait
from millhand.runs.inputs import input_paths
from millhand.runs.ledger import Ledger, Run
from millhand.runs.places import home_of, pod_settings, remove_folder, rename_folder
from millhand.shell import Secret
from millhand.training.check import check_secrets, train_datasets
from millhand.training.effective import export_values, render
from millhand.training.project import Project
from millhand.workspace import STATE, Workspace

NEW_TOKENS = 12
LONGEST_QUESTION = 200
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
    """One call of `millhand export`; ``there``: the merged model stays on the pod, to be sent from it."""

    workspace: Workspace
    pod: Pod
    project: Project
    watcher: Watcher
    there: bool = False

    @property
    def home(self) -> Pod:
        """Where the merged model is wanted: the client's own workspace, or the pod."""
        return self.pod if self.there else home_of(self.workspace, self.pod)

    def export(self, run_name: str = "") -> Exported:
        """Merge and verify the model of the last finished run, or of the run named.

        Raises:
            UsageError: There is no finished run, or the folder to export to is taken.
            FindingsError: export.yaml does not fit what was trained.
            TrainingError: LLaMA-Factory wrote no model that loads.
        """
        ledger = open_ledger(self.workspace)
        run = finished_run(self.workspace, home_of(self.workspace, self.pod), self.project, run_name)
        self.pod.claim(run.name)
        given = self.project.values("export")
        findings = list(self._check(ledger, run, given))
        if findings:
            raise FindingsError(findings, message="Nothing was exported.")
        folder = export_folder(given, run)
        values = export_values(given, run.facts["config"], output_dir=run.output_dir, export_dir=folder)
        # A second client waits here, and then finds what the first has made.
        with locked(self.workspace.state / "locks" / f"export-{run.name}"):
            found = self._found(ledger, run, folder, values)
            return found or self._export(ledger, run, folder, values)

    def _check(self, ledger: Ledger, run: Run, values: Mapping[str, Any]) -> Iterator[Finding]:
        file = self.workspace.relative(self.project.path("export"))
        yield from check_secrets(values, file)
        yield from check_against_run(values, run, file)
        yield from check_base(self.workspace, ledger, run)
        yield from check_export(values, file)

    def _found(self, ledger: Ledger, run: Run, folder: str, values: Mapping[str, Any]) -> Exported | None:
        state = inspect_output(self.home, folder)
        kept = manifest.parse_manifest(self.home.read(f"{folder}/{manifest.FILE_NAME}"))
        facts = kept.get("export", {})
        if kept.get("run") == run.name and facts.get("values") == values and not state["fault"]:
            if ledger.done(run.name, EXPORTED + folder) is None:  # this process died before it could mark it
                _mark(ledger, run, folder, facts)
            return Exported(run, folder, facts, again=True)
        if state["empty"]:
            return None
        mend = f"Name another export_dir in {self.workspace.relative(self.project.path('export'))}."
        raise UsageError(f"{folder} is not empty, and not this export of run {run.name}.", mend=mend)

    def _export(self, ledger: Ledger, run: Run, folder: str, values: Mapping[str, Any]) -> Exported:
        partial = f"{folder}.partial"
        settings = pod_settings(self.workspace, self.pod)
        env = launch.base_env(settings, threads=training_environment(self.pod, settings).threads)
        self._bring(values)
        self._merge(run, {**values, "export_dir": partial}, env)
        self.watcher.note("Loading what was written and letting it speak.")
        facts = {"values": dict(values), "folder": folder, **self._speak(run, partial, values, env)}
        if self.there:
            self._leave(run, partial, folder, facts)
        else:
            self._fetch(run, partial, folder, facts)
        _mark(ledger, run, folder, facts)
        if not (self.pod.shared or self.there):  # it is home and whole: the pod's disk is for the next one
            self.pod.run(remove_folder(self.pod.python, partial)).check()
        return Exported(run, folder, facts, again=False)

    def _fetch(self, run: Run, partial: str, folder: str, facts: Mapping[str, Any]) -> None:
        self.pod.get([partial])
        self._keep_manifest(run, partial, facts)
        (self.workspace.root / partial).rename(self.workspace.root / folder)

    def _leave(self, run: Run, partial: str, folder: str, facts: Mapping[str, Any]) -> None:
        """Give it its name there; of what it is, only the manifest passes through here."""
        self._keep_manifest(run, partial, facts)
        self.pod.put([f"{partial}/{manifest.FILE_NAME}"])
        here = LocalPod(self.workspace.root)
        here.run(remove_folder(here.python, partial)).check()
        self.pod.run(rename_folder(self.pod.python, partial, folder)).check()

    def _bring(self, values: Mapping[str, Any]) -> None:
        """Bring the base and what was trained on it; what the pod has already costs a look."""
        if not self.pod.shared:
            self.pod.put(input_paths(self.workspace, values))

    def _merge(self, run: Run, values: Mapping[str, Any], env: Mapping[str, str | Secret]) -> None:
        handle = self.pod.attach(f"export-{run.name}")
        if handle.status().alive:  # its client is gone, so it is ending
            wait(handle)
        for place in {id(place): place for place in (self.pod, self.home)}.values():  # what it left
            place.run(remove_folder(place.python, str(values["export_dir"]))).check()
        config = f"{STATE}/runs/{run.name}/export.yaml"
        write_text(self.workspace.root / config, render(values, f"How run {run.name} was exported."))
        self.pod.put([config])
        self.watcher.note(f"Merging run {run.name}.")
        command = launch.export(self.pod.python, config, env)
        handle = self.pod.start(Job(f"export-{run.name}", command, tethered=self.pod.shared))
        code = wait(handle).exit_code
        fault = inspect_output(self.pod, str(values["export_dir"]))["fault"]
        if code != 0 or fault:
            text = (
                f"Exporting run {run.name} ended with exit code {code}; {fault or 'its weights are there'}."
            )
            mend = _mend(run, here=self.pod.shared)
            raise TrainingError(f"{text} The last it printed:\n{log_tail(handle)}", mend=mend)

    def _speak(
        self, run: Run, folder: str, values: Mapping[str, Any], env: Mapping[str, str | Secret]
    ) -> dict[str, Any]:
        question = short_question(self.workspace, run.facts["config"])
        command, script = launch.speak(
            self.pod.python,
            folder,
            question,
            env,
            new_tokens=NEW_TOKENS,
            trust_remote_code=values.get("trust_remote_code") is True,
        )
        result = self.pod.run(command, stdin=script)
        if result.code != 0:
            tail = "\n".join(result.stderr.splitlines()[-8:])
            raise TrainingError(
                f"The model in {folder} was written and does not work:\n{tail}",
                mend=_mend(run, here=self.pod.shared),
            )
        spoken: dict[str, Any] = orjson.loads(result.stdout.splitlines()[-1])
        return {"question": question, **spoken}

    def _keep_manifest(self, run: Run, folder: str, facts: Mapping[str, Any]) -> None:
        kept = manifest.read_manifest(self.workspace.root / run.output_dir / manifest.FILE_NAME)
        path = self.workspace.root / folder / manifest.FILE_NAME
        manifest.write_manifest(path, {**kept, "run": run.name, "export": dict(facts)})


def _mark(ledger: Ledger, run: Run, folder: str, facts: dict[str, Any]) -> None:
    ledger.begin(run.name, EXPORTED + folder)
    ledger.finish(run.name, EXPORTED + folder, facts)


def export_folder(values: Mapping[str, Any], run: Run) -> str:
    """The run's own export folder: export_dir, numbered as the run is."""
    base = str(values["export_dir"]).rstrip("/")
    return base + run.name.removeprefix(run.project)


def check_export(values: Mapping[str, Any], file: str) -> Iterator[Finding]:
    """Find what of export.yaml itself keeps a merge from working."""
    for key in _QUANTIZED:
        if values.get(key) is not None:
            why = "An adapter cannot be merged into a quantized model: the merge needs the unquantized base."
            mend = f"Take {key} out of {file}."
            yield Finding(
                id="export.quantized",
                severity="error",
                file=file,
                message=f"{key} is set.",
                why=why,
                mend=mend,
            )
    folder = values.get("export_dir")
    if not isinstance(folder, str) or not folder.strip(" ./"):
        why = "LLaMA-Factory would not know where to write."
        message, mend = f"export_dir is {folder!r}.", "Write `export_dir: outputs/NAME-merged`."
        yield Finding(id="export.no-folder", severity="error", file=file, message=message, why=why, mend=mend)


def short_question(workspace: Workspace, values: Mapping[str, Any]) -> str:
    """A question that the model was trained on, not a long one; any where the data is not at hand."""
    registry = Registry(workspace.registry)
    try:
        turns = registry.dataset(train_datasets(values)[0]).turns()
        question = next(turn.question for turn in turns if len(turn.question) <= LONGEST_QUESTION)
    except (UsageError, StopIteration):
        return "안녕하세요?"
    return question.replace("\0", "")


def _mend(run: Run, *, here: bool) -> str:
    return f"All it printed: {STATE}/jobs/export-{run.name}/log.txt{'' if here else ' on the pod'}."
