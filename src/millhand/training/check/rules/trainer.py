"""Rules of transformers' TrainingArguments (5.6.0, training_args.py: __post_init__, _validate_args)."""

from __future__ import annotations

from collections.abc import Callable

from millhand.training.check.rule import Rule
from millhand.training.check.subject import Config

_FILE = "transformers/training_args.py"
_MOST = float("inf")
_LEVELS = ("debug", "info", "warning", "error", "critical", "passive")
# transformers 5.6.0, integrations/integration_utils.py: INTEGRATION_TO_CALLBACK, and the two words for all.
_LOGGERS = frozenset(
    {"all", "none", "azure_ml", "comet_ml", "mlflow", "neptune", "tensorboard", "trackio", "wandb",
     "codecarbon", "clearml", "dagshub", "flyte", "dvclive", "swanlab", "kubeflow"}
)  # fmt: skip


def _steps(config: Config) -> bool:
    return bool(config.eval_strategy == "steps")


def _eval_steps(config: Config) -> float:
    return float(config.eval_steps or config.logging_steps)


def _not_whole(value: float) -> bool:
    return value > 1 and value != int(value)


def _strategies_differ(config: Config) -> bool:
    return bool(
        config.load_best_model_at_end
        and config.save_strategy != "best"
        and config.eval_strategy != config.save_strategy
    )


def _same_strategies(config: Config) -> str:
    saves = config.save_strategy
    if config.eval_strategy == "no":
        return f"Add `eval_strategy: {saves}` (that of saving), with something to evaluate on."
    return f"Write `save_strategy: {config.eval_strategy}`, which is that of evaluating."


def _no_multiple(config: Config) -> bool:
    if not (config.load_best_model_at_end and config.save_strategy == "steps" and _steps(config)):
        return False
    save, evaluate = float(config.save_steps), _eval_steps(config)
    if not evaluate:
        return False
    if evaluate < 1 and save < 1:
        return (save * 1_000_000) % (evaluate * 1_000_000) != 0
    return save % evaluate != 0


def _outside(key: str, low: float, high: float) -> Callable[[Config], object]:
    return lambda c: not low <= getattr(c, key) < high


def _none_of(key: str, words: tuple[str, ...]) -> Callable[[Config], object]:
    return lambda c: getattr(c, key) not in words


def _part_of_a_step(key: str, strategy: str) -> Callable[[Config], object]:
    return lambda c: getattr(c, strategy) == "steps" and _not_whole(getattr(c, key) or 0)


