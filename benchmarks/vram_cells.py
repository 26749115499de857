"""The trainings that peak memory is measured on, and what the figures become: a fit, a judgement, a table.

Pure: nothing here touches a GPU. The cells are split in two by a hash of their names; the constants of the
estimate are fitted on one half and judged on the other.
"""

from __future__ import annotations

import hashlib
import random
import statistics
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from millhand.files import write_text
from millhand.llamafactory.knowledge import shipped
from millhand.training.estimate.calibration import Calibration
from millhand.training.estimate.memory import Constants, Load, Peak, estimate
from millhand.training.estimate.models import table
from millhand.training.estimate.setup import Given, read_setup
from millhand.training.estimate.shapes import read_shape

# 1B, 3B, 5.8B (GPT-NeoX), 7B, 8B and 14B: real shapes, random weights.
MODELS = (
    "meta-llama/Llama-3.2-1B",
    "meta-llama/Llama-3.2-3B",
    "EleutherAI/polyglot-ko-5.8b",
    "Qwen/Qwen2.5-7B",
    "meta-llama/Meta-Llama-3-8B",
    "Qwen/Qwen3-14B",
)
SIZES = ((1, 512), (1, 2048), (4, 1024), (2, 4096), (8, 512))
_METHODS: dict[str, dict[str, Any]] = {
    "lora": {},
    "qlora": {"quantization_bit": 4},
}
_FIRST: dict[str, dict[str, Any]] = {
    "full": {"finetuning_type": "full"},
    "freeze": {"finetuning_type": "freeze"},
    "lora, no checkpointing": {"disable_gradient_checkpointing": True},
    "lora, eager": {"flash_attn": "disabled"},
    "lora r64, dropout": {"lora_rank": 64, "lora_dropout": 0.1},
    "lora, two modules": {"lora_target": "q_proj,v_proj"},
    "qlora 8 bit": {"quantization_bit": 8},
}
_KINDS = ("llama", "mistral", "qwen2", "qwen3", "gemma", "gemma3_text", "exaone4", "gpt_neox")
NO_MARGIN = Constants(context=0.0, reserve=0.0, work=1.0, margin=0.0)
_FLOOR = 0.03  # the least margin, however well the fit went
_GPUS_GB = (16, 24, 40, 48, 80, 94, 141)


class Cell(msgspec.Struct, frozen=True):
    """One training: a model, a method by name, rows of a micro-batch and their length in tokens.

    ``config`` is that of a made-up model; a model of the shipped table needs none.
    """

    model: str
    method: str
    batch: int
    length: int
    config: dict[str, Any] = {}

    @property
    def shape(self) -> dict[str, Any]:
        """The model's config."""
        return self.config or table()[self.model].config

    @property
    def name(self) -> str:
        """What it is called in tables and files."""
        return f"{self.model.rpartition('/')[2]}, {self.method}, {self.batch} x {self.length:,}"

    @property
    def settings(self) -> dict[str, Any]:
        """What stands in its train.yaml beside paths."""
        method = {**_METHODS, **_FIRST}[self.method]
        return {
            "stage": "sft", "finetuning_type": "lora", "bf16": True, "cutoff_len": self.length,
            "per_device_train_batch_size": self.batch, "gradient_accumulation_steps": 2, **method,
        }  # fmt: skip

    @property
    def fitted(self) -> bool:
        """Whether it belongs to the half that is fitted on."""
        return hashlib.sha256(self.name.encode()).digest()[0] % 2 == 0


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What a cell took, in bytes: what torch allocated and reserved at the most, and CUDA's own part.

    ``out_of_memory`` cells have what was allocated when it ended; ``memory`` is the GPU's.
    """

    cell: Cell
    allocated: float
    reserved: float = 0.0
    context: float = 0.0
    out_of_memory: bool = False
    memory: float = 0.0
    seconds_a_step: float = 0.0

    @property
    def total(self) -> float:
        """What the GPU had to hold."""
        return self.reserved + self.context


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """How the estimate did on cells: errors as parts of the measured peak, and promises that were broken."""

    cells: int
    median: float
    worst: float
    too_low: float
    false_fits: tuple[str, ...]


def cells(*, quick: bool = False) -> list[Cell]:
    """All cells, the small models first; ``quick`` takes the smallest model's alone."""
    models = MODELS[:1] if quick else MODELS
    found = [Cell(model, method, *size) for model in models for method in _METHODS for size in SIZES]
    first = [Cell(MODELS[0], method, *size) for method in _FIRST for size in SIZES[1:3]]
    return [*found[: len(SIZES) * len(_METHODS)], *first, *found[len(SIZES) * len(_METHODS) :]]


def generated(number: int, seed: int = 7) -> list[Cell]:
    """Trainings of made-up models: eight types, odd widths, large and small vocabularies, other dtypes."""
    draw = random.Random(seed)
    return [_generated(draw, index) for index in range(number)]


def _generated(draw: random.Random, index: int) -> Cell:
    kind = draw.choice(_KINDS)
    heads, width = draw.choice([4, 8, 16]), draw.choice([32, 64, 128])
    hidden = heads * width if kind == "gpt_neox" else draw.choice([256, 512, 1024])
    config = {
        "model_type": kind, "hidden_size": hidden, "intermediate_size": hidden * draw.choice([2, 3, 4]),
        "num_hidden_layers": draw.choice([4, 8]), "num_attention_heads": heads,
        "num_key_value_heads": draw.choice([keys for keys in (1, 2, 4, 8, 16) if heads % keys == 0]),
        "vocab_size": draw.choice([2000, 16000, 64000]), "tie_word_embeddings": draw.random() < 0.5,
        "torch_dtype": draw.choice(["bfloat16", "bfloat16", "bfloat16", "float16", "float32"]),
        **({} if kind == "gpt_neox" else {"head_dim": width}),
    }  # fmt: skip
    method = draw.choice(
        [name for name in ("lora", *_FIRST) if name not in ("lora, two modules", "qlora 8 bit")]
    )
    size = draw.choice([1, 2, 4]), draw.choice([256, 512, 1024, 2048])
    return Cell(f"made-up/{kind}-{index}", method, *size, config)


