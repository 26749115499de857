"""What the weights of a base on this machine say: quantized already, modules that an adapter can go to."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import orjson

from millhand.errors import Finding
from millhand.text.normal import nearest
from millhand.training.check.base import Base, base_of
from millhand.training.check.subject import Config, FaultyValueError

# model/model_utils/quantization.py: these two are made whole again while they are loaded.
_MADE_WHOLE = ("mxfp4", "fp8")
_LARGEST_HEAD = 1 << 26


def check_weights(config: Config) -> Iterator[Finding]:
    """Find what a base on this machine says against a config."""
    base = base_of(config)
    if base is None:
        return
    for look in (_quantized, _modules):
        try:
            yield from look(config, base)
        except FaultyValueError:
            continue


def _quantized(config: Config, base: Base) -> Iterator[Finding]:
    how = base.quantization
    if not how:
        return
    if config.quantization_bit is not None:
        yield config.finding(
            "quantization.ignored", "warning", "quantization_bit",
            f"The base is quantized already ({how}); quantization_bit does nothing.",
            "LLaMA-Factory says so in its log and goes on.", "Take quantization_bit out.",
        )  # fmt: skip
    if how in _MADE_WHOLE:
        return
    if config.purpose == "export" and config.adapter_name_or_path is not None:
        yield config.finding(
            "export.base-quantized", "error", "model_name_or_path",
            f"The base is quantized ({how}): its config.json has a quantization_config.",
            "LLaMA-Factory stops: “Cannot merge adapters to a quantized model”.",
            "Name the original model here; the adapter must have been trained on it, with quantization_bit.",
        )  # fmt: skip
    if config.purpose == "train":
        yield from _trained(config, how)


def _trained(config: Config, how: str) -> Iterator[Finding]:
    refusals = (
        (config.finetuning_type not in ("lora", "oft"), "finetuning_type",
         "Quantized models can only be used for the LoRA or OFT tuning", "Write `finetuning_type: lora`."),
        (config.pissa_init, "pissa_init", "Cannot initialize PiSSA adapter on quantized models",
         "Take pissa_init out."),
        (config.use_dora and how != "bitsandbytes", "use_dora",
         "DoRA is not compatible with PTQ-quantized models", "Take use_dora out."),
        (config.zero3, "deepspeed", "DeepSpeed ZeRO-3 or FSDP is incompatible with PTQ-quantized models",
         "Use ZeRO-2, or the original model."),
        (config.resize_vocab, "resize_vocab", "Cannot resize embedding layers of a quantized model",
         "Take resize_vocab out."),
    )  # fmt: skip
    for broken, key, said, mend in refusals:
        if broken:
            yield config.finding(
                "quantization.of-the-base", "error", (key, "model_name_or_path"),
                f"The base is quantized ({how}), which does not go with {key}.",
                f"LLaMA-Factory stops: “{said}”.", mend,
            )  # fmt: skip


def _modules(config: Config, base: Base) -> Iterator[Finding]:
    """Names that no module of the model has (peft refuses them; freeze tuning does, too)."""
    if config.purpose != "train":
        return
    known = modules(base.folder)
    for key in ("lora_target",) if config.finetuning_type == "lora" else ():
        missing = [name for name in config.names(key) if name != "all" and name not in known]
        # one name that fits is enough for peft
        if known and missing and len(missing) == len(config.names(key)):
            near = nearest(missing[0], known, count=2)
            yield config.finding(
                "method.lora-target", "error", key, f"The model has no module {', '.join(missing)}.",
                "peft stops: “Target modules … not found in the base model”.",
                f"Write `lora_target: all`, or names such as {', '.join(near or sorted(known)[:3])}.",
            )  # fmt: skip


@lru_cache(maxsize=8)
def modules(folder: Path) -> frozenset[str]:
    """The last names of the modules that have weights: ``q_proj``; empty where none can be read."""
    names = [name for path in sorted(folder.glob("*.safetensors"))[:64] for name in _tensors(path)]
    parts = (re.sub(r"\.(weight|bias)$", "", name).split(".") for name in names)
    return frozenset(part[-1] for part in parts if part)


def _tensors(path: Path) -> list[str]:
    """The names in the head of a safetensors file: eight bytes of its length, then JSON."""
    try:
        with path.open("rb") as file:
            (size,) = struct.unpack("<Q", file.read(8))
            head = orjson.loads(file.read(size)) if size < _LARGEST_HEAD else {}
    except (OSError, struct.error, orjson.JSONDecodeError):
        return []
    return [name for name in head if name != "__metadata__"] if isinstance(head, dict) else []
