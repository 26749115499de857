"""What a train.yaml means for memory: the method, the precisions, what is saved for the backward pass.

Every value that the file leaves out is LLaMA-Factory's or transformers' own default, as
:mod:`millhand.llamafactory.knowledge` reads it from their source.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
import orjson

from millhand.llamafactory.knowledge import Knowledge

Values = Mapping[str, Any]
Attention = Literal["flash", "sdpa", "eager"]

# extras/constants.py, QuantizationMethod: other texts give no quantization, and no error.
_ON_THE_FLY = ("bnb", "hqq", "eetq")
# model_utils/liger_kernel.py: for other types it warns and goes on without.
LIGER = (
    "gemma", "gemma2", "gemma3", "gemma3_text", "glm", "glm4", "granite", "llama", "mistral", "mixtral",
    "olmo2", "phi3", "qwen2", "qwen3", "qwen3_moe", "qwen3_next", "qwen3_5",
)  # fmt: skip


class Sharding(msgspec.Struct, frozen=True):
    """How DeepSpeed or FSDP deals the states out over the GPUs; ``stage`` 0 is plain data parallelism."""

    stage: int = 0
    offload_optimizer: bool = False
    offload_parameters: bool = False
    engine: str = ""


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """A training's settings, as far as memory, steps and disk hang on them.

    ``mixed`` is bf16 or fp16 where the trainer runs under autocast, else empty; ``length`` is cutoff_len;
    ``eval_batch`` is 0 where nothing is evaluated.
    """

    stage: str
    method: str
    bits: int
    quantizer: str
    double_quantization: bool
    mixed: str
    pure_bf16: bool
    badam: bool
    checkpointing: bool
    offloads_checkpoints: bool
    attention: Attention
    liger: bool
    unsloth: bool
    batch: int
    eval_batch: int
    accumulation: int
    length: int
    packing: bool
    neat_packing: bool
    rank: int
    targets: tuple[str, ...]
    dropout: float
    dora: bool
    additional: tuple[str, ...]
    added_tokens: int
    resize_vocab: bool
    freeze_layers: int
    freeze_modules: tuple[str, ...]
    freeze_extra: tuple[str, ...]
    llama_pro: bool
    optimiser: str
    upcast_layernorm: bool
    upcast_head: bool
    sharding: Sharding
    reference_model: str
    reference_bits: int
    preference: str
    notes: tuple[str, ...] = ()


class Given:
    """A train.yaml with the defaults of whoever reads it behind it."""

    def __init__(self, values: Values, knowledge: Knowledge, root: Path) -> None:
        self.values, self.arguments, self.root = values, knowledge.keys("train"), root

    def __call__(self, key: str) -> Any:
        """The value of a key: as it stands in the file, else its default."""
        if self.values.get(key) is not None:
            return self.values[key]
        argument = self.arguments.get(key)
        return argument.default if argument else None

    def number(self, key: str) -> float:
        """A number; 0 where there is none, or something else (the check says so)."""
        value = self(key)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0

    def whole(self, key: str) -> int:
        """A whole number, at least 0."""
        return max(0, int(self.number(key)))

    def names(self, key: str) -> tuple[str, ...]:
        """A list, or names joined by commas (``hparams/finetuning_args.py``: split_arg)."""
        value = self(key)
        items = value.split(",") if isinstance(value, str) else value if isinstance(value, Sequence) else ()
        return tuple(str(item).strip() for item in items if str(item).strip())


def read_setup(given: Given) -> Setup:
    """Read the settings; the defaults stand behind them."""
    method = str(given("finetuning_type"))
    bits, quantizer = _quantization(given)
    return Setup(
        stage=str(given("stage")), method=method, bits=bits, quantizer=quantizer,
        double_quantization=bool(given("double_quantization")),
        mixed="bf16" if given("bf16") else "fp16" if given("fp16") else "",
        pure_bf16=bool(given("pure_bf16")), badam=bool(given("use_badam")),
        checkpointing=not given("disable_gradient_checkpointing"),
        offloads_checkpoints=bool(given("use_unsloth_gc") or given("use_unsloth")),
        attention=_attention(given), liger=bool(given("enable_liger_kernel")),
        unsloth=bool(given("use_unsloth")), batch=max(1, given.whole("per_device_train_batch_size")),
        eval_batch=given.whole("per_device_eval_batch_size") if evaluates(given) else 0,
        accumulation=max(1, given.whole("gradient_accumulation_steps")),
        length=max(1, given.whole("cutoff_len")), packing=packs(given),
        neat_packing=bool(given("neat_packing")), rank=given.whole("lora_rank"),
        targets=given.names("lora_target"), dropout=given.number("lora_dropout"),
        dora=bool(given("use_dora")),
        additional=given.names("additional_target"), added_tokens=_added(given),
        resize_vocab=bool(given("resize_vocab")) or _added(given) > 0,
        freeze_layers=int(given.number("freeze_trainable_layers")),
        freeze_modules=given.names("freeze_trainable_modules") or ("all",),
        freeze_extra=given.names("freeze_extra_modules"), llama_pro=bool(given("use_llama_pro")),
        optimiser=_optimiser(given), upcast_layernorm=bool(given("upcast_layernorm")),
        upcast_head=bool(given("upcast_lmhead_output")), sharding=_sharding(given),
        reference_model=str(given("ref_model") or ""),
        reference_bits=given.whole("ref_model_quantization_bit") if given("ref_model") else 0,
        preference=str(given("pref_loss") or "sigmoid"),
    )  # fmt: skip


def evaluates(given: Given) -> bool:
    """Whether the trainer evaluates: it is asked to, and there are rows for it."""
    asked = given("do_eval") or given("eval_strategy") not in (None, False, "no")
    return bool(asked and (given.number("val_size") > 1e-6 or given("eval_dataset")))


def packs(given: Given) -> bool:
    """Whether rows are packed: by neat_packing, else as said, else in pre-training.

    ``hparams/data_args.py`` (__post_init__) and ``hparams/parser.py`` (get_train_args).
    """
    if given("neat_packing"):
        return True
    asked = given.values.get("packing")
    return str(given("stage")) == "pt" if asked is None else bool(asked)


def _quantization(given: Given) -> tuple[int, str]:
    bits, quantizer = given.whole("quantization_bit"), str(given("quantization_method") or "bnb")
    # model_utils/unsloth.py: unsloth knows 4 bit only, and loads 16 where 8 are asked for.
    if quantizer not in _ON_THE_FLY or (given("use_unsloth") and bits != 4):
        return 0, ""
    return bits, quantizer if bits else ""


def _attention(given: Given) -> Attention:
    asked = str(given("flash_attn") or "auto")
    return "flash" if asked == "fa2" else "eager" if asked in ("disabled", "off") else "sdpa"


def _added(given: Given) -> int:
    return len(given.names("add_tokens")) + len(given.names("add_special_tokens"))


def _optimiser(given: Given) -> str:
    for key in ("galore", "apollo", "badam", "adam_mini", "muon"):
        if given(f"use_{key}"):
            return key
    return str(given("optim") or "adamw_torch_fused")


def _sharding(given: Given) -> Sharding:
    asked = given("deepspeed")
    if asked:
        zero = _deepspeed(asked, given.root).get("zero_optimization", {})
        zero = zero if isinstance(zero, Mapping) else {}
        stage = zero.get("stage", 0)
        return Sharding(
            stage if isinstance(stage, int) else 0,
            _offloads(zero.get("offload_optimizer")),
            _offloads(zero.get("offload_param")),
            "deepspeed",
        )
    fsdp = given("fsdp")
    words = " ".join(map(str, fsdp)) if isinstance(fsdp, list) else str(fsdp or "")
    if "full_shard" in words or "hybrid_shard" in words:
        return Sharding(3, "offload" in words, "offload" in words, "fsdp")
    return Sharding(2, "offload" in words, False, "fsdp") if "shard_grad_op" in words else Sharding()


def _deepspeed(asked: object, root: Path) -> Mapping[str, Any]:
    if isinstance(asked, str):
        try:
            asked = orjson.loads((root / Path(asked).expanduser()).read_bytes())
        except (OSError, orjson.JSONDecodeError):
            return {}  # `millhand check` says so
    return asked if isinstance(asked, Mapping) else {}


def _offloads(section: object) -> bool:
    return isinstance(section, Mapping) and str(section.get("device", "none")) not in ("none", "")
