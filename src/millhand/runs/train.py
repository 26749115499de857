"""`millhand train`: the steps check, prepare, train and verify of a run, on any pod.

Each step's marker is written last. Called again with the same inputs it attaches to a job that is still
alive, goes on from the last whole checkpoint, or finds the run done; it never trains a finished run
again, which would harm it (LLaMA-Factory resumes past the end and overwrites its results).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from millhand.errors import FindingsError, StoppedError, TrainingError
from millhand.files import write_text
from millhand.llamafactory import launch
from millhand.llamafactory.log import TrainerLog, read_log
from millhand.pods.base import Job, JobHandle, Pod
from millhand.runs import manifest
from millhand.runs.environment import TrainingEnvironment, training_environment
from millhand.runs.follow import Followed, Watcher, follow, inspect_output, log_tail
from millhand.runs.ledger import Ledger, Run
from millhand.runs.plan import VERIFIED, choose, fingerprint
from millhand.training.check import check_train
from millhand.training.effective import render, train_values
from millhand.training.project import Project
from millhand.workspace import STATE, Workspace


@dataclass(frozen=True, slots=True)
class Trained:
    """A finished run. ``again`` when it was found done and nothing was trained."""

    run: Run
    results: dict[str, Any]
    log: TrainerLog
    curve: str | None
    again: bool


@dataclass(frozen=True, slots=True)
class Training:
    """One call of `millhand train`: where, what, and who watches."""

    workspace: Workspace
    pod: Pod
    project: Project
    watcher: Watcher

    @property
    def ledger(self) -> Ledger:
        """The workspace's ledger."""
        return open_ledger(self.workspace)

    def train(self, *, resume: bool = False, new: bool = False) -> Trained:
        """Train the project's run to its end.

        Raises:
            FindingsError: The config cannot work.
            UsageError: ``resume`` finds nothing to go on with.
            StoppedError: It was stopped on request.
            TrainingError: LLaMA-Factory ended without having trained to the end.
        """
        values = self.project.values("train")
        findings = check_train(self.workspace, self.project, values)
        if findings:
            raise FindingsError(findings, message="Nothing was started.")
        run = self._choose(values, resume=resume, new=new)
        found = self._found_done(run)
        return found or self._run(run, values)

    def _choose(self, values: Mapping[str, Any], *, resume: bool, new: bool) -> Run:
        facts = manifest.input_facts(self.workspace, self.ledger, values)
        choice = choose(
            self.project.name,
            str(values["output_dir"]),
            facts,
            self.ledger.runs(),
            is_free=lambda folder: inspect_output(self.pod, folder)["empty"],
            resume=resume,
            new=new,
        )
        if choice.run is not None:
            return choice.run
        config = self.workspace.relative(self.project.path("train"))
        run = Run(
            name=choice.name,
            project=self.project.name,
            config=config,
            fingerprint=fingerprint(facts),
            pod=self.pod.name,
            output_dir=choice.output_dir,
            created_s=time.time(),
            facts=facts,
        )
        self.ledger.add(run)
        return run

    def _found_done(self, run: Run) -> Trained | None:
        mark = self.ledger.done(run.name, VERIFIED)
        if mark is None or not inspect_output(self.pod, run.output_dir)["finished"]:
            return None
        log = read_log([self.pod.attach(job_name(run)).read(f"{run.output_dir}/trainer_log.jsonl")])
        return Trained(run, mark.facts, log, self._curve(run), again=True)

    def _run(self, run: Run, values: Mapping[str, Any]) -> Trained:
        handle = self.pod.attach(job_name(run))
        environment = training_environment(self.pod, self.workspace.settings())
        if handle.status().alive:
            self.watcher.note(f"Run {run.name} is going on; following it.")
        elif not inspect_output(self.pod, run.output_dir)["finished"]:
            handle = self._start(run, values, environment)
        followed = follow(handle, run.output_dir, self.watcher)
        state = self._judge(run, handle, followed)
        return self._verify(run, values, environment, followed, state)

    def _start(self, run: Run, values: Mapping[str, Any], environment: TrainingEnvironment) -> JobHandle:
        self.ledger.begin(run.name, "prepare")
        resume_from = self._resume_point(run)
        own = train_values(
            values, output_dir=run.output_dir, resume_from=resume_from, jit=environment.saves_on_request
        )
        config = f"{STATE}/runs/{run.name}/train.yaml"
        write_text(self.workspace.root / config, render(own, f"What run {run.name} gave to LLaMA-Factory."))
        self.pod.put([config, str(values["dataset_dir"])])
        self.ledger.finish(run.name, "prepare", {"resume_from": resume_from})
        self.ledger.begin(run.name, "train")
        self.watcher.note(f"Run {run.name} trains into {run.output_dir}.")
        command = launch.train(
            self.pod.python,
            config,
            launch.base_env(self.workspace.settings(), threads=environment.threads),
            processes=environment.processes,
        )
        return self.pod.start(Job(job_name(run), command))

    def _resume_point(self, run: Run) -> str | None:
        state = inspect_output(self.pod, run.output_dir, set_aside=True)
        for checkpoint in state["before"]:
            if checkpoint["fault"]:
                self.watcher.note(f"Set aside {checkpoint['name']}: {checkpoint['fault']}.")
        if state["checkpoints"]:
            last = state["checkpoints"][-1]
            self.watcher.note(f"Going on from step {last['step']}.")
            return f"{run.output_dir}/{last['name']}"
        return None

    def _judge(self, run: Run, handle: JobHandle, followed: Followed) -> dict[str, Any]:
        state = inspect_output(self.pod, run.output_dir)
        if state["finished"]:
            self.ledger.finish(run.name, "train", {"exit_code": followed.status.exit_code})
            return state
        if followed.stopped:
            raise StoppedError(
                _stopped_text(run, state), mend=f"Go on with `millhand train {run.project} --resume`."
            )
        raise TrainingError(
            _failed_text(run, followed, state, log_tail(handle.log())), mend=_failed_mend(run)
        )

    def _verify(
        self,
        run: Run,
        values: Mapping[str, Any],
        environment: TrainingEnvironment,
        followed: Followed,
        state: Mapping[str, Any],
    ) -> Trained:
        self.ledger.begin(run.name, VERIFIED)
        outcome = manifest.results(followed.log, state)
        written = manifest.build_manifest(run, values, environment.as_facts(), outcome)
        self.pod.get([run.output_dir])
        manifest.write_manifest(self.workspace.root / run.output_dir / manifest.FILE_NAME, written)
        self.ledger.finish(run.name, VERIFIED, outcome)
        return Trained(run, outcome, followed.log, self._curve(run), again=False)

    def _curve(self, run: Run) -> str | None:
        path = f"{run.output_dir}/training_loss.png"
        return path if (self.workspace.root / path).is_file() else None


