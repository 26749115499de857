"""The README's remote walk-through as it is written, in a copy of this repository, on a fake RunPod.

What is changed in the copy: the base model is a tiny one that is made here instead of one from the Hub, the
trainer uses the CPU, and the pod file's volume is a folder of this machine.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from millhand.llamafactory.yaml import dump_value, read_yaml
from tests.integration.conftest import Bench
from tests.integration.pods.rented import Rented, renting
from tests.integration.test_readme import ROOT, remote_walk_through
from tests.patience import WITHIN_S

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]
PROJECT, DATASET = "ko_civil_service", "ko_civil_service_inst"
CHANGES = {"model_name_or_path": "models/tiny", "template": "chatml", "quantization_bit": None, "bf16": None}
TRAIN = {"use_cpu": True, "max_steps": 6, "cutoff_len": 128, "per_device_train_batch_size": 4,
         "flash_attn": None, "gradient_accumulation_steps": 1}  # fmt: skip


@pytest.fixture
def rented(tmp_path: Path) -> Iterator[Rented]:
    root = tmp_path / "millhand"
    names = (
        "Makefile",
        "pyproject.toml",
        "constraints.txt",
        "dataset_registry",
        "llamafactory_configs",
        "runpod",
    )
    root.mkdir()
    for name in names:
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, root / name)
    bench = Bench(root)
    bench.call("model", "init", "models/tiny", "--size", "tiny", "--from", DATASET)
    for purpose in ("train", "export", "chat"):
        _adapt(root / f"llamafactory_configs/{PROJECT}/{purpose}.yaml", TRAIN if purpose == "train" else {})
    with renting(bench, tmp_path / "there", volume=False) as made:
        yield made


def _adapt(path: Path, more: dict[str, object]) -> None:
    values = {**read_yaml(path), **CHANGES, **more}
    lines = [f"{key}: {dump_value(value)}\n" for key, value in values.items() if value is not None]
    path.write_text("".join(lines), encoding="utf-8")


def environment(rented: Rented) -> dict[str, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, **rented.env, "PATH": path, "VENV": sys.prefix}


def test_the_remote_walk_through_as_written(rented: Rented) -> None:
    printed: dict[str, str] = {}
    for line in remote_walk_through("README.md"):
        words = typed(line)
        if "webui" in words:
            show(words, rented)
            continue
        done = subprocess.run(
            words, cwd=rented.bench.root, env=environment(rented), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, (line, done.stdout, done.stderr)
        printed[line] = done.stdout + done.stderr
    trained = next(text for line, text in printed.items() if "train-remote" in line)
    assert "6 of 6" in trained
    assert "terminated" in next(text for line, text in printed.items() if "make down" in line)
    assert len(rented.account.created()) == 1
    manifest = rented.bench.root / f"outputs/{PROJECT}-merged/millhand_run.json"
    assert json.loads(manifest.read_text())["results"]["steps"] == 6
    assert rented.pods() == []


def typed(line: str) -> list[str]:
    """The words of a line; make is to take the environment that the tests run in as it is."""
    words = shlex.split(line)
    return [*words, f"VENV={sys.prefix}", "-o", f"{sys.prefix}/.installed"] if words[0] == "make" else words


def show(words: list[str], rented: Rented) -> None:
    """`make webui` until its page is there, then Ctrl-C, as a person at the terminal does."""
    if port_is_taken(7860):
        pytest.skip("port 7860, which the README names, is in use here")
    page = subprocess.Popen(
        words, cwd=rented.bench.root, env=environment(rented), stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    assert page.stderr is not None
    lines = []
    try:
        for line in page.stderr:
            lines.append(line)
            if "http://127.0.0.1:7860" in line:
                break
        assert "http://127.0.0.1:7860" in lines[-1], lines
        os.killpg(page.pid, signal.SIGINT)
        page.communicate(timeout=WITHIN_S)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(page.pid, signal.SIGKILL)
    assert len(rented.pods()) == 1


def port_is_taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
