"""Rules of training that LLaMA-Factory states in ``get_train_args`` and while it loads data and model."""

from __future__ import annotations

from collections.abc import Callable

from millhand.training.check.rule import Rule
from millhand.training.check.subject import Config

_NOT_ZERO3 = (
    (
        "predict",
        "predict_with_generate",
        369,
        "`predict_with_generate` is incompatible with DeepSpeed ZeRO-3",
    ),
    ("pissa", "pissa_init", 378, "Please use scripts/pissa_init.py to initialize PiSSA in DeepSpeed ZeRO-3"),
    ("bf16", "pure_bf16", 385, "`pure_bf16` is incompatible with DeepSpeed ZeRO-3"),
    ("unsloth", "use_unsloth", 410, "Unsloth is incompatible with DeepSpeed ZeRO-3"),
    ("kt", "use_kt", 413, "KTransformers is incompatible with DeepSpeed ZeRO-3"),
)
_LOGGERS = ("wandb", "tensorboard", "trackio", "none")


def _evaluates(config: Config) -> bool:
    return bool(config.do_eval or config.do_predict or config.predict_with_generate) or (
        config.eval_strategy != "no"
    )


def _other_logger(config: Config) -> bool:
    return config.stage == "ppo" and any(name not in _LOGGERS for name in config.names("report_to"))


def _template_has(config: Config, flag: str) -> bool:
    template = config.knowledge.templates.get(config.template)
    return template is not None and bool(getattr(template, flag))


def _under_zero3(key: str) -> Callable[[Config], object]:
    return lambda c: c.zero3 and getattr(c, key)