def predicted(cell: Cell, constants: Constants) -> Peak:
    """The estimate of a cell."""
    setup = read_setup(Given(cell.settings, shipped(), Path()))
    return estimate(read_shape(cell.shape, cell.model), setup, Load(cell.batch, cell.length), constants)


def fit(measured: Sequence[Measured]) -> Constants:
    """The constants from the half that is fitted on.

    ``work`` is the middle of what activations, logits and buffers took over what was expected, in the cells
    where they are a tenth of the whole; ``reserve`` and ``context`` are set high, for a GPU that is full is
    of no use; ``margin`` covers the lowest estimate of this half and a quarter more.
    """
    seen = [one for one in measured if one.cell.fitted and not one.out_of_memory]
    if not seen:
        return Constants()
    ratios = [ratio for one in seen if (ratio := _work(one)) is not None]
    work = statistics.median(ratios) if ratios else 1.0
    held = sorted(max(0.0, one.reserved / one.allocated - 1) for one in seen if one.allocated)
    reserve = held[int(0.9 * (len(held) - 1))] if held else 0.0
    context = max((one.context for one in seen), default=0.0)
    bare = Constants(context=context, reserve=reserve, work=work, margin=0.0)
    low = max((1 - predicted(one.cell, bare).total / one.total for one in seen), default=0.0)
    return msgspec.structs.replace(bare, margin=max(_FLOOR, 1.25 * low / (1 - low)))


def _work(one: Measured) -> float | None:
    peak = predicted(one.cell, NO_MARGIN)
    parts = peak.parts
    expected = parts.activations + parts.logits + parts.buffers
    fixed = peak.total - expected
    return (one.allocated - fixed) / expected if expected > 0.1 * peak.total else None


def judge(measured: Iterable[Measured], constants: Constants) -> Verdict:
    """How the constants do on the half that they were not fitted on; broken promises count on all cells."""
    every = list(measured)
    unseen = [one for one in every if not one.cell.fitted and not one.out_of_memory]
    errors = [predicted(one.cell, constants).total / one.total - 1 for one in unseen]
    sizes = [abs(error) for error in errors]
    return Verdict(
        cells=len(unseen),
        median=statistics.median(sizes) if sizes else 0.0,
        worst=max(sizes, default=0.0),
        too_low=max((-error for error in errors), default=0.0),
        false_fits=tuple(_broken(every, constants)),
    )


def _broken(measured: Iterable[Measured], constants: Constants) -> Iterator[str]:
    """Cells that would have been said to fit a GPU that they do not fit."""
    for one in measured:
        high = predicted(one.cell, constants).high
        sizes = [one.memory] if one.out_of_memory else [gb * 1e9 for gb in _GPUS_GB if gb * 1e9 < one.total]
        for size in sizes:
            if high <= size:
                yield f"{one.cell.name} on {size / 1e9:g} GB"


def calibrate(measured: Sequence[Measured], gpu: str, date: str) -> Calibration:
    """What ships: the fitted constants and how they did on the other half."""
    constants = fit(measured)
    verdict = judge(measured, constants)
    return Calibration(
        constants=constants, gpu=gpu, date=date, cells=len(measured), median=verdict.median,
        worst=verdict.worst, too_low=verdict.too_low,
    )  # fmt: skip


class Store:
    """The measured cells in a JSON file, written anew after each: a broken-off run goes on where it was."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.gpu, self.date = "", ""
        self.measured: dict[str, Measured] = {}
        if path.is_file():
            kept = msgspec.json.decode(path.read_bytes(), type=_File)
            self.gpu, self.date = kept.gpu, kept.date
            self.measured = {one.cell.name: one for one in kept.cells}

    def left(self, wanted: Iterable[Cell]) -> list[Cell]:
        """The cells that are not measured yet."""
        return [cell for cell in wanted if cell.name not in self.measured]

    def keep(self, one: Measured) -> None:
        """Add a cell."""
        self.measured[one.cell.name] = one
        kept = _File(gpu=self.gpu, date=self.date, cells=list(self.measured.values()))
        write_text(self.path, msgspec.json.format(msgspec.json.encode(kept)).decode() + "\n")


class _File(msgspec.Struct, kw_only=True):
    gpu: str = ""
    date: str = ""
    cells: list[Measured] = []


def markdown(measured: Iterable[Measured], constants: Constants) -> str:
    """The cells as a table: measured, estimated, and how far apart."""
    lines = ["| training | measured GB | estimated GB | | half |", "| --- | --- | --- | --- | --- |"]
    for one in measured:
        peak = predicted(one.cell, constants)
        half = "fitted" if one.cell.fitted else "judged"
        if one.out_of_memory:
            shown = f"out of memory on {one.memory / 1e9:.0f}"
            lines.append(f"| {one.cell.name} | {shown} | {peak.total / 1e9:.1f} | | {half} |")
        else:
            apart = peak.total / one.total - 1
            figures = f"{one.total / 1e9:.2f} | {peak.total / 1e9:.2f} | {apart:+.1%}"
            lines.append(f"| {one.cell.name} | {figures} | {half} |")
    return "\n".join(lines) + "\n"