TRAINER = (
    Rule(
        "train.best-strategies", ("load_best_model_at_end", "eval_strategy", "save_strategy"),
        _strategies_differ,
        "load_best_model_at_end needs eval_strategy and save_strategy to be the same.",
        _same_strategies,
        f"{_FILE}:1705", "--load_best_model_at_end requires the save and eval strategy to match",
    ),
    Rule(
        "train.best-steps", ("save_steps", "eval_steps"), _no_multiple,
        "For load_best_model_at_end, save_steps must be a multiple of eval_steps.",
        "Give both the same number.", f"{_FILE}:1711",
        "--load_best_model_at_end requires the saving steps to be a round multiple of the evaluation steps",
    ),
    Rule(
        "train.logging-steps", ("logging_steps",),
        lambda c: c.logging_strategy == "steps" and c.logging_steps == 0,
        "logging_steps is 0.", "Write `logging_steps: 10`.", f"{_FILE}:1688",
        "logging strategy steps requires non-zero --logging_steps",
    ),
    *(
        Rule(
            f"train.whole-{key.replace('_', '-')}", (key,),
            _part_of_a_step(key, strategy),
            f"{key} above 1 counts steps, and there is no part of a step.", "Write a whole number.",
            f"{_FILE}:{line}", f"--{key} must be an integer if bigger than 1",
        )
        for key, strategy, line in (
            ("logging_steps", "logging_strategy", 1691),
            ("eval_steps", "eval_strategy", 1695),
            ("save_steps", "save_strategy", 1699),
        )
    ),
    Rule(
        "train.two-precisions", ("fp16", "bf16"), lambda c: c.fp16 and c.bf16,
        "fp16 and bf16 exclude each other.", "Keep bf16.", f"{_FILE}:1742",
        "At most one of fp16 and bf16 can be True, but not both",
    ),
    Rule(
        "eval.two-precisions", ("fp16_full_eval", "bf16_full_eval"),
        lambda c: c.fp16_full_eval and c.bf16_full_eval,
        "fp16_full_eval and bf16_full_eval exclude each other.", "Keep bf16_full_eval.", f"{_FILE}:1745",
        "At most one of fp16 and bf16 can be True for full eval, but not both",
    ),
    Rule(
        "train.plateau", ("lr_scheduler_type", "eval_strategy"),
        lambda c: c.lr_scheduler_type in ("reduce_lr_on_plateau", "greedy") and c.eval_strategy == "no",
        "This lr_scheduler_type follows the evaluation, and there is none.",
        "Add `eval_strategy: steps` and `val_size: 0.1`, or write `lr_scheduler_type: cosine`.",
        f"{_FILE}:1748", "lr_scheduler_type reduce_lr_on_plateau requires an eval strategy",
    ),
    Rule(
        "train.warmup", ("warmup_steps", "warmup_ratio"),
        lambda c: (c.warmup_steps if c.warmup_ratio is None else c.warmup_ratio) < 0,
        "The warm-up is below 0.", "Write `warmup_ratio: 0.1`.", f"{_FILE}:1757",
        "warmup_steps must be an integer or a float",
    ),
    Rule(
        "train.prefetch", ("dataloader_prefetch_factor",),
        lambda c: c.dataloader_num_workers == 0 and c.dataloader_prefetch_factor is not None,
        "dataloader_prefetch_factor needs workers.", "Add `dataloader_num_workers: 2`.", f"{_FILE}:1760",
        "--dataloader_prefetch_factor can only be set when data is loaded in a different process",
    ),
    Rule(
        "train.persistent-workers", ("dataloader_persistent_workers",),
        lambda c: c.dataloader_persistent_workers and c.dataloader_num_workers == 0,
        "dataloader_persistent_workers needs workers.", "Add `dataloader_num_workers: 2`.",
        "torch/utils/data/dataloader.py", "persistent_workers option needs num_workers > 0",
    ),
    *(
        Rule(
            f"train.{key.replace('_', '-')}", (key,), _outside(key, low, high),
            f"{key} is out of range: from {low:g}{f' to below {high:g}' if high < _MOST else ''}.",
            "Take the line out for the default.", "torch/optim/adamw.py", "Invalid … value",
        )
        for key, low, high in (
            ("adam_beta1", 0.0, 1.0),
            ("adam_beta2", 0.0, 1.0),
            ("adam_epsilon", 0.0, _MOST),
            ("learning_rate", 0.0, _MOST),
        )
    ),
    Rule(
        "train.report-to", ("report_to",), lambda c: set(c.names("report_to")) - _LOGGERS,
        "report_to names no logger that transformers knows.", "Write `report_to: none`, or tensorboard.",
        "transformers/integrations/integration_utils.py", "… is not supported, only … are supported",
    ),
    *(
        Rule(
            f"train.{key.replace('_', '-')}", (key,), _none_of(key, _LEVELS),
            f"{key} is none of {', '.join(_LEVELS)}.", f"Write `{key}: info`.",
            f"{_FILE}:1945, trainer_log_levels", "KeyError",
        )
        for key in ("log_level", "log_level_replica")
    ),
    Rule(
        "eval.on-start", ("eval_on_start",),
        lambda c: c.eval_on_start and c.eval_dataset is None and c.val_size < 1e-6,
        "There is nothing to evaluate on at the start.", "Add `val_size: 0.1`, or take eval_on_start out.",
        "transformers/trainer.py", "Trainer: evaluation requires an eval_dataset",
    ),
    Rule(
        "train.best-metric", ("save_strategy", "metric_for_best_model"),
        lambda c: c.save_strategy == "best"
        and c.metric_for_best_model is None
        and not c.load_best_model_at_end,
        "save_strategy: best needs a metric.", "Add `metric_for_best_model: eval_loss`.",
        "transformers/trainer.py", "`args.metric_for_best_model` must be provided when using 'best'",
    ),
    Rule(
        "train.empty-cache", ("torch_empty_cache_steps",),
        lambda c: c.torch_empty_cache_steps is not None and c.torch_empty_cache_steps <= 0,
        "torch_empty_cache_steps is not above 0.", "Take it out.", f"{_FILE}:1681",
        "`torch_empty_cache_steps` must be an integer bigger than 0",
    ),
    Rule(
        "train.early-stopping", ("early_stopping_steps",),
        lambda c: c.early_stopping_steps is not None
        and (c.eval_strategy == "no" or (c.metric_for_best_model is None and not c.load_best_model_at_end)),
        "early_stopping_steps needs an evaluation and a metric.",
        "Add `eval_strategy: steps` and `metric_for_best_model: eval_loss`.",
        "transformers/trainer_callback.py:751",
        "EarlyStoppingCallback requires metric_for_best_model to be defined",
    ),
)  # fmt: skip
