"""The manifest: what a run was made from, with what, on what, and what came out. JSON beside the weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from millhand import __version__
from millhand.datasets.registry import NotLocalError, Registry
from millhand.files import write_text
from millhand.llamafactory.log import TrainerLog
from millhand.runs.ledger import Ledger, Run
from millhand.training.check import dataset_names, looks_local
from millhand.training.effective import SECRET_KEYS, earlier_adapters, identity
from millhand.workspace import Workspace

FILE_NAME = "millhand_run.json"
_MODEL_SUFFIXES = (".safetensors", ".bin", ".json", ".model", ".jinja", ".py", ".txt")
_PROCESSORS = frozenset({"x86_64", "AMD64", "aarch64", "arm64", "ARM64"})
_LEFTOVERS = (FILE_NAME, "trainer_state.json", "all_results.json", "train_results.json", "eval_results.json")


def input_facts(workspace: Workspace, ledger: Ledger, values: Mapping[str, Any]) -> dict[str, Any]:
    """What decides a run's outcome: config, the bytes of its data, the bytes of its base and adapters."""
    adapters = earlier_adapters(values)
    facts = {
        "config": identity(values),
        "data": {name: data_fact(workspace, ledger, name) for name in dataset_names(values)},
        "model": model_facts(workspace, ledger, values),
    }
    if adapters:
        facts["adapters"] = {name: _weights(workspace, ledger, name) for name in adapters}
    return facts


def data_fact(workspace: Workspace, ledger: Ledger, name: str) -> str:
    """The hash of a dataset's rows; for one on a hub, that it is there."""
    try:
        return ledger.sha256(Registry(workspace.registry).dataset(name).rows_path)
    except NotLocalError:
        return "on a hub"


def model_facts(workspace: Workspace, ledger: Ledger, values: Mapping[str, Any]) -> dict[str, Any]:
    """The base model: the hash of each of its files, or the Hub's name and revision."""
    return _weights(
        workspace, ledger, str(values["model_name_or_path"]), str(values.get("model_revision", "main"))
    )


def _weights(workspace: Workspace, ledger: Ledger, model: str, revision: str = "main") -> dict[str, Any]:
    folder = workspace.root / model
    if not (looks_local(model) or folder.is_dir()):
        return {"hub": model, "revision": revision}
    files = sorted(path for path in folder.rglob("*") if path.is_file() and _counts(path.relative_to(folder)))
    return {
        "folder": model,
        "files": {path.relative_to(folder).as_posix(): ledger.sha256(path) for path in files},
    }


def _counts(path: Path) -> bool:
    """Whether a file is part of the model: Millhand's notes and a training's leftovers are not."""
    hidden = any(part.startswith((".", "checkpoint-", "set-aside-")) for part in path.parts)
    return not hidden and path.suffix in _MODEL_SUFFIXES and path.name not in _LEFTOVERS


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
        "config": {key: value for key, value in values.items() if key not in SECRET_KEYS},
        "seed": values.get("seed", 42),  # transformers.TrainingArguments.seed
        "machine": dict(machine),
        "results": dict(outcome),
    }


def for_others(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """A manifest as others may see it: without the pod's name (an address, over SSH) or the kernel's."""
    shown = {key: value for key, value in manifest.items() if key != "pod"}
    machine = dict(shown.get("machine") or {})
    if machine.get("platform"):
        machine["platform"] = _system(str(machine["platform"]))
    return {**shown, **({"machine": machine} if machine else {})}


def _system(platform: str) -> str:
    """``Linux-x86_64`` of ``Linux-6.1.0-lab7-x86_64-with-glibc2.36``: a kernel's name is its owner's."""
    system, *rest = platform.split("-")
    return "-".join([system, *(part for part in rest if part in _PROCESSORS)])


def write_manifest(path: Path, manifest: Mapping[str, Any]) -> None:
    """Write a manifest beside what the run made."""
    text = json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=False, default=str)
    write_text(path, text + "\n")


def read_manifest(path: Path) -> dict[str, Any]:
    """Read a manifest; empty where there is none."""
    return parse_manifest(path.read_bytes() if path.is_file() else b"")


def parse_manifest(data: bytes) -> dict[str, Any]:
    """A manifest's content; empty where there is none."""
    manifest: dict[str, Any] = json.loads(data) if data else {}
    return manifest
