"""Rules of every command: what the dataclasses check by themselves, and how a model is loaded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from millhand.errors import FindingsError
from millhand.llamafactory.yaml import parse_yaml
from millhand.text.normal import nearest
from millhand.training.check.rule import Rule
from millhand.training.check.subject import Config

_BNB = (8, 4)
_HQQ = (8, 6, 5, 4, 3, 2, 1)
# What only a LoRA has, and the line of finetuning_args.py that says so.
_OF_LORA = (("loraplus_lr_ratio", 606), ("use_rslora", 609), ("use_dora", 612), ("pissa_init", 615))


def _bits(config: Config, method: str, allowed: tuple[int, ...]) -> bool:
    bit = config.quantization_bit
    return bit is not None and config.quantization_method == method and bit not in allowed


def _several_adapters(config: Config) -> bool:
    return len(config.names("adapter_name_or_path")) > 1


def _probs_differ(config: Config, key: str) -> bool:
    names, probs = config.names(key), config.names("interleave_probs")
    return config.interleave_probs is not None and bool(names) and len(names) != len(probs)


def _methods(config: Config) -> int:
    return sum(bool(getattr(config, key)) for key in ("use_galore", "use_apollo", "use_badam"))


def _without_lora(key: str) -> Callable[[Config], object]:
    return lambda c: c.finetuning_type != "lora" and getattr(c, key) not in (None, False)


def _near_template(config: Config) -> str:
    near = nearest(str(config.template), config.knowledge.templates, count=3)
    return (
        f"Did you mean {', '.join(near)}?" if near else "`default` fits any model that chats in plain text."
    )


def _is_mapping(path: Path) -> bool:
    try:
        return bool(parse_yaml(path.read_text(encoding="utf-8"), "").values)
    except (OSError, UnicodeDecodeError, FindingsError):
        return False


COMMON = (
    Rule(
        "config.no-model", ("model_name_or_path",), lambda c: c.model_name_or_path is None,
        "model_name_or_path is missing.", "Name a folder or a model of the Hub.",
        "hparams/model_args.py:208", "Please provide `model_name_or_path`",
    ),
    Rule(
        "config.finetuning-type", ("finetuning_type",),
        lambda c: c.finetuning_type not in ("lora", "oft", "freeze", "full"),
        "finetuning_type is none of lora, oft, freeze, full.", "Write `finetuning_type: lora`.",
        "hparams/finetuning_args.py:576", "Invalid fine-tuning method",
    ),
    Rule(
        "method.adapter-not-lora", ("adapter_name_or_path", "finetuning_type"),
        lambda c: c.adapter_name_or_path is not None and c.finetuning_type != "lora",
        "An adapter is named, and finetuning_type is not lora.",
        "Write `finetuning_type: lora`, or take adapter_name_or_path out.",
        "hparams/parser.py:186", "Adapter is only valid for the LoRA method",
    ),
    Rule(
        "quantization.method", ("quantization_bit", "finetuning_type"),
        lambda c: c.quantization_bit is not None and c.finetuning_type not in ("lora", "oft"),
        "A quantized model can only be trained by lora or oft.",
        "Write `finetuning_type: lora`, or take quantization_bit out.",
        "hparams/parser.py:190", "Quantization is only compatible with the LoRA or OFT method",
    ),
    Rule(
        "quantization.pissa", ("pissa_init", "quantization_bit"),
        lambda c: c.quantization_bit is not None and c.pissa_init,
        "PiSSA cannot be initialised on a quantized model.", "Take pissa_init or quantization_bit out.",
        "hparams/parser.py:193", "Please use scripts/pissa_init.py to initialize PiSSA for a quantized model",
    ),
    Rule(
        "quantization.resize-vocab", ("resize_vocab", "quantization_bit"),
        lambda c: c.quantization_bit is not None and c.resize_vocab,
        "The vocabulary of a quantized model cannot grow.", "Take quantization_bit or resize_vocab out.",
        "hparams/parser.py:196", "Cannot resize embedding layers of a quantized model",
    ),
    Rule(
        "quantization.new-tokens", ("add_tokens", "add_special_tokens", "quantization_bit"),
        lambda c: c.quantization_bit is not None
        and (c.add_tokens is not None or c.add_special_tokens is not None),
        "New tokens may have no room in a quantized model.", "Take quantization_bit out, or the new tokens.",
        "model/model_utils/embedding.py:183",
        why="They switch resize_vocab on; unless the model's vocabulary was made larger than it needs, "
        "LLaMA-Factory stops: “Cannot resize embedding layers of a quantized model”.",
        severity="warning",
    ),
    Rule(
        "quantization.new-adapter", ("create_new_adapter", "quantization_bit"),
        lambda c: c.quantization_bit is not None
        and c.adapter_name_or_path is not None
        and c.create_new_adapter,
        "No second adapter can be laid upon a quantized model.",
        "Merge the first adapter, or take create_new_adapter out.",
        "hparams/parser.py:199", "Cannot create new adapter upon a quantized model",
    ),
    Rule(
        "quantization.one-adapter", ("adapter_name_or_path", "quantization_bit"),
        lambda c: c.quantization_bit is not None and _several_adapters(c),
        "A quantized model takes one adapter.", "Merge the adapters first.",
        "hparams/parser.py:202", "Quantized model only accepts a single adapter. Merge them first",
    ),
    Rule(
        "quantization.bits-bnb", ("quantization_bit",), lambda c: _bits(c, "bnb", _BNB),
        "bitsandbytes quantizes to 4 or 8 bits.", "Write `quantization_bit: 4`.",
        "model/model_utils/quantization.py:181", "Bitsandbytes only accepts 4-bit or 8-bit quantization",
    ),
    Rule(
        "quantization.bits-hqq", ("quantization_bit",), lambda c: _bits(c, "hqq", _HQQ),
        "HQQ quantizes to 1, 2, 3, 4, 5, 6 or 8 bits.", "Write `quantization_bit: 4`.",
        "model/model_utils/quantization.py:197", "HQQ only accepts 1/2/3/4/5/6/8-bit quantization",
    ),
    Rule(
        "quantization.bits-eetq", ("quantization_bit",), lambda c: _bits(c, "eetq", (8,)),
        "EETQ quantizes to 8 bits.", "Write `quantization_bit: 8`.",
        "model/model_utils/quantization.py:209", "EETQ only accepts 8-bit quantization",
    ),
    Rule(
        "quantization.no-effect", ("quantization_method",),
        lambda c: c.quantization_bit is not None and c.quantization_method not in ("bnb", "hqq", "eetq"),
        "A model is quantized while it is loaded by bnb, hqq or eetq only.",
        "Write `quantization_method: bnb`; a model that is quantized already needs neither key.",
        "model/model_utils/quantization.py:157",
        why="No other method does anything here: the model is loaded in 16 bits, with no word of it.",
    ),
    Rule(
        "quantization.device-map", ("quantization_device_map",),
        lambda c: c.quantization_device_map == "auto" and c.quantization_bit not in (None, 4),
        "Only a model in 4 bits can be spread over devices.", "Write `quantization_bit: 4`.",
        "model/model_utils/quantization.py:188",
        "Only 4-bit quantized model can use fsdp+qlora or auto device map",
    ),
    Rule(
        "model.attention", ("flash_attn",), lambda c: c.flash_attn == "fa3",
        "flash_attn: fa3 is on the list and refused.", "Write `flash_attn: fa2`, or auto.",
        "model/model_utils/attention.py:86", "Unknown attention type: fa3",
    ),
    Rule(
        "model.image-pixels", ("image_max_pixels", "image_min_pixels"),
        lambda c: c.image_max_pixels < c.image_min_pixels,
        "image_max_pixels is smaller than image_min_pixels.", "Make image_max_pixels the larger one.",
        "hparams/model_args.py:348", "`image_max_pixels` cannot be smaller than `image_min_pixels`",
    ),
    Rule(
        "model.video-pixels", ("video_max_pixels", "video_min_pixels"),
        lambda c: c.video_max_pixels < c.video_min_pixels,
        "video_max_pixels is smaller than video_min_pixels.", "Make video_max_pixels the larger one.",
        "hparams/model_args.py:351", "`video_max_pixels` cannot be smaller than `video_min_pixels`",
    ),
    Rule(
        "model.tokens-file", ("new_special_tokens_config",),
        lambda c: c.new_special_tokens_config is not None
        and not _is_mapping(c.root / str(c.new_special_tokens_config)),
        "new_special_tokens_config names no file of tokens.",
        "Correct the path; the file holds lines such as `<token>: what it means`.",
        "hparams/model_args.py:218", "Failed to load special tokens config",
    ),
    Rule(
        "export.quantize-dataset", ("export_quantization_bit",),
        lambda c: c.export_quantization_bit is not None and c.export_quantization_dataset is None,
        "To quantize, export needs texts to calibrate with.", "Add `export_quantization_dataset: FILE`.",
        "hparams/model_args.py:397", "Quantization dataset is necessary for exporting",
    ),
    Rule(
        "data.val-without-dataset", ("val_size",), lambda c: c.dataset is None and c.val_size > 1e-6,
        "val_size splits a dataset, and none is named.", "Add `dataset: NAME`, or take val_size out.",
        "hparams/data_args.py:160", "Cannot specify `val_size` if `dataset` is None",
    ),
    Rule(
        "data.val-and-eval", ("val_size", "eval_dataset"),
        lambda c: c.eval_dataset is not None and c.val_size > 1e-6,
        "eval_dataset and val_size exclude each other.", "Take one of the two out.",
        "hparams/data_args.py:163", "Cannot specify `val_size` if `eval_dataset` is not None",
    ),
    Rule(
        "data.probs-concat", ("interleave_probs", "mix_strategy"),
        lambda c: c.interleave_probs is not None and c.mix_strategy == "concat",
        "interleave_probs needs datasets to be interleaved.", "Add `mix_strategy: interleave_over`.",
        "hparams/data_args.py:167", "`interleave_probs` is only valid for interleaved mixing",
    ),
    Rule(
        "data.probs-count", ("interleave_probs", "dataset"), lambda c: _probs_differ(c, "dataset"),
        "interleave_probs has not one number for each dataset.", "Give one for each name in dataset.",
        "hparams/data_args.py:171", "The length of dataset and interleave probs should be identical",
    ),
    Rule(
        "data.probs-count-eval", ("interleave_probs", "eval_dataset"),
        lambda c: _probs_differ(c, "eval_dataset"),
        "interleave_probs has not one number for each eval_dataset.", "Give one for each name.",
        "hparams/data_args.py:174", "The length of eval dataset and interleave probs should be identical",
    ),
    Rule(
        "data.streaming-val", ("val_size", "streaming"), lambda c: c.streaming and 1e-6 < c.val_size < 1,
        "With streaming, val_size is a number of rows.", "Write `val_size: 100`, say.",
        "hparams/data_args.py:177", "Streaming mode should have an integer val size",
    ),
    Rule(
        "data.streaming-max", ("max_samples", "streaming"),
        lambda c: c.streaming and c.max_samples is not None,
        "max_samples and streaming exclude each other.", "Take one of the two out.",
        "hparams/data_args.py:180", "`max_samples` is incompatible with `streaming`",
    ),
    Rule(
        "data.mask-and-prompt", ("mask_history", "train_on_prompt"),
        lambda c: c.mask_history and c.train_on_prompt,
        "mask_history and train_on_prompt exclude each other.", "Take one of the two out.",
        "hparams/data_args.py:183", "`mask_history` is incompatible with `train_on_prompt`",
    ),
    Rule(
        "stage.reward-model", ("reward_model", "stage"),
        lambda c: c.stage == "ppo" and c.reward_model is None,
        "PPO needs a reward model.", "Train one (`stage: rm`) and add `reward_model: outputs/…`.",
        "hparams/finetuning_args.py:581", "`reward_model` is necessary for PPO training",
    ),
    Rule(
        "stage.reward-lora", ("reward_model_type", "finetuning_type"),
        lambda c: c.stage == "ppo" and c.reward_model_type == "lora" and c.finetuning_type != "lora",
        "A LoRA reward model goes with finetuning_type: lora only.", "Write `reward_model_type: full`.",
        "hparams/finetuning_args.py:584", "`reward_model_type` cannot be lora for Freeze/Full PPO training",
    ),
    Rule(
        "stage.dpo-smoothing", ("dpo_label_smoothing", "pref_loss"),
        lambda c: c.stage == "dpo" and c.pref_loss != "sigmoid" and c.dpo_label_smoothing > 1e-6,
        "dpo_label_smoothing goes with pref_loss: sigmoid only.", "Take dpo_label_smoothing out.",
        "hparams/finetuning_args.py:590", "`dpo_label_smoothing` is only valid for sigmoid loss function",
    ),
    Rule(
        "stage.ref-bits", ("ref_model_quantization_bit",),
        lambda c: c.ref_model_quantization_bit not in (None, *_BNB),
        "A reference model is quantized to 4 or 8 bits.", "Write 4 or 8.",
        "hparams/finetuning_args.py:577", "We only accept 4-bit or 8-bit quantization",
    ),
    Rule(
        "stage.reward-bits", ("reward_model_quantization_bit",),
        lambda c: c.reward_model_quantization_bit not in (None, *_BNB),
        "A reward model is quantized to 4 or 8 bits.", "Write 4 or 8.",
        "hparams/finetuning_args.py:578", "We only accept 4-bit or 8-bit quantization",
    ),
    Rule(
        "method.llama-pro", ("use_llama_pro", "finetuning_type"),
        lambda c: c.use_llama_pro and c.finetuning_type == "full",
        "LLaMA Pro goes with freeze or lora only.", "Write `finetuning_type: freeze`.",
        "hparams/finetuning_args.py:593", "`use_llama_pro` is only valid for Freeze or LoRA training",
    ),
    Rule(
        "method.lora-galore", ("use_galore", "use_apollo", "use_badam"),
        lambda c: c.finetuning_type == "lora" and _methods(c) > 0,
        "GaLore, APOLLO and BAdam are ways to train the whole model, not a LoRA.",
        "Write `finetuning_type: full`, or take them out.",
        "hparams/finetuning_args.py:596", "Cannot use LoRA with GaLore, APOLLO or BAdam together",
    ),
    Rule(
        "method.one-optimizer", ("use_galore", "use_apollo", "use_badam"),
        lambda c: c.finetuning_type != "lora" and _methods(c) > 1,
        "GaLore, APOLLO and BAdam exclude each other.", "Keep one of them.",
        "hparams/finetuning_args.py:599", "Cannot use GaLore, APOLLO or BAdam together",
    ),
    Rule(
        "method.pissa-stage", ("pissa_init", "stage"),
        lambda c: c.pissa_init
        and (c.stage in ("ppo", "kto") or (c.stage == "dpo" and c.pref_loss not in ("orpo", "simpo"))),
        "PiSSA cannot be used in this stage.", "Take pissa_init out.",
        "hparams/finetuning_args.py:602", "Cannot use PiSSA for current training stage",
    ),
    *(
        Rule(
            f"method.{key.replace('_', '-')}", (key, "finetuning_type"),
            _without_lora(key),
            f"{key} goes with finetuning_type: lora only.", f"Take {key} out.",
            f"hparams/finetuning_args.py:{line}", f"`{key}` is only valid for LoRA training",
        )
        for key, line in _OF_LORA
    ),
    Rule(
        "data.tool-format", ("tool_format",),
        lambda c: c.tool_format is not None and c.tool_format not in c.knowledge.tool_prompts,
        "There is no such way to describe tools.",
        lambda c: f"Write one of {', '.join(c.knowledge.tool_prompts)}, or take tool_format out.",
        "data/tool_utils.py:817", "Tool utils … not found",
    ),
    Rule(
        "template.unknown", ("template",),
        lambda c: c.template is not None and c.template not in c.knowledge.templates,
        "There is no template of this name.", _near_template,
        "data/template.py:639", "Template … does not exist",
    ),
)  # fmt: skip
