"""The manifest: what a run was made from, with what, on what, and what came out. JSON beside the weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from millhand import __version__
from millhand.datasets.registry import Registry
from millhand.files import write_text
from millhand.llamafactory.log import TrainerLog
from millhand.runs.ledger import Ledger, Run
from millhand.training.check import dataset_names, looks_local
from millhand.training.effective import identity
from millhand.workspace import Workspace

FILE_NAME = "millhand_run.json"


def input_facts(workspace: Workspace, ledger: Ledger, values: Mapping[str, Any]) -> dict[str, Any]:
    """What decides a run's outcome: config, the bytes of its data, the bytes of its base model."""
    registry = Registry(workspace.registry)
    data = {name: ledger.sha256(registry.dataset(name).rows_path) for name in dataset_names(values)}
    return {"config": identity(values), "data": data, "model": model_facts(workspace, ledger, values)}


def model_facts(workspace: Workspace, ledger: Ledger, values: Mapping[str, Any]) -> dict[str, Any]:
    """The base model: the hash of each of its files, or the Hub's name and revision."""
    model = str(values["model_name_or_path"])
    folder = workspace.root / model
    if not (looks_local(model) or folder.is_dir()):
        return {"hub": model, "revision": str(values.get("model_revision", "main"))}
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    return {
        "folder": model,
        "files": {path.relative_to(folder).as_posix(): ledger.sha256(path) for path in files},
    }


def results(log: TrainerLog, state: Mapping[str, Any]) -> dict[str, Any]:
    """What came out. Losses are the log's: LLaMA-Factory's all_results.json is wrong after a resume."""
    losses, evals = log.losses, log.eval_losses
    return {
        "steps": state["step"],
        "max_steps": state["max_steps"],
        "loss": losses[-1].loss if losses else None,
        "eval_loss": evals[-1].eval_loss if evals else None,
        "best_eval_loss": min((point.eval_loss or 0.0 for point in evals), default=None),
        "training_s": log.training_s,
    }


def build_manifest(
    run: Run, values: Mapping[str, Any], machine: Mapping[str, Any], outcome: Mapping[str, Any]
) -> dict[str, Any]:
    """Put a run's manifest together."""
    return {
        "millhand": __version__,
        "run": run.name,
        "project": run.project,
        "pod": run.pod,
        "created_s": run.created_s,
        "fingerprint": run.fingerprint,
        "inputs": run.facts,
        "config": dict(values),
        "seed": values.get("seed", 42),  # transformers.TrainingArguments.seed
        "machine": dict(machine),
        "results": dict(outcome),
    }


def write_manifest(path: Path, manifest: Mapping[str, Any]) -> None:
    """Write a manifest beside what the run made."""
    text = json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=False, default=str)
    write_text(path, text + "\n")


def read_manifest(path: Path) -> dict[str, Any]:
    """Read a manifest; empty where there is none."""
    if not path.is_file():
        return {}
    manifest: dict[str, Any] = json.loads(path.read_bytes())
    return manifest
