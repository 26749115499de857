"""Numbers that are out of range, and what a value needs beside it: where the trainer or a library stops.

Each row was put to LLaMA-Factory 0.9.5 with transformers 5.6, peft 0.18 and torch 2.13. What they take for
what it is not (a negative ``save_steps`` saves never) is none of these.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from millhand.training.check.rule import Rule
from millhand.training.check.subject import Config

_MOST = math.inf
_SEEDS = 2**32 - 1
_MIN_LR = ("cosine_with_min_lr", "cosine_warmup_with_min_lr")
# What an evaluation of supervised training reports (transformers/trainer.py, evaluate).
_METRICS = frozenset(
    {"eval_loss", "eval_runtime", "eval_samples_per_second", "eval_steps_per_second",
     "eval_model_preparation_time"}
)  # fmt: skip
_GENERATED = frozenset({"eval_rouge-1", "eval_rouge-2", "eval_rouge-l", "eval_bleu-4"})


def _lora(config: Config) -> bool:
    return bool(config.finetuning_type == "lora")


def _evaluates(config: Config) -> bool:
    return bool(config.eval_strategy != "no" or config.do_eval)


def _always(_: Config) -> bool:
    return True


class _Range(NamedTuple):
    """From ``low`` to ``high``, both allowed, where ``used`` says that it is looked at."""

    key: str
    low: float
    high: float
    mend: str
    source: str
    refusal: str
    used: Callable[[Config], bool] = _always


_RANGES = (
    _Range("lora_rank", 1, _MOST, "Write `lora_rank: 8`.", "peft/tuners/lora/layer.py",
           "`r` should be a positive integer value", _lora),
    _Range("lora_dropout", -_MOST, 1, "Write `lora_dropout: 0`.", "torch/nn/modules/dropout.py",
           "dropout probability has to be between 0 and 1", _lora),
    _Range("per_device_train_batch_size", 1, _MOST, "Write `per_device_train_batch_size: 1`.",
           "torch/utils/data/sampler.py", "batch_size should be a positive integer value"),
    _Range("per_device_eval_batch_size", 1, _MOST, "Write `per_device_eval_batch_size: 1`.",
           "torch/utils/data/sampler.py", "batch_size should be a positive integer value", _evaluates),
    _Range("max_samples", 1, _MOST, "Take max_samples out for all rows.", "data/data_utils.py",
           "StopIteration"),
    _Range("preprocessing_num_workers", 1, _MOST, "Write `preprocessing_num_workers: 1`.",
           "datasets/arrow_dataset.py", "num_proc must be an integer > 0"),
    _Range("dataloader_num_workers", 0, _MOST, "Write `dataloader_num_workers: 0`.",
           "torch/utils/data/dataloader.py", "num_workers option should be non-negative"),
    _Range("dataloader_prefetch_factor", 1, _MOST, "Write `dataloader_prefetch_factor: 2`.",
           "torch/utils/data/dataloader.py", "prefetch_factor must be greater than 0",
           lambda c: c.dataloader_num_workers > 0),
    _Range("seed", 0, _SEEDS, "Write `seed: 42`.", "numpy/random", "Seed must be between 0 and 2**32 - 1"),
    _Range("buffer_size", 1, _MOST, "Write `buffer_size: 16384`.", "datasets/iterable_dataset.py",
           "StopIteration", lambda c: bool(c.streaming)),
    _Range("neftune_noise_alpha", 0, _MOST, "Write `neftune_noise_alpha: 5`, or take it out.",
           "transformers/integrations/neftune.py", "uniform_ expects to return a [from, to) range"),
    _Range("cutoff_len", 1, _MOST, "Write `cutoff_len: 2048`.", "data/processor/processor_utils.py",
           "cannot reshape tensor of 0 elements"),
)  # fmt: skip


def _outside(limits: _Range) -> Callable[[Config], object]:
    def broken(config: Config) -> object:
        value = getattr(config, limits.key)
        return value is not None and limits.used(config) and not limits.low <= value <= limits.high

    return broken


def _message(limits: _Range) -> str:
    if limits.low == -_MOST:
        return f"{limits.key} is above {limits.high:g}."
    if limits.high < _MOST:
        return f"{limits.key} is not between {limits.low:.0f} and {limits.high:.0f}."
    return f"{limits.key} is below {limits.low:.0f}."


def _probabilities(config: Config) -> bool:
    if config.interleave_probs is None or config.mix_strategy == "concat":
        return False
    try:
        total = math.fsum(float(one) for one in config.names("interleave_probs"))
    except ValueError:
        return False
    return not math.isclose(total, 1.0, abs_tol=1e-7)


def _no_checkpoint(config: Config) -> bool:
    """A path that holds none; ``true`` takes the newest of output_dir, which must have one then."""
    given = config.resume_from_checkpoint
    if isinstance(given, str):
        return not (config.root / given).is_dir()
    return given is True and not _has_checkpoint(config.root / str(config.output_dir))


def _has_checkpoint(folder: Path) -> bool:
    return folder.is_dir() and any(re.fullmatch(r"checkpoint-\d+", path.name) for path in folder.iterdir())


def _unmeasured(config: Config) -> bool:
    """A metric that no evaluation of this kind has; of other stages than sft the metrics are many."""
    wanted = config.metric_for_best_model
    if not isinstance(wanted, str) or config.stage != "sft" or config.eval_strategy == "no":
        return False
    name = wanted if wanted.startswith("eval_") else f"eval_{wanted}"
    several = len(config.names("eval_dataset")) > 1 or bool(config.eval_on_each_dataset)
    known = _METRICS | ({"eval_accuracy"} if config.compute_accuracy else set())
    known |= _GENERATED if config.predict_with_generate else frozenset()
    return name not in known and not (several and name.endswith("_loss"))


def _no_least(config: Config) -> bool:
    given = config.lr_scheduler_kwargs
    least = {"min_lr", "min_lr_rate"}
    return config.lr_scheduler_type in _MIN_LR and not (isinstance(given, dict) and least & set(given))


def _nothing_trained(config: Config) -> bool:
    return bool(config.do_train and config.num_train_epochs <= 0 and config.max_steps <= 0)


RANGES = (
    *(
        Rule(
            f"train.{limits.key.replace('_', '-')}", (limits.key,), _outside(limits), _message(limits),
            limits.mend, limits.source, limits.refusal,
        )
        for limits in _RANGES
    ),
    Rule(
        "train.gradient-accumulation", ("gradient_accumulation_steps",),
        lambda c: c.gradient_accumulation_steps == 0,
        "gradient_accumulation_steps is 0.", "Write `gradient_accumulation_steps: 1`.",
        "transformers/trainer.py", "ZeroDivisionError: integer division or modulo by zero",
    ),
    Rule(
        "train.no-lora-target", ("lora_target",),
        lambda c: _lora(c) and c.lora_target is not None and not c.names("lora_target"),
        "lora_target names nothing.", "Write `lora_target: all`.", "peft/tuners/lora/config.py",
        "No `target_modules` passed but also no `target_parameters` found",
    ),
    Rule(
        "train.freeze-nothing", ("freeze_trainable_layers",),
        lambda c: c.finetuning_type == "freeze" and c.freeze_trainable_layers == 0,
        "freeze_trainable_layers: 0 leaves nothing to train.",
        "Write `freeze_trainable_layers: 2` for the last two layers, -2 for the first.",
        "model/adapter.py:108", "element 0 of tensors does not require grad",
    ),
    Rule(
        "data.probs-sum", ("interleave_probs",), _probabilities,
        "interleave_probs do not add up to 1.", "Write shares that do, as in `0.7,0.3`.",
        "datasets/combine.py", "Probabilities do not sum to 1",
    ),
    Rule(
        "train.no-checkpoint", ("resume_from_checkpoint",), _no_checkpoint,
        "There is no checkpoint where resume_from_checkpoint looks.",
        "Take the line out: training goes on from the newest checkpoint of output_dir by itself.",
        "transformers/trainer.py", "Can't find a valid checkpoint",
    ),
    Rule(
        "train.best-metric-unknown", ("metric_for_best_model",), _unmeasured,
        "No evaluation of this training reports metric_for_best_model.",
        "Write `metric_for_best_model: eval_loss`; eval_accuracy needs `compute_accuracy: true`, "
        "eval_rouge-l and the like `predict_with_generate: true`.",
        "transformers/trainer.py", "The `metric_for_best_model` … is not found in the evaluation metrics",
    ),
    Rule(
        "train.least-rate", ("lr_scheduler_type", "lr_scheduler_kwargs"), _no_least,
        "This lr_scheduler_type needs the least rate.",
        "Add `lr_scheduler_kwargs: {min_lr_rate: 0.1}`, or write `lr_scheduler_type: cosine`.",
        "transformers/optimization.py",
        "One of min_lr or min_lr_rate should be set through the `lr_scheduler_kwargs`",
    ),
    Rule(
        "train.no-steps", ("num_train_epochs", "max_steps"), _nothing_trained,
        "There is not one step to train.", "Write `num_train_epochs: 3`.", "transformers/trainer.py",
        why="It ends well, and the weights are those it began with.", severity="warning",
    ),
)  # fmt: skip
