"""A workspace with a dataset and a finished, exported run, made by hand: no trainer is needed to publish."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from millhand.datasets.add import AddOptions, add_dataset
from millhand.datasets.registry import Registry
from millhand.files import sha256_file
from millhand.runs.finished import EXPORTED, open_ledger
from millhand.runs.ledger import Run
from millhand.runs.plan import VERIFIED
from millhand.training.initial_model import NOTE_FILE
from millhand.workspace import Workspace

CONFIG = {"model_name_or_path": "models/tiny", "dataset": "minwon", "template": "chatml", "stage": "sft",
          "finetuning_type": "lora", "output_dir": "outputs/qa", "learning_rate": 1e-4}  # fmt: skip
MANIFEST = "millhand_run.json"
LICENCE = "CC-BY-4.0"


def make_dataset(workspace: Workspace, name: str = "minwon", licence: str = LICENCE) -> None:
    """A dataset of two rows."""
    source = workspace.root / f"{name}.csv"
    source.write_text(
        "instruction,output\n여권은 어디서?,구청에서 합니다.\n주차는?,지하에 합니다.\n", "utf-8"
    )
    add_dataset(Registry(workspace.registry), source, AddOptions(licence=licence))


def make_run(workspace: Workspace, name: str = "qa", *, size: int = 300_000) -> Run:
    """A finished run of the project ``qa`` with its adapter, and its merged model in two shards."""
    if "minwon" not in Registry(workspace.registry).names():
        make_dataset(workspace)
    root, output, merged = workspace.root, f"outputs/{name}", f"outputs/{name}-merged"
    (root / "models/tiny").mkdir(parents=True, exist_ok=True)
    (root / "models/tiny" / NOTE_FILE).write_text("{}")
    _write(workspace.configs / "qa/train.yaml", CONFIG)
    rows = sha256_file(workspace.registry / "minwon/rows.jsonl")
    facts: dict[str, Any] = {"config": CONFIG, "data": {"minwon": rows}, "model": {"folder": "models/tiny"}}
    run = Run(name, "qa", "llamafactory_configs/qa/train.yaml", "f", "local", output, 1.0, facts)
    trained = {"run": name, "config": CONFIG, "inputs": facts, "machine": {}, "results": {"steps": 3}}
    _write(root / output / MANIFEST, trained)
    _write(root / output / "trainer_state.json", {"global_step": 3, "max_steps": 3})
    _write(root / output / "adapter_config.json", {"base_model_name_or_path": "models/tiny"})
    write_safetensors(root / output / "adapter_model.safetensors", 5_000)
    (root / output / "training_args.bin").write_bytes(b"\x80\x04")
    _write_merged(root / merged, trained, size)
    _mark(workspace, run, merged)
    return run


def write_safetensors(path: Path, size: int) -> None:
    """Weights of one tensor of random bytes."""
    header = json.dumps({"w": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        for start in range(0, size, 1 << 24):
            file.write(os.urandom(min(1 << 24, size - start)))


def _write_merged(folder: Path, trained: dict[str, Any], size: int) -> None:
    names = [f"model-0000{number}-of-00002.safetensors" for number in (1, 2)]
    _write(folder / "config.json", {"model_type": "llama"})
    _write(folder / "tokenizer.json", {"가": 1})
    _write(folder / "model.safetensors.index.json", {"weight_map": {"a": names[0], "b": names[1]}})
    for number, name in enumerate(names, 1):
        write_safetensors(folder / name, size * number)
    _write(folder / MANIFEST, {**trained, "export": {"tokens": 3, "parameters": 7, "dtype": "float32"}})


def _mark(workspace: Workspace, run: Run, merged: str) -> None:
    ledger = open_ledger(workspace)
    ledger.add(run)
    for step, facts in ((VERIFIED, {"steps": 3}), (EXPORTED + merged, {"folder": merged})):
        ledger.begin(run.name, step)
        ledger.finish(run.name, step, facts)


def _write(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
