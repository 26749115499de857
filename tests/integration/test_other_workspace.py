"""A run on a pod that has a workspace of its own: what is brought, what comes home, what goes on where."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from millhand.errors import StoppedError, UsageError
from millhand.pods.local import LocalPod
from millhand.runs.export import Exporting
from millhand.runs.follow import Watcher
from millhand.runs.serve import choose_model, serving
from millhand.runs.train import Trained, Training
from millhand.training.project import open_project
from millhand.workspace import Workspace
from tests.integration.conftest import Bench
from tests.mirror_pod import MirrorPod

pytestmark = pytest.mark.real


class Quiet(Watcher):
    """Keeps what it was told, and presses Ctrl-C when a step is reached."""

    def __init__(self, ctrl_c_at: int | None = None) -> None:
        self.told: list[str] = []
        self.ctrl_c_at = ctrl_c_at

    def note(self, text: str) -> None:
        self.told.append(text)

    def progress(self, log: Any) -> None:
        if self.ctrl_c_at is not None and log.last.step >= self.ctrl_c_at:
            raise KeyboardInterrupt


@pytest.fixture
def pod(bench: Bench, tmp_path: Path) -> MirrorPod:
    (tmp_path / "machine").mkdir()
    return MirrorPod(tmp_path / "machine", bench.root)


def train(bench: Bench, pod: LocalPod, watcher: Quiet | None = None, **options: Any) -> Trained:
    workspace = Workspace(bench.root)
    return Training(workspace, pod, open_project(workspace, "qa"), watcher or Quiet()).train(**options)


def adapter(root: Path) -> str:
    return hashlib.sha256((root / "outputs/qa/adapter_model.safetensors").read_bytes()).hexdigest()


def test_a_run_elsewhere_comes_home_whole_and_without_its_checkpoints(bench: Bench, pod: MirrorPod) -> None:
    trained = train(bench, pod)
    assert trained.results["steps"] == 12
    assert adapter(bench.root) == adapter(pod.root)
    assert (bench.root / "outputs/qa/millhand_run.json").is_file()
    assert not list((bench.root / "outputs/qa").glob("checkpoint-*"))
    assert list((pod.root / "outputs/qa").glob("checkpoint-*"))


def test_only_what_the_run_reads_is_brought(bench: Bench, pod: MirrorPod) -> None:
    (bench.root / "dataset_registry" / "other").mkdir()
    (bench.root / "dataset_registry" / "other" / "rows.jsonl").write_text("{}\n")
    train(bench, pod)
    there = {path.relative_to(pod.root).as_posix() for path in pod.root.rglob("*") if path.is_file()}
    assert "dataset_registry/bicycle/rows.jsonl" in there
    assert "models/tiny/model.safetensors" in there
    assert not [path for path in there if "other" in path or path == ".env" or "ledger" in path]


def test_a_finished_run_is_found_done_without_the_pod(bench: Bench, pod: MirrorPod) -> None:
    first = train(bench, pod)

    class Gone(MirrorPod):
        def run(self, *_arguments: Any, **_options: Any) -> Any:
            raise AssertionError("the pod was asked")

    again = train(bench, Gone(pod.root, bench.root))
    assert again.again
    assert again.results == first.results


def test_ctrl_c_leaves_the_job_and_the_same_command_follows_it_again(bench: Bench, pod: MirrorPod) -> None:
    bench.configure(max_steps=60, save_steps=20)
    with pytest.raises(StoppedError, match="goes on"):
        train(bench, pod, Quiet(ctrl_c_at=2))
    watcher = Quiet()
    assert train(bench, pod, watcher).results["steps"] == 60
    assert "going on; following it" in " ".join(watcher.told)


def test_a_run_begun_here_goes_on_there_from_its_checkpoint(bench: Bench, pod: MirrorPod) -> None:
    bench.configure(max_steps=120, save_steps=10, per_device_train_batch_size=16)
    here = LocalPod(bench.root)
    with pytest.raises(StoppedError):
        train(bench, here, Quiet(ctrl_c_at=15))
    watcher = Quiet()
    assert train(bench, pod, watcher).results["steps"] == 120
    assert "Going on from step" in " ".join(watcher.told)


def test_a_run_that_is_on_another_pod_is_not_begun_twice(bench: Bench, pod: MirrorPod) -> None:
    bench.configure(max_steps=60, save_steps=20)
    with pytest.raises(StoppedError):
        train(bench, pod, Quiet(ctrl_c_at=2))
    with pytest.raises(UsageError, match="is on mirror"):
        train(bench, LocalPod(bench.root))
    pod.attach("train-qa").stop(0)


def test_a_merged_model_comes_home_and_answers_there_too(bench: Bench, pod: MirrorPod) -> None:
    train(bench, pod)
    workspace = Workspace(bench.root)
    project = open_project(workspace, "qa")
    exporting = Exporting(workspace, pod, project, Quiet())
    assert not exporting.export().again
    assert (bench.root / "outputs/qa-merged/millhand_run.json").is_file()
    assert not (pod.root / "outputs/qa-merged.partial").exists()
    assert exporting.export().again
    served = choose_model(workspace, pod, project)
    with serving(workspace, pod, served) as (endpoint, _):
        assert isinstance(endpoint.chat([{"role": "user", "content": "자전거"}], max_tokens=4), str)


def test_what_lies_outside_of_the_workspace_is_refused(bench: Bench, pod: MirrorPod) -> None:
    bench.configure(model_name_or_path=str(bench.root / "models/tiny"))
    with pytest.raises(UsageError, match="a place on this machine"):
        train(bench, pod)
