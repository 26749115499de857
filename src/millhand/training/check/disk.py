"""How much a run writes: the model it fetches, checkpoints, the weights at the end, the export. Estimates."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

from millhand.training.check.base import base_of
from millhand.training.check.subject import Config

_GB = 1e9
# The size in a model's name: Qwen2.5-7B, polyglot-ko-5.8b, Llama-3.2-1B, SmolLM2-135M.
_SIZE = re.compile(r"(?<![A-Za-z0-9.])(\d+(?:\.\d+)?)([BM])(?![A-Za-z0-9])", re.I)
# LoRA of rank 8 on all linear layers of a 7B model has 20 million weights, of larger ones less of a part.
_LORA_PART = 0.0027 / 8
_ADAM = 8  # bytes a weight: two moments in float32
_FULL, _HALF = 4, 2


@dataclass(frozen=True, slots=True)
class Writes:
    """What is written, by part."""

    parts: tuple[tuple[str, float], ...]

    @property
    def total_gb(self) -> float:
        """All of it."""
        return sum(size for _, size in self.parts)


def to_write(
    config: Config, rows: int | None, processes: int, export: Config | None, *, elsewhere: bool = False
) -> Writes | None:
    """What a training and its export write; None where the model's size is not known.

    ``elsewhere`` says that the run is not on this machine: the model is brought or fetched there.
    """
    base, name = base_of(config), str(config.model_name_or_path)
    stored = _weights(base.folder) if base else 0
    parameters = stored / _HALF if stored else named_parameters(name)
    if not parameters:
        return None
    final, checkpoint = _sizes(config, parameters)
    count = checkpoints(config, rows, processes)
    fetched = 0.0 if stored and not elsewhere else stored or parameters * _HALF
    merged = parameters * _HALF if export is not None and export.export_dir else 0.0
    parts = (
        ("the model", fetched), (f"{count} checkpoints", checkpoint * count),
        ("the trained weights", final), ("the merged model", merged),
    )  # fmt: skip
    return Writes(tuple((name, size / _GB) for name, size in parts))


def named_parameters(name: str) -> float:
    """The number of weights that a model's name says; 0 where it says none."""
    found = _SIZE.findall(name.rpartition("/")[2])
    if not found:
        return 0.0
    number, unit = found[-1] if len(found) == 1 else max(found, key=lambda pair: _number(*pair))
    return _number(number, unit)


def _number(number: str, unit: str) -> float:
    return float(number) * (1e9 if unit in "bB" else 1e6)


def _weights(folder: Path) -> float:
    kinds = ("*.safetensors", "pytorch_model*.bin")
    return float(sum(path.stat().st_size for kind in kinds for path in folder.glob(kind)))


def _sizes(config: Config, parameters: float) -> tuple[float, float]:
    """Bytes of the weights at the end, and of a checkpoint with its optimizer."""
    width = _HALF if config.pure_bf16 else _FULL  # model/adapter.py: what is trained is kept in float32
    if config.finetuning_type in ("lora", "oft"):
        trained = parameters * _LORA_PART * (config.lora_rank or 8)
        saved = trained * width
    else:
        trained = parameters * (0.2 if config.finetuning_type == "freeze" else 1)
        saved = parameters * width
    kept = 0.0 if config.save_only_model else trained * (_ADAM if width == _FULL else _ADAM / 2)
    return saved, saved + kept


def checkpoints(config: Config, rows: int | None, processes: int) -> int:
    """How many checkpoints lie there at once; one more while the oldest waits to be deleted."""
    if config.save_strategy == "no":
        return 0
    steps = _steps(config, rows, processes)
    epochs = math.ceil(float(config.num_train_epochs or 1))
    every = float(config.save_steps or 500)
    every = every if every >= 1 else max(1.0, every * (steps or 1))
    made = epochs if config.save_strategy == "epoch" else math.ceil((steps or every) / every)
    limit = config.save_total_limit
    return min(made, limit + 1) if limit else made


def _steps(config: Config, rows: int | None, processes: int) -> int | None:
    if config.max_steps and config.max_steps > 0:
        return int(config.max_steps)
    if rows is None:
        return None
    batch = int(config.per_device_train_batch_size * config.gradient_accumulation_steps * max(1, processes))
    return math.ceil(rows * float(config.num_train_epochs) / max(1, batch))
