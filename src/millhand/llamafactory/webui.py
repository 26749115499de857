"""LLaMA-Factory's WebUI (LLaMA Board) 0.9.5: the folder it wants to be started in, and its command. Pure.

It has no settings: it reads ``./data/dataset_info.json``, offers the files of ``./llamaboard_config``
behind "Load arguments", remembers language and model in ``./llamaboard_cache/user_config.yaml`` and writes
below ``./saves`` (``webui/common.py``). So it is given a folder of its own, from which the workspace is
reached by ``../..``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from millhand.llamafactory.yaml import dump_value
from millhand.shell import Command, Secret

FOLDER = "outputs/webui"
SAVES = f"{FOLDER}/saves"
LANGUAGES = ("en", "ru", "zh", "ko", "ja")
_UP = "../.."  # from FOLDER to the workspace
_CUSTOM = "Custom"  # the model list's entry for whatever the path says
# llamafactory.extras.constants.TRAINING_STAGES: what the stage is called there.
_STAGES = {
    "sft": "Supervised Fine-Tuning",
    "rm": "Reward Modeling",
    "ppo": "PPO",
    "dpo": "DPO",
    "kto": "KTO",
    "pt": "Pre-Training",
}
# Elements of the training tab whose name is not that of the key (webui/runner.py, _parse_train_args).
_RENAMED = {
    "per_device_train_batch_size": "batch_size",
    "neftune_noise_alpha": "neftune_alpha",
    "pissa_init": "use_pissa",
}
SAME = (
    "cutoff_len", "val_size", "gradient_accumulation_steps", "lr_scheduler_type", "logging_steps",
    "save_steps", "warmup_steps", "packing", "neat_packing", "train_on_prompt", "mask_history",
    "resize_vocab", "use_llama_pro", "enable_thinking", "report_to", "lora_rank", "lora_alpha",
    "lora_dropout", "create_new_adapter", "use_rslora", "use_dora", "freeze_trainable_layers",
    "freeze_trainable_modules",
    "pref_beta", "pref_ftx", "pref_loss", "use_galore", "use_apollo", "use_badam", "loraplus_lr_ratio",
)  # fmt: skip
_AS_TEXT = ("learning_rate", "num_train_epochs", "max_grad_norm", "max_samples")
# What LLaMA-Factory and transformers take where a config says nothing; the page's own defaults are others.
_DEFAULTS: Mapping[str, Any] = MappingProxyType(
    {
        "cutoff_len": 2048,
        "learning_rate": 5e-5,
        "num_train_epochs": 3.0,
        "max_grad_norm": 1.0,
        "max_samples": 100000,
        "per_device_train_batch_size": 8,
        "gradient_accumulation_steps": 1,
        "lr_scheduler_type": "linear",
        "logging_steps": 500,
        "save_steps": 500,
        "warmup_steps": 0,
        "val_size": 0,
        "report_to": "none",
        "lora_rank": 8,
        "lora_dropout": 0.0,
    }
)
# Elements of other tabs, or what the page works out by itself.
_ELSEWHERE = frozenset(
    {"stage", "do_train", "model_name_or_path", "finetuning_type", "template", "quantization_bit",
     "quantization_method", "rope_scaling", "flash_attn", "use_unsloth", "enable_liger_kernel", "dataset",
     "dataset_dir", "output_dir", "overwrite_output_dir", "plot_loss", "bf16", "fp16", "pure_bf16",
     "preprocessing_num_workers", "trust_remote_code", "ddp_timeout", "lora_target", "eval_strategy",
     "eval_steps", "per_device_eval_batch_size", "adapter_name_or_path", "resume_from_checkpoint",
     "additional_target", "double_quantization", "include_num_input_tokens_seen", "cache_dir"}
)  # fmt: skip
# Without a PATH to its own scripts it would not find the `llamafactory-cli` that it starts to train with.
_START = """\
import os, sys
places = [os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath)]
os.environ["PATH"] = os.pathsep.join(places)
sys.argv = ["llamafactory-cli", "webui"]
from llamafactory.cli import main
main()
"""


def command(python: str, env: Mapping[str, str | Secret], *, port: int) -> Command:
    """``llamafactory-cli webui`` on 127.0.0.1 only: it has no password, and by default is open to all."""
    server = {
        "GRADIO_SERVER_NAME": "127.0.0.1",
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_SHARE": "0",
        "GRADIO_ANALYTICS_ENABLED": "False",
        "BROWSER": "true",  # a program that does nothing: the page is wanted on another machine
    }
    return Command((python, "-P", "-u", "-c", _START), {**env, **server}, cwd=FOLDER)


def files(
    entries: Mapping[str, Mapping[str, Any]],
    registry: str,
    configs: Mapping[str, Mapping[str, Any]],
    *,
    language: str = "ko",
) -> dict[str, str]:
    """The files of the WebUI's folder, by their path in the workspace.

    Args:
        entries: Those of dataset_info.json.
        registry: Their folder in the workspace.
        configs: A train.yaml's values by the name of their project.
        language: Of the page, one of :data:`LANGUAGES`.
    """
    made = {f"{FOLDER}/data/dataset_info.json": _dataset_info(entries, registry)}
    for name, values in configs.items():
        made[f"{FOLDER}/llamaboard_config/{name}.yaml"] = _yaml(board_values(values))
    models = [_model_path(values) for values in configs.values() if "model_name_or_path" in values]
    user = {
        "lang": language,
        "hub_name": "huggingface",
        "last_model": _CUSTOM,
        "path_dict": {_CUSTOM: models[0]} if models else {},
        "cache_dir": None,
    }
    made[f"{FOLDER}/llamaboard_cache/user_config.yaml"] = json.dumps(user, ensure_ascii=False) + "\n"
    return made


def _dataset_info(entries: Mapping[str, Mapping[str, Any]], registry: str) -> str:
    """The entries with their files named from ``FOLDER/data``: LLaMA-Factory joins the two."""
    moved = {
        name: {**entry, "file_name": f"../{_UP}/{registry}/{entry['file_name']}"}
        if "file_name" in entry
        else dict(entry)
        for name, entry in entries.items()
    }
    return json.dumps(moved, ensure_ascii=False, indent=2) + "\n"


def board_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """A train.yaml as the page's own saved form: element -> value.

    What the page has no element for goes into its "Extra arguments".
    """
    board: dict[str, Any] = {
        "top.model_name": _CUSTOM,
        "top.model_path": _model_path(values),
        "top.finetuning_type": values.get("finetuning_type", "lora"),
        "top.quantization_bit": str(values.get("quantization_bit") or "none"),
        "top.template": values.get("template", "default"),
        "top.booster": _booster(values),
        "train.training_stage": _STAGES.get(str(values.get("stage", "sft")), _STAGES["sft"]),
        "train.dataset_dir": "data",
        "train.dataset": _names(values.get("dataset")),
        "train.compute_type": _precision(values),
        "train.extra_args": json.dumps(_extra(values), ensure_ascii=False),
    }
    values = {**_DEFAULTS, "lora_alpha": 2 * int(values.get("lora_rank", 8)), **values}
    board |= {f"train.{_RENAMED.get(key, key)}": values[key] for key in (*SAME, *_RENAMED) if key in values}
    board |= {f"train.{key}": str(values[key]) for key in _AS_TEXT if key in values}
    if isinstance(values.get("lora_target"), str):
        board["train.lora_target"] = values["lora_target"]
    return board


def _extra(values: Mapping[str, Any]) -> dict[str, Any]:
    shown = {*SAME, *_RENAMED, *_AS_TEXT, *_ELSEWHERE}
    kept = {key: value for key, value in values.items() if key not in shown and _is_plain(value)}
    return {"optim": "adamw_torch", **kept}


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float | bool)


def _names(given: Any) -> list[str]:
    names = given.split(",") if isinstance(given, str) else given if isinstance(given, list) else []
    return [str(name).strip() for name in names]


def _model_path(values: Mapping[str, Any]) -> str:
    """The model's folder seen from FOLDER; a name on the Hub as it is."""
    name = str(values["model_name_or_path"]) if "model_name_or_path" in values else ""
    local = name.startswith(("models/", "outputs/", "./")) or name.count("/") > 1
    return f"{_UP}/{name.removeprefix('./')}" if local and not name.startswith("/") else name


def _booster(values: Mapping[str, Any]) -> str:
    if values.get("use_unsloth"):
        return "unsloth"
    if values.get("enable_liger_kernel"):
        return "liger_kernel"
    return "flashattn2" if values.get("flash_attn") == "fa2" else "auto"


def _precision(values: Mapping[str, Any]) -> str:
    return next((kind for kind in ("pure_bf16", "bf16", "fp16") if values.get(kind)), "fp32")


def _yaml(values: Mapping[str, Any]) -> str:
    return "".join(f"{key}: {dump_value(value)}\n" for key, value in values.items())