def open_ledger(workspace: Workspace) -> Ledger:
    """The ledger of a workspace."""
    return Ledger(workspace.state / "ledger.sqlite")


def job_name(run: Run) -> str:
    """The job that trains a run."""
    return f"train-{run.name}"


def _stopped_text(run: Run, state: Mapping[str, Any]) -> str:
    whole = [checkpoint["step"] for checkpoint in state["checkpoints"] if not checkpoint["fault"]]
    kept = f"its checkpoint of step {whole[-1]} is kept" if whole else "no checkpoint was written yet"
    return f"Run {run.name} was stopped; {kept}."


def _failed_text(run: Run, followed: Followed, state: Mapping[str, Any], tail: str) -> str:
    last = followed.log.last
    reached = f"after step {last.step} of {last.total_steps}" if last else "before its first step"
    status = followed.status
    how = (
        f"exit code {status.exit_code}"
        if status.phase == "exited"
        else "no exit code (killed, or the machine went down)"
    )
    fault = f"; the final weights: {state['fault']}" if state["step"] is not None and state["fault"] else ""
    return f"Run {run.name} ended {reached} with {how}{fault}. The last it printed:\n{tail}"


def _failed_mend(run: Run) -> str:
    log = f"{STATE}/jobs/{job_name(run)}/log.txt"
    return f"All it printed: {log}. Go on with `millhand train {run.project} --resume`."
