"""What LLaMA-Factory is really given: the project's YAML, with the run's own paths. Pure.

The files in llamafactory_configs/ stay as their owner wrote them; a run gets a copy in which only what
makes it safe is changed, and the copy lies with the run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from millhand.llamafactory.yaml import dump_value

Values = Mapping[str, Any]

# Training's own way to save a checkpoint when it is asked to end (transformers.TrainingArguments).
JIT_CHECKPOINT_SINCE = (5, 0)
_ADAPTER_METHODS = ("lora", "oft")
# What train, export and chat must agree on, or the merged model is not the one that was trained.
SHARED = (
    "trust_remote_code", "model_revision", "use_fast_tokenizer", "rope_scaling", "resize_vocab", "add_tokens",
    "add_special_tokens", "template", "default_system", "enable_thinking",
)  # fmt: skip
# Access keys that LLaMA-Factory takes in a YAML file. They belong into .env: a config is kept and published.
SECRET_KEYS = frozenset({"hf_hub_token", "ms_hub_token", "om_hub_token", "hub_token", "push_to_hub_token"})
_MODEL_KEYS = frozenset({"model_name_or_path", "adapter_name_or_path", "finetuning_type"})
# Keys that change nothing of what is learned: not part of a run's identity.
_INCIDENTAL = frozenset(
    {"output_dir", "overwrite_output_dir", "resume_from_checkpoint", "plot_loss", "report_to", "run_name",
     "logging_steps", "logging_dir", "enable_jit_checkpoint", "overwrite_cache", "save_total_limit"}
)  # fmt: skip


def identity(values: Values) -> dict[str, Any]:
    """The part of a training config that decides what comes out."""
    return {key: value for key, value in sorted(values.items()) if key not in _INCIDENTAL | SECRET_KEYS}


def makes_adapter(values: Values) -> bool:
    """Whether the run trains an adapter (else it changes the model's own weights)."""
    return str(values.get("finetuning_type", "lora")) in _ADAPTER_METHODS


def train_values(values: Values, *, output_dir: str, resume_from: str | None, jit: bool) -> dict[str, Any]:
    """The training config of one run.

    Args:
        values: The project's train.yaml.
        output_dir: The run's own folder, relative to the workspace.
        resume_from: A whole checkpoint. It is named because LLaMA-Factory by itself takes the one with the
            highest number, be it half-written.
        jit: Whether the trainer's transformers can save a checkpoint when it is asked to end.
    """
    # overwrite_output_dir empties nothing: it skips the resume and deletes the log (reference of 0.9.5).
    own = {key: value for key, value in values.items() if key != "overwrite_output_dir"}
    own["output_dir"] = output_dir
    own.setdefault("plot_loss", True)
    if jit:
        own["enable_jit_checkpoint"] = True
    if resume_from is not None:
        own["resume_from_checkpoint"] = resume_from
    return own


def earlier_adapters(values: Values) -> list[str]:
    """The adapters that a run starts from: LLaMA-Factory takes a list, or names joined by commas."""
    given = values.get("adapter_name_or_path") or []
    names = given.split(",") if isinstance(given, str) else given
    return [str(name).strip() for name in names]


def trained_model(values: Values, output_dir: str) -> dict[str, Any]:
    """The keys that name what a run made: base and adapters, or the model itself.

    Of the adapters that it started from, all but the last were merged into the base before training; the
    last one was trained on, unless ``create_new_adapter`` had it merged too (``model/adapter.py``).
    """
    method = str(values.get("finetuning_type", "lora"))
    if not makes_adapter(values):
        return {"model_name_or_path": output_dir}
    before = earlier_adapters(values)
    merged = before if values.get("create_new_adapter") else before[:-1]
    named = {
        "model_name_or_path": values["model_name_or_path"],
        "adapter_name_or_path": ",".join([*merged, output_dir]),
    }
    return named | ({"finetuning_type": method} if method != "lora" else {})


def export_values(values: Values, train: Values, *, output_dir: str, export_dir: str) -> dict[str, Any]:
    """The export config of one run: export.yaml with the run's own model and folder."""
    return {**trained_model(train, output_dir), **_without_model(values), "export_dir": export_dir}


def serve_values(values: Values, model: Mapping[str, Any]) -> dict[str, Any]:
    """The chat config for a model: chat.yaml with the keys that name the model replaced."""
    return {**model, **_without_model(values)}


def _without_model(values: Values) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key not in _MODEL_KEYS}


def render(values: Values, head: str) -> str:
    """A config as YAML text, one key a line, under a comment that says what it is."""
    lines = [f"# {line}".rstrip() for line in head.splitlines()]
    return "\n".join([*lines, *(f"{key}: {dump_value(value)}" for key, value in values.items()), ""])
