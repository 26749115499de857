"""Keys that no command takes, or not this one, and what was meant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from millhand.errors import Finding, Severity
from millhand.text.normal import nearest
from millhand.training.check.subject import Config

# What a key is called now. From transformers' and LLaMA-Factory's own notes on what they renamed.
RENAMED: Mapping[str, str] = MappingProxyType(
    {
        "evaluation_strategy": "eval_strategy",
        "new_special_tokens": "add_special_tokens",
        "cache_path": "tokenized_path",
        "no_cuda": "use_cpu",
        "per_gpu_train_batch_size": "per_device_train_batch_size",
        "per_gpu_eval_batch_size": "per_device_eval_batch_size",
        "push_to_hub_model_id": "hub_model_id",
        "push_to_hub_token": "hub_token",
        "use_auth_token": "hf_hub_token",
        "template_name": "template",
        "flash_attention": "flash_attn",
        "lora_r": "lora_rank",
        "lora_target_modules": "lora_target",
        "max_seq_length": "cutoff_len",
        "max_seq_len": "cutoff_len",
        "max_length": "cutoff_len",
        "model_max_length": "cutoff_len",
        "num_epochs": "num_train_epochs",
        "epochs": "num_train_epochs",
        "batch_size": "per_device_train_batch_size",
        "lr": "learning_rate",
    }
)
# Taken away without another name: why it is not needed.
REMOVED: Mapping[str, str] = MappingProxyType(
    {
        "save_safetensors": "transformers 5 writes safetensors always.",
        "fp16_opt_level": "transformers 5 knows no apex.",
        "fp16_backend": "transformers 5 knows one way only.",
        "half_precision_backend": "transformers 5 knows one way only.",
        "jit_mode_eval": "transformers 5 dropped it.",
        "use_ipex": "transformers 5 dropped it.",
        "use_mps_device": "A Mac's GPU is used by itself.",
        "tpu_num_cores": "transformers 5 dropped it.",
        "ray_scope": "transformers 5 dropped it.",
        "dispatch_batches": "It stands in accelerator_config now.",
        "split_batches": "It stands in accelerator_config now.",
    }
)
# Renamed only together with another value, so that nothing can be put in its place blindly.
_OTHERWISE: Mapping[str, str] = MappingProxyType(
    {
        "group_by_length": "Write `train_sampling_strategy: group_by_length` instead.",
        "train_mm_proj_only": "Write the freeze_… keys: freeze_vision_tower and its like.",
        "include_inputs_for_metrics": "Write `include_for_metrics: [inputs]`.",
    }
)


def check_keys(config: Config) -> Iterator[Finding]:
    """Find every key that LLaMA-Factory would refuse to start with."""
    severity: Severity = "warning" if config.switched_on("ALLOW_EXTRA_ARGS") else "error"
    for key in config.values:
        if key not in config.arguments:
            config.faulty.add(key)
            name, message, mend = _explained(config, key)
            why = "LLaMA-Factory stops: “Some keys are not used by the HfArgumentParser”."
            yield config.finding(name, severity, key, message, why, mend)


def _explained(config: Config, key: str) -> tuple[str, str, str]:
    if key in config.knowledge.arguments:
        owner = config.knowledge.arguments[key].owner
        message = f"{key} is a key of training ({owner}), which {config.purpose} does not take."
        return "config.other-command", message, "Take the line out of this file."
    if key in RENAMED and RENAMED[key] in config.arguments:
        new = RENAMED[key]
        mend = (
            f"Take the line out: `{new}:` is there." if new in config.values else f"Write `{new}:` instead."
        )
        return "config.renamed-key", f"{key} is called {new}.", mend
    if key in REMOVED or key in _OTHERWISE:
        mend = _OTHERWISE.get(key) or f"Take the line out. {REMOVED[key]}"
        message = f"{key} was taken away (transformers {config.knowledge.transformers})."
        return "config.removed-key", message, mend
    name, message = "config.unknown-key", f"{key} is no key of LLaMA-Factory {config.knowledge.llamafactory}."
    inner = config.values[key]
    if isinstance(inner, dict) and inner.keys() & config.arguments.keys():
        return name, message, f"Take `{key}:` out and its lines to the margin: keys stand in no other key."
    near = nearest(key, config.arguments, count=1)
    mend = f"Did you mean `{near[0]}`?" if near else "Take the line out, or look the key up."
    return name, message, mend
