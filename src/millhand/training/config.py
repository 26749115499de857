"""A project's configuration from a preset: train.yaml, export.yaml and chat.yaml, plain LLaMA-Factory YAML.

Paths in them are relative to the workspace's root, which is where LLaMA-Factory is started.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec

from millhand.datasets.registry import Registry
from millhand.errors import Finding, FindingsError, UsageError
from millhand.files import write_text
from millhand.llamafactory.yaml import parse_value
from millhand.training.effective import SHARED
from millhand.training.folders import free_name, whole_folder
from millhand.training.layout import commands, render
from millhand.training.presets import FOLDER, OWNED, Preset, load_preset
from millhand.workspace import CONFIGS, OUTPUTS, REGISTRY, Workspace, check_name

FILES = ("train", "export", "chat")
# What says how the base is loaded and how a conversation is written: alike in all three files, or the
# merged model is not the one that was trained.
# Where a setting that a preset has not goes, by how its name starts; all others go under "train".
_SECTIONS = {
    "model": (
        *SHARED[:-3],
        "quantization_",
        "double_quantization",
        "flash_attn",
        "use_unsloth",
        "cache_dir",
    ),
    "method": ("stage", "finetuning_type", "lora_", "freeze_", "additional_target", "use_rslora", "use_dora"),
    "dataset": (*SHARED[-3:], "max_samples", "cutoff_len", "mix_strategy", "packing", "neat_packing"),
    "output": ("logging_", "save_", "report_to", "run_name", "plot_loss", "push_to_hub", "hub_"),
    "eval": ("eval_", "val_size", "do_eval", "per_device_eval", "compute_accuracy", "predict_with"),
}
_ADAPTER_METHODS = ("lora", "oft")
_KEY = re.compile(r"(?:(train|export|chat)\.)?([A-Za-z_][A-Za-z0-9_]*)")

Settings = dict[str, Any]
Outcome = Literal["made", "unchanged", "replaced"]


@dataclass(frozen=True, slots=True)
class Override:
    """``--set``: a value for a key, for one file or (``file`` is None) for those that the key belongs to."""

    key: str
    value: Any
    file: str | None = None


@dataclass(frozen=True, slots=True)
class NewProject:
    """What to make: names, and what to change of the preset."""

    name: str
    preset: str
    datasets: Sequence[str]
    model: str | None = None
    overrides: Sequence[Override] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class MadeProject:
    """What was made: the three files by name, and the settings of train.yaml."""

    name: str
    outcome: Outcome
    files: Mapping[str, Path]
    train: Settings
    needs: str


def parse_overrides(texts: Sequence[str]) -> list[Override]:
    """Read ``key=value`` (or ``export.key=value``, ``chat.key=value``); a value is YAML.

    Raises:
        FindingsError: All that is wrong with them.
    """
    overrides: list[Override] = []
    findings: list[Finding] = []
    for text in texts:
        try:
            overrides.append(_parse_override(text))
        except FindingsError as error:
            findings += error.findings
    taken = [(override.file, override.key) for override in overrides]
    findings += [
        _set_finding(f"{key} is set twice.", "Keep one.")
        for _, key in {t for t in taken if taken.count(t) > 1}
    ]
    if findings:
        raise FindingsError(findings)
    return overrides


def _parse_override(text: str) -> Override:
    name, equals, value = text.partition("=")
    match = _KEY.fullmatch(name.strip())
    if not equals or not match:
        raise FindingsError([_set_finding(f"{text!r} is not key=value.", "Try --set learning_rate=2e-4.")])
    file, key = match.groups()
    if key in OWNED or key == "model_name_or_path":
        instead = {"dataset": "Use --dataset.", "model_name_or_path": "Use --model."}
        mend = instead.get(key, "It follows from the project's name; choose another name.")
        raise FindingsError([_set_finding(f"{key} is not set this way.", mend)])
    return Override(key, parse_value(value, f"--set {key}"), file)


def _set_finding(message: str, mend: str) -> Finding:
    return Finding(id="config.set", severity="error", message=message, file="--set", mend=mend)


def new_project(workspace: Workspace, wanted: NewProject, *, replace: bool = False) -> MadeProject:
    """Write the three files of a new project, all of them or none.

    Raises:
        UsageError: The name, the preset, a dataset or the model cannot be.
        FindingsError: The project exists and is another, or the preset has faults.
    """
    name = _project_name(wanted.name)
    preset = load_preset(wanted.preset, workspace)
    datasets = _datasets(workspace, wanted.datasets)
    model = _model(workspace, wanted.model) if wanted.model else None
    settings = _settle(preset, name, datasets, model, wanted.overrides)
    texts = {
        file: render(_head(file, preset, wanted, name), settings[file], _notes(file, preset, wanted))
        for file in FILES
    }
    outcome = _write(workspace, name, texts, replace=replace)
    folder = workspace.configs / name
    train = {key: value for section in settings["train"].values() for key, value in section.items()}
    return MadeProject(name, outcome, {file: folder / f"{file}.yaml" for file in FILES}, train, preset.needs)


def _project_name(name: str) -> str:
    checked = check_name(name, "project")
    if checked == FOLDER:
        raise UsageError(
            f"No project can be called {FOLDER!r}: {CONFIGS}/{FOLDER}/ holds the workspace's own presets.",
            mend="Choose another name.",
        )
    return checked


def _datasets(workspace: Workspace, names: Sequence[str]) -> list[str]:
    registry = Registry(workspace.registry)
    known = registry.names()
    chosen = list(dict.fromkeys(name.strip() for name in names if name.strip()))
    if not chosen:
        raise UsageError(
            "No dataset is named.", mend="Add one: `millhand data add FILE`, then --dataset NAME."
        )
    # LLaMA-Factory can train on a dataset that lies on a hub; only one of no entry at all is a fault.
    return [name if name in known else registry.dataset(name).name for name in chosen]


def _model(workspace: Workspace, model: str) -> str:
    """A Hub id as it is; a folder of the workspace relative to its root, wherever the user stands."""
    path = Path(model)
    inside = (workspace.root / path).is_dir() or not path.is_dir()
    name = model if inside and not path.is_absolute() else workspace.relative(path)
    if any(c.isspace() for c in name):
        raise UsageError(
            f"{name!r} cannot name a model: LLaMA-Factory's launcher splits paths on blanks.",
            mend="Name a model on the Hub (owner/name) or a folder such as models/tiny.",
        )
    return name


def _settle(
    preset: Preset, name: str, datasets: Sequence[str], model: str | None, overrides: Sequence[Override]
) -> dict[str, dict[str, Settings]]:
    """Work the settings of the three files out, by section."""
    train = {key: dict(section) for key, section in msgspec.structs.asdict(preset.train).items()}
    apart = {"export": dict(preset.export), "chat": dict(preset.chat)}
    if model:
        train["model"] = {**train["model"], "model_name_or_path": model}
    for override in overrides:
        _apply(override, train, apart)
    train["dataset"] = {"dataset_dir": REGISTRY, "dataset": ",".join(datasets), **train["dataset"]}
    train["output"] = {"output_dir": f"{OUTPUTS}/{name}", **train["output"]}
    base = _trained(train, f"{OUTPUTS}/{name}")
    export = {"export_dir": f"{OUTPUTS}/{name}-merged", **apart["export"]}
    return {
        "train": train,
        "export": {"model": {**base, **_kept(export, "model")}, "export": _kept(export, "export")},
        "chat": {
            "model": {**base, **_kept(apart["chat"], "model")},
            "generation": _kept(apart["chat"], "export"),
        },
    }


def _apply(override: Override, train: dict[str, Settings], apart: dict[str, Settings]) -> None:
    """Change or add one setting where it stands; where it stands nowhere, in train.yaml."""
    key, value = override.key, override.value
    section = next((name for name, values in train.items() if key in values), None)
    files = [override.file] if override.file else [name for name, values in apart.items() if key in values]
    for file in files:
        if file != "train":
            apart[file][key] = value
    if override.file == "train" or section or not files:
        train[section or _section(key)][key] = value


def _section(key: str) -> str:
    return next((name for name, starts in _SECTIONS.items() if key.startswith(starts)), "train")


def _kept(values: Settings, group: str) -> Settings:
    """Split a file that has two sections: how the model is loaded, and what is done with it."""
    loading = {key for key in values if key.startswith("infer_") or key in SHARED}
    return {key: value for key, value in values.items() if (key in loading) == (group == "model")}


def _trained(train: Mapping[str, Settings], output_dir: str) -> Settings:
    """How export.yaml and chat.yaml name what train.yaml makes: base and adapter, or the model itself."""
    values = {key: value for section in train.values() for key, value in section.items()}
    shared = {key: values[key] for key in SHARED if key in values}
    method = values.get("finetuning_type", "lora")
    if method not in _ADAPTER_METHODS:
        return {"model_name_or_path": output_dir, **shared}
    base = {"model_name_or_path": values["model_name_or_path"], "adapter_name_or_path": output_dir}
    return base | ({"finetuning_type": method} if method != "lora" else {}) | shared


_PURPOSES = {
    "train": "{purpose}",
    "export": "Merges what train.yaml makes into one model that needs no LLaMA-Factory.",
    "chat": "Talks with what train.yaml makes; also for `llamafactory-cli api` and `webchat`.",
}


def _head(file: str, preset: Preset, wanted: NewProject, name: str) -> list[str]:
    needs = preset.needs if file == "train" else f"{CONFIGS}/{name}/train.yaml has run."
    base = preset.train.values().get("model_name_or_path")
    other = wanted.model and wanted.model != base
    return [
        f"{name}: {_PURPOSES[file].format(purpose=preset.purpose)}",
        f"Made from the preset {wanted.preset}. Plain LLaMA-Factory 0.9.5: this file runs as it stands.",
        *([f"The base is {wanted.model} in place of the preset's {base}."] if other else []),
        f"Needs: {needs}",
        "From the workspace's root, either of:",
        *commands(file, name, f"{CONFIGS}/{name}/{file}.yaml", preset.environment),
    ]


def _notes(file: str, preset: Preset, wanted: NewProject) -> dict[str, str]:
    """What a preset says about the values that are still its own.

    A note stands once: in train.yaml, or in the files that alone have its setting.
    """
    changed = {override.key for override in wanted.overrides}
    notes = {key: note for key, note in preset.notes.items() if key not in changed}
    if file == "train":
        return notes
    of_train = {*preset.train.values(), *preset.train.__struct_fields__}
    return {key: note for key, note in notes.items() if key not in of_train}


def _write(workspace: Workspace, name: str, texts: Mapping[str, str], *, replace: bool) -> Outcome:
    folder = workspace.configs / name
    standing = folder.exists()
    if standing and all(_holds(folder / f"{file}.yaml", text) for file, text in texts.items()):
        return "unchanged"
    if standing and not replace:
        free = free_name(folder).name
        raise FindingsError(
            [
                Finding(
                    id="config.exists",
                    severity="error",
                    message=f"Project {name} exists, with other settings.",
                    file=workspace.relative(folder),
                    mend=f"Take another name, such as {free}, or add --replace to write it anew.",
                )
            ]
        )
    with whole_folder(folder) as unfinished:
        if standing:
            shutil.copytree(folder, unfinished, dirs_exist_ok=True)
        for file, text in texts.items():
            write_text(unfinished / f"{file}.yaml", text)
    return "replaced" if standing else "made"


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_bytes() == text.encode("utf-8")
