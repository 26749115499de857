"""Shapes and settings for the tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from millhand.llamafactory.knowledge import shipped
from millhand.training.estimate.memory import Load, Peak, estimate
from millhand.training.estimate.models import table
from millhand.training.estimate.setup import Given, Setup, read_setup
from millhand.training.estimate.shapes import Shape, read_shape

LLAMA = "meta-llama/Meta-Llama-3-8B-Instruct"


def given(root: Path = Path(), **values: Any) -> Given:
    return Given(values, shipped(), root)


def setup(**values: Any) -> Setup:
    return read_setup(given(**{"stage": "sft", "bf16": True, **values}))


def shape(name: str = LLAMA) -> Shape:
    return read_shape(table()[name].config, name)


def peak(name: str = LLAMA, *, batch: int = 1, length: int = 1024, gpus: int = 1, **values: Any) -> Peak:
    return estimate(shape(name), setup(**values), Load(batch, length, gpus))