TRAINING = (
    Rule(
        "train.no-do-train", ("do_train",),
        lambda c: not (c.do_train or c.do_eval or c.do_predict or c.predict_with_generate),
        "do_train is not true.", "Add the line `do_train: true`.", "train/sft/workflow.py",
        why="LLaMA-Factory would load the model, train nothing and end with exit code 0.",
    ),
    Rule(
        "stage.predict", ("predict_with_generate", "stage"),
        lambda c: c.stage != "sft" and c.predict_with_generate,
        "predict_with_generate goes with stage: sft only.", "Take predict_with_generate out.",
        "hparams/parser.py:318", "`predict_with_generate` cannot be set as True except SFT",
    ),
    Rule(
        "stage.neat-packing", ("neat_packing", "stage"), lambda c: c.stage != "sft" and c.neat_packing,
        "neat_packing goes with stage: sft only.", "Take neat_packing out.",
        "hparams/parser.py:321", "`neat_packing` cannot be set as True except SFT",
    ),
    Rule(
        "stage.masks", ("train_on_prompt", "mask_history", "stage"),
        lambda c: c.stage != "sft" and (c.train_on_prompt or c.mask_history),
        "train_on_prompt and mask_history go with stage: sft only.", "Take them out.",
        "hparams/parser.py:324", "`train_on_prompt` or `mask_history` cannot be set as True except SFT",
    ),
    Rule(
        "stage.do-predict", ("do_predict",),
        lambda c: c.stage == "sft" and c.do_predict and not c.predict_with_generate,
        "do_predict needs predict_with_generate.", "Add `predict_with_generate: true`.",
        "hparams/parser.py:327", "Please enable `predict_with_generate` to save model predictions",
    ),
    Rule(
        "stage.load-best", ("load_best_model_at_end", "stage"),
        lambda c: c.stage in ("rm", "ppo") and c.load_best_model_at_end,
        "load_best_model_at_end does not go with this stage.", "Take load_best_model_at_end out.",
        "hparams/parser.py:330", "RM and PPO stages do not support `load_best_model_at_end`",
    ),
    Rule(
        "stage.ppo-trains", ("do_train", "stage"), lambda c: c.stage == "ppo" and not c.do_train,
        "PPO only trains.", "Add `do_train: true`, or evaluate with `stage: sft`.",
        "hparams/parser.py:334", "PPO training does not support evaluation",
    ),
    Rule(
        "stage.ppo-shift", ("shift_attn", "stage"), lambda c: c.stage == "ppo" and c.shift_attn,
        "shift_attn does not go with PPO.", "Take shift_attn out.",
        "hparams/parser.py:337", "PPO training is incompatible with S^2-Attn",
    ),
    Rule(
        "stage.ppo-kt", ("use_kt", "reward_model_type"),
        lambda c: c.stage == "ppo" and c.reward_model_type == "lora" and c.use_kt,
        "KTransformers takes no LoRA reward model.", "Write `reward_model_type: full`.",
        "hparams/parser.py:340", "KTransformers does not support lora reward model",
    ),
    Rule(
        "stage.ppo-unsloth", ("use_unsloth", "reward_model_type"),
        lambda c: c.stage == "ppo" and c.reward_model_type == "lora" and c.use_unsloth,
        "Unsloth takes no LoRA reward model.", "Write `reward_model_type: full`.",
        "hparams/parser.py:343", "Unsloth does not support lora reward model",
    ),
    Rule(
        "stage.ppo-logger", ("report_to",), _other_logger,
        "PPO reports to wandb, tensorboard or trackio only.", "Write `report_to: none`.",
        "hparams/parser.py:348", "PPO only accepts wandb, tensorboard, or trackio logger",
    ),
    Rule(
        "deepspeed.launch", ("deepspeed",),
        lambda c: c.deepspeed and not c.distributed,
        "DeepSpeed runs only under torchrun.",
        "On one GPU set FORCE_TORCHRUN=1 in .env; on several it is done by itself.",
        "hparams/parser.py:354", "Please use `FORCE_TORCHRUN=1` to launch DeepSpeed training",
        severity="warning",
    ),
    Rule(
        "deepspeed.file", ("deepspeed",),
        lambda c: isinstance(c.deepspeed, str) and c.deepspeed and not c.deepspeed_file,
        "deepspeed names a file that is not there, or no JSON.",
        "Correct the path; it starts at the workspace.",
        "transformers/integrations/deepspeed.py", "Expected a string path to an existing deepspeed config",
    ),
    Rule(
        "data.streaming-steps", ("max_steps", "streaming"), lambda c: c.streaming and c.max_steps == -1,
        "A stream has no end: max_steps must be set.", "Add `max_steps: 1000`, say.",
        "hparams/parser.py:357", "Please specify `max_steps` in streaming mode",
    ),
    Rule(
        "data.streaming-workers", ("dataloader_num_workers", "streaming"),
        lambda c: c.streaming and c.dataloader_num_workers == 0 and not c.tokenized_path,
        "Streaming a local file needs a worker.", "Add `dataloader_num_workers: 1`.",
        "data/loader.py:140",
        why="LLaMA-Factory cuts the file into as many parts as there are workers: StopIteration.",
    ),
    Rule(
        "data.streaming-tokenized", ("tokenized_path", "streaming"),
        lambda c: c.streaming and c.tokenized_path and not (c.root / c.tokenized_path).is_dir(),
        "A stream cannot be saved as tokens.", "Take streaming out for the first run.",
        "data/loader.py:299", "Turn off `streaming` when saving dataset to disk",
    ),
    Rule(
        "train.no-dataset", ("dataset",), lambda c: c.do_train and c.dataset is None,
        "dataset is missing.", "Add `dataset: NAME`; `millhand data list` shows the names.",
        "hparams/parser.py:360", "Please specify dataset for training",
    ),
    Rule(
        "eval.no-data", ("eval_strategy", "do_eval", "do_predict", "predict_with_generate"),
        lambda c: _evaluates(c) and c.eval_dataset is None and c.val_size < 1e-6,
        "There is nothing to evaluate on.", "Add `val_size: 0.1`, or `eval_dataset: NAME`.",
        "hparams/parser.py:365", "Please make sure eval_dataset be provided or val_size >1e-6",
    ),
    Rule(
        "eval.predict-accuracy", ("compute_accuracy", "predict_with_generate"),
        lambda c: c.predict_with_generate and c.compute_accuracy,
        "predict_with_generate and compute_accuracy exclude each other.", "Take one of the two out.",
        "hparams/parser.py:372", "Cannot use `predict_with_generate` and `compute_accuracy` together",
    ),
    Rule(
        "quantization.train-device-map", ("quantization_device_map",),
        lambda c: c.do_train and c.quantization_device_map == "auto",
        "quantization_device_map: auto is not for training.", "Take quantization_device_map out.",
        "hparams/parser.py:375", "Cannot use device map for quantized models in training",
    ),
    *(
        Rule(
            f"deepspeed.zero3-{name}", (key, "deepspeed"),
            _under_zero3(key),
            f"{key} does not go with DeepSpeed ZeRO-3.", f"Take {key} out, or use ZeRO-2.",
            f"hparams/parser.py:{line}", said,
        )
        for name, key, line, said in _NOT_ZERO3
    ),
    Rule(
        "deepspeed.zero3-bits", ("quantization_bit", "deepspeed"),
        lambda c: c.zero3 and c.quantization_method == "bnb" and c.quantization_bit not in (None, 4),
        "Under ZeRO-3 a model is quantized to 4 bits only.", "Write `quantization_bit: 4`.",
        "model/model_utils/quantization.py:188",
        "Only 4-bit quantized model can use fsdp+qlora or auto device map",
    ),
    Rule(
        "deepspeed.zero3-method", ("quantization_method", "deepspeed"),
        lambda c: c.zero3 and c.quantization_bit is not None and c.quantization_method in ("hqq", "eetq"),
        "HQQ and EETQ do not go with ZeRO-3.", "Write `quantization_method: bnb` and `quantization_bit: 4`.",
        "model/model_utils/quantization.py:200",
        "HQQ quantization is incompatible with DeepSpeed ZeRO-3 or FSDP",
    ),
    Rule(
        "deepspeed.optimizers", ("use_galore", "use_apollo", "deepspeed"),
        lambda c: c.deepspeed is not None and (c.use_galore or c.use_apollo),
        "GaLore and APOLLO do not go with DeepSpeed.", "Take deepspeed out.",
        "hparams/parser.py:401", "GaLore and APOLLO are incompatible with DeepSpeed yet",
    ),
    Rule(
        "distributed.layerwise", ("galore_layerwise", "apollo_layerwise"),
        lambda c: c.distributed
        and ((c.use_galore and c.galore_layerwise) or (c.use_apollo and c.apollo_layerwise)),
        "Layer-wise GaLore and APOLLO run on one GPU only.", "Take the layerwise key out.",
        "hparams/parser.py:389", "Distributed training does not support layer-wise GaLore",
    ),
    Rule(
        "distributed.badam", ("use_badam", "badam_mode"),
        lambda c: c.distributed and c.use_badam and (c.badam_mode == "ratio" or not c.zero3),
        "On several GPUs BAdam works layer by layer under ZeRO-3 only.",
        "Write `badam_mode: layer` and name a ZeRO-3 file in deepspeed.",
        "hparams/parser.py:396", "Layer-wise BAdam only supports DeepSpeed ZeRO-3 training",
    ),
    Rule(
        "quantization.fp8", ("fp8", "quantization_bit"),
        lambda c: c.fp8 and c.quantization_bit is not None and not c.use_mca,
        "fp8 and quantization_bit exclude each other.", "Take one of the two out.",
        "hparams/parser.py:404", "FP8 training is not compatible with quantization",
    ),
    Rule(
        "train.backend", ("infer_backend",), lambda c: c.infer_backend != "huggingface",
        "Training knows infer_backend: huggingface only.", "Take infer_backend out.",
        "hparams/parser.py:407", "vLLM/SGLang backend is only available for API, CLI and Web",
    ),
    Rule(
        "unsloth.oft", ("use_unsloth", "finetuning_type"),
        lambda c: c.use_unsloth and c.finetuning_type == "oft",
        "Unsloth knows no OFT.", "Write `finetuning_type: lora`.",
        "model/adapter.py:260", "Unsloth is currently not supported for OFT",
    ),
    Rule(
        "unsloth.one-adapter", ("adapter_name_or_path", "use_unsloth"),
        lambda c: c.use_unsloth and len(c.names("adapter_name_or_path")) > 1,
        "Unsloth takes one adapter.", "Merge the adapters first.",
        "model/adapter.py:172", "Unsloth model only accepts a single adapter",
    ),
    Rule(
        "deepspeed.one-adapter", ("adapter_name_or_path", "deepspeed"),
        lambda c: c.zero3 and len(c.names("adapter_name_or_path")) > 1,
        "ZeRO-3 takes one adapter.", "Merge the adapters first.",
        "model/adapter.py:164", "Cannot use multiple adapters in DeepSpeed ZeRO-3",
    ),
    Rule(
        "method.asft", ("use_asft_loss", "ref_model"),
        lambda c: c.use_asft_loss
        and c.stage == "sft"
        and c.finetuning_type == "lora"
        and c.ref_model is None,
        "use_asft_loss with LoRA needs a model to compare with.", "Add `ref_model:` with the base's name.",
        "train/trainer_utils.py:137", "'NoneType' object is not callable",
    ),
    Rule(
        "method.kt", ("use_kt", "finetuning_type"), lambda c: c.use_kt and c.finetuning_type != "lora",
        "KTransformers trains a LoRA only.", "Write `finetuning_type: lora`.",
        "model/adapter.py:254", "KTransformers only supports LoRA finetuning",
    ),
    Rule(
        "method.kt-one-adapter", ("adapter_name_or_path", "use_kt"),
        lambda c: c.use_kt and len(c.names("adapter_name_or_path")) > 1,
        "KTransformers takes one adapter.", "Merge the adapters first.",
        "model/adapter.py:168", "KTransformers model only accepts a single adapter",
    ),
    Rule(
        "train.trackio", ("project", "report_to"),
        lambda c: "trackio" in c.names("report_to") and not c.project,
        "Trackio needs the name of a project.", "Add `project: NAME`.",
        "hparams/parser.py:137", "`--project` must be specified when using Trackio",
    ),
    Rule(
        "template.train-on-prompt", ("train_on_prompt", "template"),
        lambda c: c.train_on_prompt and _template_has(c, "efficient_eos"),
        "This template does not go with train_on_prompt.", "Take train_on_prompt out.",
        "data/template.py:644", "Current template does not support `train_on_prompt`",
    ),
    Rule(
        "data.interleave-once", ("mix_strategy",),
        lambda c: c.mix_strategy == "interleave_once" and len(c.names("dataset")) > 1,
        "mix_strategy: interleave_once fails with every datasets that LLaMA-Factory allows.",
        "Write `mix_strategy: concat`.", "data/data_utils.py:76",
        why="datasets up to 4.0.0 knows no `all_exhausted_without_replacement`.",
    ),
)  # fmt: skip
