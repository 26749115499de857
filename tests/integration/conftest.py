"""A workspace with a tiny model and dataset that the real LLaMA-Factory trains in seconds."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from millhand.demo import spreadsheet
from millhand.pods.local import LocalPod
from millhand.workspace import Workspace, create_workspace
from tests.patience import WITHIN_S

TRAIN = {
    "model_name_or_path": "models/tiny",
    "stage": "sft",
    "do_train": True,
    "finetuning_type": "lora",
    "lora_rank": 8,
    "lora_target": "all",
    "dataset_dir": "dataset_registry",
    "dataset": "bicycle",
    "template": "chatml",
    "cutoff_len": 128,
    "preprocessing_num_workers": 1,
    "output_dir": "outputs/qa",
    "logging_steps": 1,
    "save_steps": 4,
    "report_to": "none",
    "per_device_train_batch_size": 4,
    "learning_rate": 1e-3,
    "max_steps": 12,
    "use_cpu": True,
}
MODEL = {"model_name_or_path": "models/tiny", "adapter_name_or_path": "outputs/qa", "template": "chatml"}
EXPORT = {**MODEL, "finetuning_type": "lora", "export_dir": "outputs/qa-merged"}
CHAT = {**MODEL, "finetuning_type": "lora", "do_sample": False, "max_new_tokens": 16}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without the training environment these tests are skipped, unless they are asked for by name."""
    if importlib.util.find_spec("llamafactory") or os.environ.get("MILLHAND_TESTS") == "all":
        return
    for item in items:
        if item.get_closest_marker("real"):
            item.add_marker(pytest.mark.skip(reason="the training environment is not installed"))


@dataclass
class Bench:
    """The workspace, and the command line as a user calls it: a process of its own."""

    root: Path
    clients: list[subprocess.Popen[str]] = field(default_factory=list)

    def configure(self, **changes: Any) -> None:
        """Write the project ``qa``; a change to None takes the key out."""
        folder = self.root / "llamafactory_configs" / "qa"
        folder.mkdir(exist_ok=True)
        train = {key: value for key, value in {**TRAIN, **changes}.items() if value is not None}
        for name, values in (("train", train), ("export", EXPORT), ("chat", CHAT)):
            lines = [f"{key}: {json.dumps(value)}\n" for key, value in values.items()]
            (folder / f"{name}.yaml").write_text("".join(lines), encoding="utf-8")

    def start(self, *arguments: str, python: str = sys.executable, **env: str) -> subprocess.Popen[str]:
        """Start ``millhand ARGUMENTS`` in the workspace."""
        client = subprocess.Popen(
            [python, "-m", "millhand", *arguments],
            cwd=self.root,
            env={**os.environ, **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )
        self.clients.append(client)
        return client

    def call(self, *arguments: str, code: int = 0, **env: str) -> tuple[str, str]:
        """Run ``millhand ARGUMENTS`` to its end; its stdout and stderr."""
        out, err = self.start(*arguments, **env).communicate(timeout=WITHIN_S)
        assert self.clients[-1].returncode == code, err
        return out, err

    def answer(self, *arguments: str, **env: str) -> Any:
        """Run ``millhand ARGUMENTS --json`` and read its answer."""
        return json.loads(self.call(*arguments, "--json", **env)[0])

    def log(self, output: str = "outputs/qa") -> list[dict[str, Any]]:
        """The lines of a trainer_log.jsonl so far."""
        path = self.root / output / "trainer_log.jsonl"
        lines = path.read_text().splitlines(keepends=True) if path.exists() else []
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def wait_for_step(self, step: int, output: str = "outputs/qa") -> None:
        """Wait until the trainer has logged ``step``."""
        self.wait(lambda: any(line["current_steps"] >= step for line in self.log(output)))

    def wait(self, condition: Callable[[], bool], within_s: float = WITHIN_S) -> None:
        """Wait until something holds."""
        deadline = time.monotonic() + within_s
        while not condition():
            assert time.monotonic() < deadline, [
                c.communicate() for c in self.clients if c.poll() is not None
            ]
            time.sleep(0.05)

    def trainer(self, run: str = "qa") -> int:
        """The process id of the trainer of a run."""
        state = self.root / ".millhand" / "jobs" / f"train-{run}" / "state.json"
        self.wait(lambda: state.exists() and "pid" in json.loads(state.read_text()))
        return int(json.loads(state.read_text())["pid"])

    def steps(self, output: str = "outputs/qa") -> int:
        """The step at which the final weights were saved."""
        return int(json.loads((self.root / output / "trainer_state.json").read_text())["global_step"])

    def files(self, folder: str) -> dict[str, tuple[int, int]]:
        """Size and time of change of all files of a folder."""
        paths = [path for path in (self.root / folder).rglob("*") if path.is_file()]
        return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in paths}


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with the dataset and the initial model, made once; its name has a blank."""
    workspace, _ = create_workspace(tmp_path_factory.mktemp("bench") / "my workspace")
    bench = Bench(workspace.root)
    bench.call("data", "add", str(spreadsheet()), "--name", "bicycle")
    bench.call("model", "init", "models/tiny", "--size", "tiny", "--from", "bicycle")
    return workspace.root


@pytest.fixture
def bench(template: Path, tmp_path: Path) -> Iterator[Bench]:
    """A copy of the template with the project ``qa``; whatever still runs in it is ended afterwards."""
    root = tmp_path / "my workspace"
    shutil.copytree(template, root)
    bench = Bench(Workspace(root).root)
    bench.configure()
    yield bench
    for client in bench.clients:
        client.kill()
        client.communicate()
    for job in root.glob(".millhand/jobs/*"):
        LocalPod(root).attach(job.name).stop(0)
