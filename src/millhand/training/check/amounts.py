"""Whether there is enough to train on once something is set aside or packed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import ceil
from typing import Any

from millhand.errors import Finding
from millhand.training.check.subject import Config
from millhand.wording import counted


def check_split(config: Config, rows: int) -> Iterator[Finding]:
    """Whether val_size leaves something to train on (data/data_utils.py: split_dataset)."""
    size = config.val_size
    if not rows or config.streaming or size <= 1e-6:
        return
    part = int(size) if size > 1 else size
    held = ceil(part * rows) if part < 1 else part
    if held >= rows or (isinstance(part, float) and part == 1):
        few = rows == 1
        yield config.finding(
            "data.val-size", "error", "val_size",
            f"val_size {size} leaves nothing of {counted(rows, 'row')}.",
            "datasets refuses the split: a number from 1 counts rows, one below 1 is a part, rounded up.",
            "Add rows, or take val_size out." if few else "Write `val_size: 0.1`.",
        )  # fmt: skip


def drawn(config: Config, entry: Mapping[str, Any], rows: int) -> int:
    """How many of a dataset's rows are taken (data/loader.py:153): num_samples of its entry, max_samples."""
    again, most = entry.get("num_samples"), config.max_samples
    if rows and isinstance(again, int) and again > 0:
        rows = again
    return min(rows, most) if isinstance(most, int) and most > 0 else rows


def check_amount(config: Config, name: str, size: int) -> Iterator[Finding]:
    """Whether pre-training, which packs all texts into blocks of cutoff_len tokens, fills not even one.

    How many tokens a text has only its tokenizer knows: at most one a byte, and seldom less than one in four.
    """
    if size < 4 * config.cutoff_len and len(config.names("dataset")) == 1:
        yield config.finding(
            "data.too-little", "error" if size < config.cutoff_len else "warning", ("cutoff_len", "dataset"),
            f"{name!r} holds {size:,} bytes of text for blocks of {config.cutoff_len} tokens.",
            "Pre-training packs texts into whole blocks: “Cannot find sufficient samples”.",
            "Add texts, make cutoff_len smaller, or write `packing: false`.",
        )  # fmt: skip
