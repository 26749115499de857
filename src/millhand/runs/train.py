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

from millhand.errors import FindingsError, PodLostError, StoppedError, TrainingError, UsageError
from millhand.files import locked, write_text
from millhand.llamafactory import launch
from millhand.llamafactory.log import TrainerLog
from millhand.llamafactory.yaml import read_yaml
from millhand.pods.base import Job, JobHandle, Pod
from millhand.runs import manifest
from millhand.runs.environment import TrainingEnvironment, training_environment
from millhand.runs.faults import explain
from millhand.runs.finished import config_path, job_name, open_ledger, run_log, settle
from millhand.runs.follow import Followed, Watcher, follow, inspect_output, log_tail
from millhand.runs.inputs import input_paths
from millhand.runs.lease_ends import ended_by_lease
from millhand.runs.ledger import Ledger, Run
from millhand.runs.naming import typed_for
from millhand.runs.places import again, home_of, is_called, is_over_on, keeps_volume, pod_settings, set_aside
from millhand.runs.plan import VERIFIED, choose, fingerprint
from millhand.training.check.preflight import Preflight
from millhand.training.effective import render, train_values
from millhand.training.project import Project
from millhand.workspace import STATE, Workspace

_MOST_LOSSES = 3


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
    """One call of `millhand train`: where, what, who watches; ``exports``: the run is to be merged too."""

    workspace: Workspace
    pod: Pod
    project: Project
    watcher: Watcher
    exports: bool = False

    @property
    def ledger(self) -> Ledger:
        """The workspace's ledger."""
        return open_ledger(self.workspace)

    @property
    def home(self) -> Pod:
        """Where what the run makes is wanted: the client's own workspace."""
        return home_of(self.workspace, self.pod)

    def train(self, *, resume: bool = False, new: bool = False, run_name: str = "") -> Trained:
        """Train the project's run to its end.

        Args:
            resume: Go on with an earlier run of these inputs; it must be there.
            new: Start a new run, whatever is there.
            run_name: Go on with this run as it was configured, whatever the project's files say now.

        A pod that is lost or restarted is followed by the next one, or by itself, from the last checkpoint.

        Raises:
            FindingsError: The config cannot work.
            UsageError: There is nothing to go on with.
            StoppedError: It was stopped on request, or Ctrl-C ended the following of a run elsewhere.
            MillhandError: Its pod's lease ended it.
            TrainingError: LLaMA-Factory ended without having trained to the end.
            PodLostError: Pods were lost again and again.
        """
        for _ in range(_MOST_LOSSES):
            try:
                return self._train(resume=resume, new=new, run_name=run_name)
            except PodLostError as error:
                self.watcher.note(f"{error.message} Going on from what is safe.")
                new = False  # it is entered by now: the same inputs mean that run
        return self._train(resume=resume, new=new, run_name=run_name)

    def release(self, run: Run) -> None:
        """Give back what was rented for the run, once no other client merges on it; its results are home."""
        waiting = f"Another command merges {run.name} there; waiting for it."
        with locked(
            self.workspace.state / "locks" / f"export-{run.name}", lambda: self.watcher.note(waiting)
        ):
            released = self.pod.release()
        if released is not None:
            self.watcher.note(f"{released}")

    def _train(self, *, resume: bool, new: bool, run_name: str) -> Trained:
        # Two clients at once: the second waits here, and then finds what the first has started.
        waiting = f"Another command works on {self.project.name}; waiting for it."
        with locked(self.workspace.state / "locks" / self.project.name, lambda: self.watcher.note(waiting)):
            if run_name:
                run, values = self._named(run_name)
            else:
                values = self._checked()
                run = self._choose(values, resume=resume, new=new)
            if self.exports:
                run = self.ledger.export_too(run)
            self.pod.claim(run.name)
            found = self._found_done(run)
            handle = None if found else self._job(run, values)
        if found is not None or handle is None:
            return found or self._verified(run)
        followed = follow(handle, run.output_dir, self.watcher, detaches=not self.pod.shared)
        self._judge(run, handle, followed)
        return self._verified(run)

    def _checked(self) -> dict[str, Any]:
        values = self.project.values("train")
        report = Preflight(self.workspace).training(self.project)
        if report.count("error"):
            raise FindingsError(report.findings, message="Nothing was started.")
        for finding in report.findings:
            if finding.severity == "warning":
                self.watcher.note(f"Warning: {finding} [{finding.id}]")
        return values

    def _named(self, name: str) -> tuple[Run, dict[str, Any]]:
        runs = {run.name: run for run in self.ledger.runs(self.project.name)}
        if name not in runs or not (self.workspace.root / config_path(runs[name])).is_file():
            there = (
                f"There are: {', '.join(runs)}."
                if runs
                else f"Train one: `millhand train {self.project.name}`."
            )
            raise UsageError(f"{self.project.name} has no run {name!r} to go on with.", mend=there)
        values = read_yaml(self.workspace.root / config_path(runs[name]))
        values.pop("resume_from_checkpoint", None)
        return self._moved(runs[name]), values

    def _choose(self, values: Mapping[str, Any], *, resume: bool, new: bool) -> Run:
        facts = manifest.input_facts(self.workspace, self.ledger, values)
        runs = self.ledger.runs()
        choice = choose(
            self.project.name,
            str(values["output_dir"]),
            facts,
            runs,
            is_free=self._is_free,
            resume=resume,
            new=new,
        )
        self._tell_others(choice.name, runs)
        if choice.run is not None:
            return self._moved(choice.run)
        run = Run(
            name=choice.name,
            project=self.project.name,
            config=self.workspace.relative(self.project.path("train")),
            fingerprint=fingerprint(facts),
            pod=self.pod.name,
            output_dir=choice.output_dir,
            created_s=time.time(),
            facts=facts,
        )
        self.ledger.add(run)
        return run

    def _is_free(self, folder: str) -> bool:
        return bool(inspect_output(self.home, folder)["empty"])

    def _moved(self, run: Run) -> Run:
        """The run, entered as this pod's; one that may still be training elsewhere is left there.

        Raises:
            UsageError: It is training on this machine, or began on another pod.
        """
        if run.pod == self.pod.name or self.ledger.done(run.name, VERIFIED):
            return run
        if is_called(self.workspace, run.pod, self.pod.name) or self._may_move(run):
            return self.ledger.move(run, self.pod.name)
        resume = f"millhand resume {typed_for(self.ledger, run)}"
        raise UsageError(
            f"Run {run.name} is on {run.pod}.",
            mend=f"Go on there: `{resume}`; or train anew here: `--new`.",
        )

    def _may_move(self, run: Run) -> bool:
        """Whether it never began, or is over there and leaves nothing behind: checkpoints on a volume."""
        if not any(mark.name == "train" for mark in self.ledger.steps(run.name)):
            return True
        volume = keeps_volume(self.workspace, run.pod)
        left = volume not in ("", keeps_volume(self.workspace, self.pod.name))
        return is_over_on(self.workspace, run.pod, job_name(run)) and not left

    def _tell_others(self, chosen: str, runs: list[Run]) -> None:
        for run in runs if self.pod.shared else ():  # elsewhere each run has a pod of its own
            mine = run.project == self.project.name and run.name != chosen and run.pod == self.pod.name
            if mine and self.pod.attach(job_name(run)).status().alive:
                follow_it = f"`millhand train {run.project} --run {run.name}` follows it"
                self.watcher.note(f"Run {run.name}, of other inputs, is still training ({follow_it}).")

    def _found_done(self, run: Run) -> Trained | None:
        mark = self.ledger.done(run.name, VERIFIED)
        if mark is None or not inspect_output(self.home, run.output_dir)["finished"]:
            return None
        return Trained(run, mark.facts, run_log(self.home, run), self._curve(run), again=True)

    def _job(self, run: Run, values: Mapping[str, Any]) -> JobHandle | None:
        """The job that trains the run, started if need be; None where only the verification is left."""
        handle = self.pod.attach(job_name(run))
        if handle.status().alive:
            self.watcher.note(f"Run {run.name} is going on; following it.")
            return handle
        if inspect_output(self.pod, run.output_dir)["finished"]:
            return None
        return self._start(
            run, values, training_environment(self.pod, pod_settings(self.workspace, self.pod))
        )

    def _start(self, run: Run, values: Mapping[str, Any], environment: TrainingEnvironment) -> JobHandle:
        self._bring(run, values)
        self.ledger.begin(run.name, "prepare")
        resume_from = self._resume_point(run)
        own = train_values(
            values, output_dir=run.output_dir, resume_from=resume_from, jit=environment.saves_on_request
        )
        config = config_path(run)
        write_text(self.workspace.root / config, render(own, f"What run {run.name} gave to LLaMA-Factory."))
        self.pod.put([config])
        self.ledger.finish(run.name, "prepare", {"resume_from": resume_from})
        self.ledger.begin(run.name, "train")
        self.watcher.note(f"Run {run.name} trains into {run.output_dir}.")
        command = launch.train(
            self.pod.python,
            config,
            launch.base_env(pod_settings(self.workspace, self.pod), threads=environment.threads),
            processes=environment.processes,
        )
        return self.pod.start(Job(job_name(run), command, output=run.output_dir, on_diverged="stop"))

    def _bring(self, run: Run, values: Mapping[str, Any]) -> None:
        """Bring what the run reads, and what it has made so far where the pod knows nothing of it."""
        paths = input_paths(self.workspace, values) if not self.pod.shared else []
        self._make_room(run)
        known = self.pod.shared or not inspect_output(self.pod, run.output_dir)["empty"]
        begun = not known and not inspect_output(self.home, run.output_dir)["empty"]
        self.pod.put([*paths, run.output_dir] if begun else paths)

    def _make_room(self, run: Run) -> None:
        """Set aside what another workspace's past left in the run's folder there; a new run begins empty."""
        begun = any(mark.name == "prepare" for mark in self.ledger.steps(run.name))
        if not (self.pod.shared or begun or inspect_output(self.pod, run.output_dir)["empty"]):
            self.watcher.note(f"Setting aside what lies in {run.output_dir} on {self.pod.name}.")
            self.pod.run(set_aside(self.pod.python, run.output_dir)).check()

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

    def _judge(self, run: Run, handle: JobHandle, followed: Followed) -> None:
        state = inspect_output(self.pod, run.output_dir)
        if state["finished"]:
            self.ledger.finish(run.name, "train", {"exit_code": followed.status.exit_code})
            return
        asked, typed = self._asked_to_stop(run, handle), typed_for(self.ledger, run)
        limit = asked.partition(" ")[2]
        if limit:
            raise ended_by_lease(self.workspace, run, limit, _kept_text(state))
        if followed.status.phase == "lost" and not self.pod.shared:
            raise PodLostError(
                f"Run {run.name} was broken off: the pod was restarted, or its job was killed.",
                mend=f"Look: `millhand logs {typed}`. Go on with `{again(run)}`.",
            )
        if followed.stopped or asked:
            stopped = f"Run {run.name} was stopped; {_kept_text(state)}."
            raise StoppedError(stopped, mend=f"Go on with `{again(run)}`.")
        cause, mend = explain(followed.status.faults, run, typed)
        told = _failed_text(run, followed, state, cause, log_tail(handle))
        raise TrainingError(told, mend=mend or _failed_mend(run, typed, here=self.pod.shared))

    def _asked_to_stop(self, run: Run, handle: JobHandle) -> str:
        """The request to end that its supervisor has heard: seconds; of the pod's keeper also its limit."""
        heard = handle.read(f"{STATE}/jobs/{job_name(run)}/stop.heard")
        return heard.decode("utf-8", errors="replace").strip()

    def _verified(self, run: Run) -> Trained:
        state = inspect_output(self.pod, run.output_dir)
        results = settle(self.workspace, self.pod, self.ledger, run, state)
        return Trained(run, results, run_log(self.home, run), self._curve(run), again=False)

    def _curve(self, run: Run) -> str | None:
        path = f"{run.output_dir}/training_loss.png"
        return path if (self.workspace.root / path).is_file() else None


def _kept_text(state: Mapping[str, Any]) -> str:
    whole = [checkpoint["step"] for checkpoint in state["checkpoints"] if not checkpoint["fault"]]
    return f"its checkpoint of step {whole[-1]} is kept" if whole else "no checkpoint was written yet"


def _failed_text(run: Run, followed: Followed, state: Mapping[str, Any], cause: str, tail: str) -> str:
    last = followed.log.last
    reached = f"after step {last.step} of {last.total_steps}" if last else "before its first step"
    code, phase = followed.status.exit_code, followed.status.phase
    how = f"exit code {code}" if phase == "exited" else "no exit code (killed, or the machine went down)"
    fault = f"; the final weights: {state['fault']}" if state["step"] is not None and state["fault"] else ""
    why = f": {cause}" if cause else ""
    return f"Run {run.name} ended {reached} with {how}{fault}{why}. The last it printed:\n{tail}"


def _failed_mend(run: Run, typed: str, *, here: bool) -> str:
    log = f"{STATE}/jobs/{job_name(run)}/log.txt" if here else f"`millhand logs {typed}`"
    return f"All it printed: {log}. Go on with `{again(run)}`."
