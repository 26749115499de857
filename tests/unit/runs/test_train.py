"""The steps of a training run on the scripted pod: what no real trainer can be made to do on purpose."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest

from millhand.errors import (
    FindingsError,
    MillhandError,
    MissingPackageError,
    StoppedError,
    TrainingError,
    UsageError,
)
from millhand.llamafactory.log import TrainerLog
from millhand.llamafactory.yaml import read_yaml
from millhand.pods.base import JobStatus, Result
from millhand.pods.fake import FakePod
from millhand.runs.train import Training, open_ledger
from millhand.shell import Command
from millhand.training.project import open_project
from millhand.workspace import Workspace

NOTHING = {"empty": True, "step": None, "max_steps": None, "finished": False, "fault": "it holds no weights",
           "checkpoints": [], "before": []}  # fmt: skip
DONE = {**NOTHING, "empty": False, "step": 3, "max_steps": 3, "finished": True, "fault": ""}
PROBED = {
    "python": {"version": "3.11.9"},
    "cores": 2,
    "packages": {"llamafactory": "0.9.5", "transformers": "5.6.0"},
}
TRAIN = {"model_name_or_path": "a/b", "do_train": True, "template": "chatml", "output_dir": "outputs/qa",
         "dataset_dir": "dataset_registry", "dataset": "qa", "overwrite_output_dir": True}  # fmt: skip


@dataclass
class Job:
    """A job whose states come one after the other; the last one stays."""

    states: list[JobStatus]
    name: str = "train-qa"
    printed: bytes = b""
    log_lines: bytes = b""
    asked_to_stop: bytes = b""

    def status(self) -> JobStatus:
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]

    def log(self, offset: int = 0) -> bytes:
        return self.printed[offset:]

    def log_tail(self, size: int = 65536) -> bytes:
        return self.printed[-size:]

    def read(self, path: str, offset: int = 0) -> bytes:
        if path == ".millhand/jobs/train-qa/stop.heard":
            return self.asked_to_stop
        assert path == "outputs/qa/trainer_log.jsonl"
        return self.log_lines[offset:]

    def stop(self, grace_s: float) -> None:
        raise AssertionError("nobody asked for it")


@dataclass
class Notes:
    told: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        self.told.append(text)

    def progress(self, log: TrainerLog) -> None:
        pass


def answers(*documents: dict[str, Any]) -> list[Result]:
    return [Result(Command(("-",)), 0, json.dumps(document), "") for document in documents]


def is_inspection(command: Command) -> bool:
    return command.argv[:4] == ("python", "-I", "-S", "-")


def pod(job: Job, *inspections: dict[str, Any], probed: dict[str, Any] = PROBED) -> FakePod:
    files = {"dataset_registry", ".millhand/runs/qa/train.yaml", "outputs/qa"}
    script = {is_inspection: answers(*inspections), ("python", "-", "--quick"): answers(probed)[0]}
    return FakePod(script, jobs={"train-qa": job}, files=files)


@pytest.fixture
def workspace(workspace: Workspace) -> Workspace:
    (workspace.registry / "qa.jsonl").write_text('{"instruction": "q", "input": "", "output": "a"}\n')
    info = {
        "qa": {
            "file_name": "qa.jsonl",
            "columns": {"prompt": "instruction", "query": "input", "response": "output"},
        }
    }
    (workspace.registry / "dataset_info.json").write_text(json.dumps(info))
    configure(workspace)
    return workspace


def configure(workspace: Workspace, **changes: Any) -> None:
    folder = workspace.configs / "qa"
    folder.mkdir(exist_ok=True)
    text = "".join(f"{key}: {json.dumps(value)}\n" for key, value in {**TRAIN, **changes}.items())
    (folder / "train.yaml").write_text(text)


def training(workspace: Workspace, pod: FakePod, notes: Notes | None = None) -> Training:
    return Training(workspace, pod, open_project(workspace, "qa"), notes or Notes())


def gone(code: int = 0) -> list[JobStatus]:
    return [JobStatus("absent"), JobStatus("running"), JobStatus("exited", exit_code=code)]


def test_a_run_is_started_followed_verified_and_then_found_done(workspace: Workspace) -> None:
    line = (
        orjson.dumps({"current_steps": 3, "total_steps": 3, "loss": 0.5, "elapsed_time": "0:00:02"}) + b"\n"
    )
    fake = pod(Job(gone(), log_lines=line), NOTHING, NOTHING, NOTHING, DONE, DONE, DONE)
    trained = training(workspace, fake).train()
    assert (trained.again, trained.results["loss"], trained.results["steps"]) == (False, 0.5, 3)
    (job,) = fake.started
    config = ".millhand/runs/qa/train.yaml"
    assert job.command.argv == ("python", "-P", "-u", "-m", "llamafactory.cli", "train", config)
    given = read_yaml(workspace.root / config)
    assert given["enable_jit_checkpoint"] is True
    assert "overwrite_output_dir" not in given
    assert json.loads((workspace.root / "outputs/qa/millhand_run.json").read_text())["results"]["steps"] == 3
    again = training(workspace, fake).train()
    assert (again.again, len(fake.started)) == (True, 1)


@pytest.mark.parametrize("code", [0, 1, -9])
def test_whatever_the_exit_code_says_an_untrained_run_failed(workspace: Workspace, code: int) -> None:
    job = Job(gone(code), printed=b"loading\nValueError: the reason\n")
    fake = pod(job, NOTHING, NOTHING, NOTHING, NOTHING)
    with pytest.raises(TrainingError, match="the reason") as caught:
        training(workspace, fake).train()
    assert f"before its first step with exit code {code}" in caught.value.message
    assert "millhand train qa --resume" in caught.value.mend
    assert ".millhand/jobs/train-qa/log.txt" in caught.value.mend
    assert open_ledger(workspace).done("qa", "verify") is None


def test_a_run_that_somebody_else_stopped_is_no_failure(workspace: Workspace) -> None:
    job = Job(gone(0), asked_to_stop=b"180.0")
    with pytest.raises(StoppedError, match="was stopped"):
        training(workspace, pod(job, NOTHING, NOTHING, NOTHING, NOTHING)).train()


@pytest.mark.parametrize(
    ("limit", "why", "field"),
    [("deadline", "its time was over", "hours"), ("spend", "what it may cost was spent", "spend_usd")],
)
@pytest.mark.parametrize("phase", ["exited", "lost"])
def test_a_run_that_its_lease_ended_failed_and_says_by_which_limit(
    workspace: Workspace, limit: str, why: str, field: str, phase: Any
) -> None:
    job = Job([*gone()[:2], JobStatus(phase)], asked_to_stop=f"176.0 {limit}".encode())
    saved = {**NOTHING, "checkpoints": [{"name": "checkpoint-40", "step": 40, "fault": ""}]}
    with pytest.raises(
        MillhandError, match=f"lease of its pod ended run qa: {why}; its checkpoint of ste"
    ) as e:
        training(workspace, pod(job, NOTHING, NOTHING, NOTHING, saved)).train()
    assert e.value.exit_code == 1
    assert "millhand train qa --resume" in e.value.mend
    assert f"raise `{field}` in runpod/" in e.value.mend


def test_a_run_whose_pod_was_to_end_was_stopped(workspace: Workspace) -> None:
    job = Job(gone(0), asked_to_stop=b"176.0 order")
    with pytest.raises(StoppedError, match="since its pod was to end; no checkpoint"):
        training(workspace, pod(job, NOTHING, NOTHING, NOTHING, NOTHING)).train()


def test_final_weights_that_are_cut_off_are_no_success(workspace: Workspace) -> None:
    cut = {**DONE, "finished": False, "fault": "adapter_model.safetensors is cut off"}
    with pytest.raises(TrainingError, match="safetensors is cut off"):
        training(workspace, pod(Job(gone()), NOTHING, NOTHING, NOTHING, cut)).train()


def test_a_lost_job_is_told_apart_from_one_that_exited(workspace: Workspace) -> None:
    lost = [JobStatus("absent"), JobStatus("running"), JobStatus("lost")]
    with pytest.raises(TrainingError, match="killed, or the machine went down"):
        training(workspace, pod(Job(lost), NOTHING, NOTHING, NOTHING, NOTHING)).train()


def test_broken_checkpoints_are_named_and_the_last_whole_one_is_given(workspace: Workspace) -> None:
    whole = {"name": "checkpoint-1", "step": 1, "fault": ""}
    broken = {"name": "checkpoint-2", "step": 2, "fault": "it holds no weights"}
    there = {**NOTHING, "empty": False}
    aside = {**there, "checkpoints": [whole], "before": [whole, broken]}
    notes = Notes()
    training(workspace, pod(Job(gone()), NOTHING, there, aside, DONE, DONE), notes).train()
    assert notes.told[:2] == ["Set aside checkpoint-2: it holds no weights.", "Going on from step 1."]
    given = read_yaml(workspace.root / ".millhand/runs/qa/train.yaml")
    assert given["resume_from_checkpoint"] == "outputs/qa/checkpoint-1"


def test_a_job_that_is_alive_is_followed_and_not_started_again(workspace: Workspace) -> None:
    alive = [JobStatus("running"), JobStatus("running"), JobStatus("exited", exit_code=0)]
    fake, notes = pod(Job(alive), NOTHING, DONE, DONE), Notes()
    training(workspace, fake, notes).train()
    assert fake.started == []
    assert notes.told == ["Run qa is going on; following it."]


BOX = "kind: ssh\nhost: {}\n"


def test_a_run_that_never_began_goes_to_whatever_pod_is_named(workspace: Workspace) -> None:
    for name in ("box", "mast"):
        (workspace.root / f"runpod/{name}.yaml").write_text(BOX.format(name))
    bare = {**PROBED, "packages": {}}
    with pytest.raises(MissingPackageError):
        training(workspace, pod(Job([JobStatus("absent")]), NOTHING, NOTHING, probed=bare)).train()
    ledger = open_ledger(workspace)
    ledger.move(ledger.runs()[0], "box")  # where it did not come to begin either
    fake = pod(Job(gone()), NOTHING, NOTHING, DONE, DONE)
    assert training(workspace, fake).train().run.pod == fake.name


def test_a_run_that_is_named_is_left_where_it_began_too(workspace: Workspace) -> None:
    (workspace.root / "runpod/box.yaml").write_text(BOX.format("box"))
    with pytest.raises(TrainingError):
        training(workspace, pod(Job(gone(1)), NOTHING, NOTHING, NOTHING, NOTHING)).train()
    ledger = open_ledger(workspace)
    ledger.move(ledger.runs()[0], "box")
    with pytest.raises(UsageError, match="Run qa is on box"):
        training(workspace, pod(Job(gone()), NOTHING)).train(run_name="qa")


def test_a_run_goes_on_on_its_pod_under_the_name_that_this_has_now(workspace: Workspace) -> None:
    with pytest.raises(TrainingError):
        training(workspace, pod(Job(gone(1)), NOTHING, NOTHING, NOTHING, NOTHING)).train()
    ledger = open_ledger(workspace)
    ledger.move(ledger.runs()[0], "h-2222")
    fake = pod(Job(gone()), NOTHING, NOTHING, DONE, DONE)
    fake.name = "ssh://kim@h:2222"
    assert training(workspace, fake).train().run.pod == fake.name
    assert ledger.runs()[0].pod == fake.name


def test_a_run_keeps_the_wish_that_it_be_merged(workspace: Workspace) -> None:
    fake = pod(Job(gone(1)), NOTHING, NOTHING, NOTHING, NOTHING)
    project = open_project(workspace, "qa")
    with pytest.raises(TrainingError) as caught:
        Training(workspace, fake, project, Notes(), exports=True).train()
    assert "`millhand train qa --resume --export --pod fake`" in caught.value.mend
    with pytest.raises(TrainingError) as caught:  # whoever goes on with it, however
        training(workspace, pod(Job(gone(1)), NOTHING, NOTHING, NOTHING)).train(run_name="qa")
    assert "--export" in caught.value.mend
    assert open_ledger(workspace).runs()[0].exports


def test_a_run_that_began_elsewhere_is_left_there(workspace: Workspace) -> None:
    (workspace.root / "runpod/box.yaml").write_text(BOX.format("box"))
    with pytest.raises(TrainingError):
        training(workspace, pod(Job(gone(1)), NOTHING, NOTHING, NOTHING, NOTHING)).train()
    ledger = open_ledger(workspace)
    ledger.move(ledger.runs()[0], "box")
    with pytest.raises(UsageError, match="Run qa is on box") as caught:
        training(workspace, pod(Job(gone()), NOTHING)).train()
    assert "`millhand resume qa`" in caught.value.mend


def test_nothing_starts_where_llamafactory_is_missing_or_a_finding_stands(workspace: Workspace) -> None:
    bare = {**PROBED, "packages": {}}
    fake = pod(Job([JobStatus("absent")]), NOTHING, NOTHING, probed=bare)
    with pytest.raises(MissingPackageError, match="not installed") as caught:
        training(workspace, fake).train()
    assert "millhand install" in caught.value.mend
    configure(workspace, do_train=False)
    with pytest.raises(FindingsError, match="do_train"):
        training(workspace, fake).train()
    assert fake.started == []


def test_two_gpus_are_two_processes_and_an_older_transformers_gets_no_unknown_key(
    workspace: Workspace,
) -> None:
    gpu = {"name": "NVIDIA L4"}
    packages = {"llamafactory": "0.9.5", "transformers": "4.55.0"}
    probed = {**PROBED, "gpus": [gpu, gpu], "torch_build": {"cuda": "12.8"}, "packages": packages}
    fake = pod(Job(gone()), NOTHING, NOTHING, NOTHING, DONE, DONE, probed=probed)
    training(workspace, fake).train()
    command = fake.started[0].command
    assert "--nproc-per-node=2" in command.argv
    assert "OMP_NUM_THREADS" not in command.env
    assert "enable_jit_checkpoint" not in Path(workspace.root / ".millhand/runs/qa/train.yaml").read_text()
