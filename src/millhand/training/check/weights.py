"""What the weights of a base on this machine say: quantized already, modules that an adapter can go to."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator
from functools import lru_cache
from importlib import resources
from pathlib import Path

import orjson

from millhand.errors import Finding
from millhand.text.normal import nearest
from millhand.training.check.base import Base, base_of
from millhand.training.check.subject import Config, FaultyValueError

# model/model_utils/quantization.py: these two are made whole again while they are loaded.
_MADE_WHOLE = ("mxfp4", "fp8")
_LARGEST_HEAD = 1 << 26
_OTHER_FORM = (
    ("InternVLChatModel", "huggingface.co/OpenGVLab, a name that ends in -hf"),
    ("LlavaLlamaForCausalLM", "huggingface.co/llava-hf"),
)


def check_weights(config: Config) -> Iterator[Finding]:
    """Find what a base on this machine says against a config."""
    base = base_of(config)
    if base is None or not base.whole:
        yield from _by_name(config)
    if base is None:
        return
    for look in (_quantized, _targets, _layers, _kinds):
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
        (len(config.names("adapter_name_or_path")) > 1, "adapter_name_or_path",
         "Quantized model only accepts a single adapter", "Merge the adapters first."),
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


def _targets(config: Config, base: Base) -> Iterator[Finding]:
    """Names that no module of the model has."""
    if config.purpose != "train" or not base.whole:
        return
    inner, outer = modules(base.folder)
    wanted: tuple[tuple[str, frozenset[str]], ...] = ()
    if config.finetuning_type == "lora":
        # a head that shares the embedding's weights has none of its own
        wanted = (("lora_target", inner | outer | {"lm_head"} if inner else inner),)
    elif config.finetuning_type == "freeze":
        wanted = (("freeze_trainable_modules", _tops(base.folder)), ("freeze_extra_modules", outer))
    for key, known in wanted:
        yield from _missing(config, key, known)


def _by_name(config: Config) -> Iterator[Finding]:
    """What the table of bases, which ships, knows of the modules of one that is not here."""
    if config.purpose != "train":
        return
    try:
        if config.finetuning_type == "lora" and "all" not in config.names("lora_target"):
            yield from _missing(config, "lora_target", _of_table(str(config.model_name_or_path)))
    except FaultyValueError:
        return


@lru_cache(maxsize=8)
def _of_table(name: str) -> frozenset[str]:
    # only here: most configs have `lora_target: all`
    from millhand.training.estimate.shapes import read_shape

    table = orjson.loads(resources.files("millhand.training.estimate").joinpath("bases.json").read_bytes())
    if name not in table:
        return frozenset()
    shape = read_shape(table[name]["config"], name)
    return frozenset(linear.name for linear in shape.linears) | set(shape.embedding_names) | {"lm_head"}


def _missing(config: Config, key: str, known: frozenset[str]) -> Iterator[Finding]:
    names = config.names(key)
    # peft compares the ends of names: self_attn.q_proj is one, too
    ends = {name: name.rpartition(".")[2] if key == "lora_target" else name for name in names}
    missing = [name for name in names if name != "all" and ends[name] not in known]
    # one name that fits is enough for peft; freeze tuning wants all of them
    if known and missing and (key != "lora_target" or len(missing) == len(names)):
        near = nearest(missing[0], known, count=2) or sorted(known)[:3]
        yield config.finding(
            f"method.{key.replace('_', '-')}", "error", key,
            f"The model has no module {', '.join(missing)}.",
            "Training stops once the model has been loaded: “Target modules … not found”.",
            f"Write `all`, or names such as {', '.join(near)}.",
        )  # fmt: skip


def _layers(config: Config, base: Base) -> Iterator[Finding]:
    count = _layer_count(base)
    if config.purpose != "train" or not config.use_llama_pro or not count or config.finetuning_type == "full":
        return
    trained = config.freeze_trainable_layers
    if not trained or count % trained:
        yield config.finding(
            "method.llama-pro-layers", "error", ("freeze_trainable_layers", "use_llama_pro"),
            f"The model has {count} layers, which {trained} does not divide.",
            "LLaMA-Factory stops: “`num_layers` … should be divisible by `num_layer_trainable`”.",
            f"Write `freeze_trainable_layers: {_divisor(count)}`, say.",
        )  # fmt: skip


def _divisor(count: int) -> int:
    return next(number for number in (4, 3, 2, 5, 7, 1) if count % number == 0)


def _layer_count(base: Base) -> int | None:
    inner = base.config.get("text_config")
    config = inner if isinstance(inner, dict) else base.config
    found = (config.get(name) for name in ("num_hidden_layers", "num_layers", "n_layer"))
    return next((int(value) for value in found if isinstance(value, int) and value), None)


def _kinds(config: Config, base: Base) -> Iterator[Finding]:
    """Models that LLaMA-Factory does not take in this form (model/patcher.py: patch_config)."""
    names = base.config.get("architectures")
    for architecture, where in _OTHER_FORM:
        if isinstance(names, list) and architecture in names:
            yield config.finding(
                "model.other-form", "error", "model_name_or_path",
                f"This is the original form of the model ({architecture}).",
                "LLaMA-Factory stops: “Please download … in a Hugging Face–compatible format”.",
                f"Take the same model from {where}.",
            )  # fmt: skip
    if base.config.get("model_type") == "chatglm" and config.export_quantization_bit is not None:
        yield config.finding(
            "export.quantize-chatglm", "error", "export_quantization_bit", "GPTQ knows no ChatGLM.",
            "LLaMA-Factory stops: “ChatGLM model is not supported yet”.", "Take export_quantization_bit out.",
        )  # fmt: skip


@lru_cache(maxsize=8)
def modules(folder: Path) -> tuple[frozenset[str], frozenset[str]]:
    """The modules that have weights, by their last names: of layers (q_proj) and outside (lm_head)."""
    names = [re.sub(r"\.(weight|bias)$", "", name) for name in _names(folder)]
    within = [name for name in names if re.search(r"\.\d+\.", name)]
    return _last(within), _last(set(names) - set(within))


def _last(names: Iterable[str]) -> frozenset[str]:
    return frozenset(name.rpartition(".")[2] for name in names)


def _tops(folder: Path) -> frozenset[str]:
    """The parts of a layer (self_attn, mlp): model/adapter.py, _setup_freeze_tuning."""
    found = (name.rpartition(".0.")[2].partition(".")[0] for name in _names(folder) if ".0." in name)
    return frozenset(found)


@lru_cache(maxsize=8)
def _names(folder: Path) -> tuple[str, ...]:
    return tuple(name for path in sorted(folder.glob("*.safetensors"))[:64] for name in _tensors(path))


def _tensors(path: Path) -> list[str]:
    """The names in the head of a safetensors file: eight bytes of its length, then JSON."""
    try:
        with path.open("rb") as file:
            (size,) = struct.unpack("<Q", file.read(8))
            head = orjson.loads(file.read(size)) if size < _LARGEST_HEAD else {}
    except (OSError, struct.error, orjson.JSONDecodeError):
        return []
    return [name for name in head if name != "__metadata__"] if isinstance(head, dict) else []
