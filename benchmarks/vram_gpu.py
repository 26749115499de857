"""Measures one cell on the GPU that is there: LLaMA-Factory's own loader and trainer, a few steps.

The model has its real shape and random weights, made once a model and deleted after its cells. Each cell is
a process of its own, so that nothing of the one before is left on the GPU. The process that measures is
this file: ``python -m benchmarks.vram_gpu FOLDER CELL.json ANSWER.json``.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.vram_cells import Cell, Measured
from millhand.training.estimate.models import table
from millhand.training.tokenizer import train_tokenizer

_SHARD = 4 << 30
_STEPS = 3
_TEXT = "가나다라마바사 아자차카타파하 " * 20


def gpu_name() -> str:
    """The GPU's name; empty where torch finds none."""
    code = "import torch; print(torch.cuda.get_device_name(0) if torch.cuda.is_available() else '')"
    try:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip().splitlines()[-1] if done.returncode == 0 and done.stdout.strip() else ""


class GpuMeasurer:
    """Measures cells in a scratch folder; a model's weights are made before its first cell."""

    def __init__(self, scratch: Path) -> None:
        self.scratch, self.model = scratch, ""

    def __call__(self, cell: Cell) -> Measured:
        """Measure a cell; one that runs out of memory is a result too."""
        if cell.model != self.model:
            self._furnish(cell.model)
        task, answer = self.scratch / "cell.json", self.scratch / "answer.json"
        task.write_bytes(msgspec.json.encode(cell))
        answer.unlink(missing_ok=True)
        shutil.rmtree(
            self.scratch / "out", ignore_errors=True
        )  # a model card of another method would be taken
        command = [sys.executable, "-m", "benchmarks.vram_gpu", str(self.scratch), str(task), str(answer)]
        done = subprocess.run(command, check=False, env={**os.environ, "HF_HUB_OFFLINE": "1"})
        if not answer.is_file():
            raise SystemExit(f"{cell.name} ended with {done.returncode} and left no figure.")
        return msgspec.json.decode(answer.read_bytes(), type=Measured)

    def _furnish(self, model: str) -> None:
        shutil.rmtree(self.scratch, ignore_errors=True)
        self.scratch.mkdir(parents=True)
        write_model(self.scratch / "model", model)
        write_dataset(self.scratch / "data")
        self.model = model


def write_dataset(folder: Path) -> None:
    """Rows that are longer than any cell's length, so that each is cut to it exactly."""
    folder.mkdir(parents=True)
    (folder / "dataset_info.json").write_text('{"long": {"file_name": "long.json"}}', encoding="utf-8")
    row = {"instruction": "이어서 쓰세요.", "input": "", "output": _TEXT * 400}
    (folder / "long.json").write_text(json.dumps([row] * 256, ensure_ascii=False), encoding="utf-8")


def write_model(folder: Path, name: str, **changes: Any) -> None:
    """A model of the table with random weights, in shards, and a small tokenizer."""
    torch = importlib.import_module("torch")
    transformers = importlib.import_module("transformers")
    config = transformers.AutoConfig.for_model(**{**table()[name].config, **changes})
    folder.mkdir(parents=True)
    train_tokenizer([_TEXT], "bpe", 600, 1 << 20, folder)
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(config, dtype=config.dtype)
    config.architectures = [type(model).__name__]
    config.save_pretrained(folder)
    tied = set(model._tied_weights_keys or ()) if config.tie_word_embeddings else set()
    sizes = {key: value for key, value in model.state_dict().items() if key not in tied}
    _write_shards(torch, folder, sizes)


def _write_shards(torch: Any, folder: Path, sizes: dict[str, Any]) -> None:
    save = importlib.import_module("safetensors.torch").save_file
    index: dict[str, str] = {}
    shard: dict[str, Any] = {}
    held = number = 0
    for last, (key, like) in enumerate(sizes.items(), start=1):
        shard[key] = (torch.randn(like.shape) * 0.02).to(like.dtype)
        held += shard[key].numel() * shard[key].element_size()
        if held >= _SHARD or last == len(sizes):
            number += 1
            file = f"model-{number:05}.safetensors"
            save(shard, folder / file, metadata={"format": "pt"})
            index |= dict.fromkeys(shard, file)
            shard, held = {}, 0
    answer = {"metadata": {}, "weight_map": index}
    (folder / "model.safetensors.index.json").write_text(json.dumps(answer), encoding="utf-8")


def settings(cell: Cell, scratch: Path) -> dict[str, Any]:
    """The whole train.yaml of a cell."""
    return {
        **cell.settings, "model_name_or_path": str(scratch / "model"), "do_train": True,
        "dataset_dir": str(scratch / "data"), "dataset": "long", "template": "chatml", "max_samples": 128,
        "output_dir": str(scratch / "out"), "overwrite_cache": True,
        "max_steps": _STEPS, "save_strategy": "no", "logging_steps": 1, "report_to": "none",
        "plot_loss": False,
        "learning_rate": 1e-5, "preprocessing_num_workers": 1, "dataloader_num_workers": 0,
    }  # fmt: skip


def _measure(scratch: Path, cell: Cell) -> Measured:
    torch = importlib.import_module("torch")
    tuner = importlib.import_module("llamafactory.train.tuner")
    began, full = time.monotonic(), False
    try:
        tuner.run_exp(settings(cell, scratch))
    except torch.cuda.OutOfMemoryError:
        full = True
    free, memory = torch.cuda.mem_get_info()
    return Measured(
        cell=cell,
        allocated=torch.cuda.max_memory_allocated(),
        reserved=torch.cuda.max_memory_reserved(),
        context=max(0, memory - free - torch.cuda.memory_reserved()),
        out_of_memory=full,
        memory=memory,
        seconds_a_step=(time.monotonic() - began) / _STEPS,
    )


if __name__ == "__main__":
    place, task, answer = map(Path, sys.argv[1:4])
    found = _measure(place, msgspec.json.decode(task.read_bytes(), type=Cell))
    answer.write_bytes(msgspec.json.encode(found))
