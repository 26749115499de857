"""What lies around a config: secrets in it, the folder it writes to, the names of its paths, the machine."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from millhand.errors import Finding
from millhand.training.check.subject import Config, FaultyValueError
from millhand.training.effective import SECRET_KEYS

# How access keys of services look that people paste into a YAML: Hugging Face, OpenAI, AWS, GitHub, RunPod.
_SECRET = re.compile(
    r"\b(hf_[A-Za-z0-9]{20,}|sk-[A-Za-z0-9_-]{20,}|AKIA[0-9A-Z]{16}|ghp_\w{20,}|rpa_\w{20,})"
)
_SECRET_KEYS = SECRET_KEYS | {"swanlab_api_key"}
# What LLaMA-Factory takes for a finished model (extras/constants.py, CHECKPOINT_NAMES).
_FINAL = (
    "adapter_model.safetensors", "adapter_model.bin", "model.safetensors.index.json", "model.safetensors",
    "pytorch_model.bin.index.json", "pytorch_model.bin",
)  # fmt: skip


def check_state(config: Config) -> Iterator[Finding]:
    """Find what a config's surroundings say against it."""
    yield from _secrets(config)
    for look in (_output, _blanks, _workers) if config.purpose == "train" else (_blanks,):
        try:
            yield from look(config)
        except FaultyValueError:
            continue


def _secrets(config: Config) -> Iterator[Finding]:
    for key, value in config.values.items():
        named = key in _SECRET_KEYS and isinstance(value, str) and value
        if named or _SECRET.search(str(value)):
            yield config.finding(
                "config.secret", "warning", key, f"{key} holds an access key.",
                "The file lies in git, and LLaMA-Factory copies it beside the model.",
                "Take the line out, revoke the key, and write the new one into .env (HF_TOKEN=…).",
            )  # fmt: skip


def _output(config: Config) -> Iterator[Finding]:
    folder = config.root / str(config.output_dir)
    if not config.output_dir or not config.do_train or not folder.is_dir():
        return
    checkpoints = any(re.fullmatch(r"checkpoint-\d+", path.name) for path in folder.iterdir())
    if checkpoints:
        yield config.finding(
            "train.resumes", "note", "output_dir", f"{config.output_dir} holds checkpoints.",
            "`llamafactory-cli train` would go on from the newest; `millhand train` knows whose they are.",
            "Write another output_dir to start anew.",
        )  # fmt: skip
    elif any((folder / name).is_file() for name in _FINAL):
        yield config.finding(
            "train.output-full", "note", "output_dir", f"{config.output_dir} holds a finished model.",
            "`llamafactory-cli train` refuses: “Output directory already exists and is not empty”.",
            "`millhand train` takes a new folder by itself; else write another output_dir.",
        )  # fmt: skip


def _blanks(config: Config) -> Iterator[Finding]:
    if " " in config.document.file and config.distributed:
        yield config.finding(
            "config.blank-in-path", "warning", (), "The path of this file has a blank.",
            "For several GPUs `llamafactory-cli` splits its arguments at blanks (launcher.py).",
            "Rename the folder, or start with `millhand train`, which does not.",
        )  # fmt: skip


def _workers(config: Config) -> Iterator[Finding]:
    cores = os.cpu_count() or 1
    for key in ("preprocessing_num_workers", "dataloader_num_workers"):
        if config.use_cpu and (getattr(config, key) or 0) > cores:
            yield config.finding(
                "train.many-workers", "note", key, f"{key} is more than this machine's {cores} cores.",
                "Each worker takes memory; a killed one ends training.", f"Write `{key}: {cores}`.",
            )  # fmt: skip
