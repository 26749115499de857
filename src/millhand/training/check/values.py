"""Types and choices of single values. LLaMA-Factory checks neither of what stands in a YAML.

`HfArgumentParser.parse_dict` hands the values to the dataclasses as they are, so a wrong one fails where it
is first used, often after the model has been loaded, or works otherwise than it reads.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from millhand.errors import Finding, Severity
from millhand.llamafactory.arguments import Argument
from millhand.llamafactory.yaml import dump_value
from millhand.text.normal import nearest
from millhand.training.check.subject import Config

# Text that LLaMA-Factory splits at its commas; a list is taken as it is (hparams/*_args.py, split_arg).
LISTS = frozenset(
    {"dataset", "eval_dataset", "interleave_probs", "freeze_trainable_modules", "freeze_extra_modules",
     "lora_target", "oft_target", "additional_target", "galore_target", "apollo_target"}
)  # fmt: skip
# Text that only labels something: a number does as well.
_LABELS = ("run_name", "swanlab_", "hub_", "project", "trackio_", "master_port", "model_revision")
_KINDS: Mapping[str, type | tuple[type, ...]] = MappingProxyType(
    {"int": int, "float": (int, float), "str": str, "bool": bool, "dict": dict, "list": list}
)
# What people write for a choice that looks like none of them.
_MEANT: Mapping[tuple[str, str], list[str]] = MappingProxyType(
    {("quantization_method", "bitsandbytes"): ["bnb"], ("flash_attn", "flash_attention_2"): ["fa2"],
     ("flash_attn", "true"): ["fa2"], ("finetuning_type", "qlora"): ["lora"]}
)  # fmt: skip
# When a key with choices is looked at at all; those not listed always are.
_USED: Mapping[str, Callable[[Config], bool]] = MappingProxyType(
    {
        "quantization_method": lambda c: c.quantization_bit is not None,
        "quantization_type": lambda c: c.quantization_bit is not None,
        "quantization_device_map": lambda c: c.quantization_bit is not None,
        "double_quantization": lambda c: c.quantization_bit is not None,
        # only where cutoff_len is beyond what the model was made for, which the config does not say
        "rope_scaling": lambda _: False,
        "mix_strategy": lambda c: len(c.names("dataset")) > 1,
        "pref_loss": lambda c: c.stage == "dpo",
        "reward_model_type": lambda c: c.stage == "ppo",
        "export_device": lambda c: c.purpose == "export",
        "infer_backend": lambda c: c.purpose != "export",
        "infer_dtype": lambda c: c.purpose != "train",
        "init_special_tokens": lambda c: c.add_special_tokens is not None,
        "swanlab_mode": lambda c: bool(c.use_swanlab),
        **dict.fromkeys(("galore_proj_type",), lambda c: bool(c.use_galore)),
        **dict.fromkeys(
            ("apollo_proj", "apollo_proj_type", "apollo_scale_type"), lambda c: bool(c.use_apollo)
        ),
        **dict.fromkeys(("badam_mode", "badam_switch_mode", "badam_mask_mode"), lambda c: bool(c.use_badam)),
        **dict.fromkeys(("sglang_lora_backend",), lambda c: c.infer_backend == "sglang"),
    }
)

# What every command or every training looks at.
_ALWAYS = frozenset(
    {"model_name_or_path", "adapter_name_or_path", "template", "quantization_bit", "export_dir", "dataset",
     "eval_dataset", "dataset_dir", "output_dir", "cutoff_len", "val_size", "max_samples", "learning_rate",
     "num_train_epochs", "max_steps", "per_device_train_batch_size", "gradient_accumulation_steps", "seed",
     "warmup_steps", "warmup_ratio", "adam_beta1", "adam_beta2", "adam_epsilon", "weight_decay",
     "logging_steps", "save_steps", "max_grad_norm", "preprocessing_num_workers", "preprocessing_batch_size",
     "default_system", "data_seed", "log_level", "neftune_noise_alpha", "interleave_probs",
     "additional_target", "dataloader_prefetch_factor", "early_stopping_steps", "eval_steps",
     "label_smoothing_factor", "log_level_replica", "loraplus_lr_ratio", "lr_scheduler_kwargs",
     "max_new_tokens", "metric_for_best_model", "new_special_tokens_config", "ref_model_quantization_bit",
     "reward_model_quantization_bit", "report_to", "save_total_limit",
     "tokenized_path", "tool_format", "torch_empty_cache_steps",
     "dataloader_num_workers", "add_tokens", "add_special_tokens", "lora_rank", "resume_from_checkpoint"}
)  # fmt: skip
# Whole numbers for which another number does as well.
_LOOSE = ("lora_alpha", "max_new_tokens", "save_total_limit")
# Where neither 0 nor "false" does for false: transformers' and torch's own checks.
_STRICT = ("use_cache", "dataloader_drop_last", "use_v1_kernels")
_UNLOOKED_WHERE_FALSE = ("use_v1_kernels",)
# What only a method, a stage or an evaluation looks at.
_FAMILIES: Mapping[str, Callable[[Config], bool]] = MappingProxyType(
    {
        "lora_": lambda c: c.finetuning_type == "lora",
        "freeze_trainable_layers": lambda c: c.finetuning_type == "freeze",
        "pref_beta": lambda c: c.stage == "dpo",
        "eval_steps": lambda c: c.eval_strategy == "steps",
        "per_device_eval_batch_size": lambda c: c.eval_strategy != "no",
    }
)


def check_values(config: Config) -> Iterator[Finding]:
    """Find every value that is of the wrong type or none of those allowed."""
    for key, value in config.values.items():
        argument = config.arguments.get(key)
        yield from _interpolation(config, key, value)
        if argument is not None:
            found = list(_of_value(config, key, value, argument))
            # of another type no rule can ask it; what is no true or false still counts as one of them
            if any(f.severity == "error" for f in found) or (found and "bool" not in argument.type):
                config.faulty.add(key)
            yield from found


def _interpolation(config: Config, key: str, value: Any) -> Iterator[Finding]:
    """Find ``${`` that OmegaConf, which reads the file, cannot read as a name; it fills none of them in."""
    if isinstance(value, str) and re.search(r"(?<!\\)\$\{(?:\s*\}|[^}]*$)", value):
        why = "LLaMA-Factory stops: “GrammarParseError: no viable alternative at input”."
        message = f"{key} holds `${{` without a name and its end."
        yield config.finding("config.interpolation", "error", key, message, why, "Write it without `${`.")


def _of_value(config: Config, key: str, value: Any, argument: Argument) -> Iterator[Finding]:
    if argument.choices and not (value is None and allows_null(argument)):
        yield from _choice(config, key, value, argument)
    elif not fits(value, argument.type):
        yield from _type(config, key, value, argument)


def fits(value: Any, type_text: str) -> bool:
    """Whether a value is of a type as a dataclass writes it: ``int | None``, ``dict | str | None``."""
    if value is None:
        return "None" in type_text or "Optional" in type_text
    kinds = [_KINDS[word] for word in _outer(type_text) if word in _KINDS]
    if isinstance(value, bool):
        return bool in kinds
    return not kinds or any(isinstance(value, kind) for kind in kinds)


def _outer(type_text: str) -> list[str]:
    """The names of a type, less those within: ``dict[str, Any] | str`` -> dict, str."""
    inner = type_text.removeprefix("Optional[").removesuffix("]") if "Optional[" in type_text else type_text
    return re.findall(r"[A-Za-z]+", re.sub(r"\[.*?\]+", " ", inner))


def allows_null(argument: Argument) -> bool:
    """Whether ``key:`` without a value is allowed."""
    return fits(None, argument.type)


def _choice(config: Config, key: str, value: Any, argument: Argument) -> Iterator[Finding]:
    open_types = ("list" in argument.type, "Literal[False]" in argument.type)
    if (isinstance(value, str) and value in argument.choices) or any(open_types):
        return
    if isinstance(value, bool) and ("no" if value is False else "yes") in argument.choices:
        yield _not_quoted(config, key, value)
        return
    used = key not in _USED or _USED[key](config)
    shown = ", ".join(argument.choices)
    near = _MEANT.get((key, str(value).lower())) or nearest(str(value), argument.choices, count=1)
    why = "It is looked at only when it is used, after the model has been loaded; or it does nothing."
    mend = f"Write `{key}: {near[0]}`." if near else f"Write one of {shown}."
    severity: Severity = "error" if used else "warning"
    unused = "" if used else " It has no effect here."
    message = f"{key}: {dump_value(value)} is none of {shown}.{unused}"
    yield config.finding("config.choice", severity, key, message, why, mend)


def _not_quoted(config: Config, key: str, value: bool) -> Finding:
    word = "no" if value is False else "yes"
    message = f"{key}: {word} without quotes is not the word but {str(value).lower()}."
    why = f"LLaMA-Factory stops: “{value} is not a valid …”."
    return config.finding("config.unquoted-no", "error", key, message, why, f'Write `{key}: "{word}"`.')


def _type(config: Config, key: str, value: Any, argument: Argument) -> Iterator[Finding]:
    wanted = readable(argument.type)
    shown = f"{key}: {dump_value(value)}" if value is not None else f"{key} has no value"
    severity, why = _harm(config, key, value, argument)
    if severity is not None:
        mend = _right(key, value, argument)
        yield config.finding("config.type", severity, key, f"{shown}, where {wanted} is due.", why, mend)


def _harm(config: Config, key: str, value: Any, argument: Argument) -> tuple[Severity | None, str]:
    """How bad a value of another type is; None where it works as it reads."""
    late = "LLaMA-Factory does not check it: it fails where the value is first used."
    if key in LISTS and isinstance(value, list) and all(isinstance(item, str | float) for item in value):
        return None, ""
    if key.startswith(_LABELS) and isinstance(value, int | float):
        return None, ""
    if key == "resume_from_checkpoint" and isinstance(value, bool):  # transformers takes both
        return None, ""
    if key in _LOOSE and isinstance(value, float):
        return "warning", "A whole number is meant; what uses it later may not take another."
    if key in _STRICT and (value or key not in _UNLOOKED_WHERE_FALSE):
        return "error", "It is compared with true and false themselves, and refused."
    if "bool" in argument.type:
        text = "It is text, and any text counts as true, `false` too."
        other = "It counts as true or false, but some code compares with `is False`."
        return "warning", text if isinstance(value, str) else other
    if not in_use(config, key, argument):
        return "warning", "Nothing that this config does looks at it; what does, fails."
    if isinstance(value, bool) and "str" not in argument.type:
        return "error", "It would count as the number 1 or 0."
    return "error", late


def in_use(config: Config, key: str, argument: Argument) -> bool:
    """Whether what this config does looks at the key, so that a wrong value fails."""
    if key in _ALWAYS:
        return True
    if argument.owner == "GeneratingArguments":
        return config.purpose == "chat"
    return any(key.startswith(start) and used(config) for start, used in _FAMILIES.items())


def readable(type_text: str) -> str:
    """A type in words."""
    words = {"int": "a whole number", "float": "a number", "str": "text", "bool": "true or false",
             "dict": "a mapping", "list": "a list"}  # fmt: skip
    found = [word for name, word in words.items() if re.search(rf"\b{name}\b", type_text)]
    return " or ".join(found) or type_text


def _right(key: str, value: Any, argument: Argument) -> str:
    number = "int" in argument.type or "float" in argument.type
    if isinstance(value, str) and number and re.fullmatch(r"[-+]?[\d.]+(e[-+]?\d+)?", value.strip(), re.I):
        return f"Take the quotes away: `{key}: {value.strip()}`."
    if isinstance(value, str) and "bool" in argument.type:
        return f"Write `{key}: true` or `{key}: false`, without quotes."
    if isinstance(value, list) and "str" in argument.type:
        return f"Write `{key}: {','.join(str(item) for item in value)}`."
    if isinstance(value, int | float) and "str" in argument.type:
        return f'Write `{key}: "{value}"`.'
    if argument.default is not None:
        return f"Its default is `{key}: {dump_value(argument.default)}`."
    return f"Write {readable(argument.type)}, or take the line out."
