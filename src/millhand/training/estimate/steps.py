"""How many rows, tokens and steps a training has, from its datasets' lengths and its settings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import msgspec

from millhand.training.estimate.setup import Given, Setup
from millhand.training.estimate.tokens import Lengths, packed

# model/../sft/workflow.py: the collator pads to a multiple of 8 while training.
_PAD = 8


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done: rows to train and to evaluate on, steps, and tokens of the whole training.

    ``sequences`` are the rows as the trainer sees them, packed or not; ``tokens`` counts those of all rounds,
    ``padded`` what is computed with, padding included; ``evaluated_padded`` is that of one evaluation, and
    ``longest_evaluated`` its widest row. ``known`` is false where a dataset cannot be read.
    """

    rows: int
    evaluated: int
    sequences: int
    steps: int
    evaluations: int
    tokens: float
    padded: float
    longest: int
    evaluated_padded: float = 0.0
    longest_evaluated: int = 0
    known: bool
    notes: tuple[str, ...] = ()


class _Held(NamedTuple):
    """What is evaluated on: rows, tokens of one evaluation with their padding, the widest row."""

    rows: int = 0
    padded: float = 0.0
    longest: int = 0


def plan_work(
    given: Given,
    setup: Setup,
    datasets: Mapping[str, Lengths | None],
    gpus: int,
    held: Mapping[str, Lengths | None] = MappingProxyType({}),
) -> Work:
    """Work out the steps; a dataset that cannot be read is None.

    ``transformers/trainer.py``: set_initial_training_values.

    Args:
        datasets: The lengths of ``dataset``, by name.
        held: Those of ``eval_dataset``; without them val_size says what is held back.
    """
    lengths = [found for found in datasets.values() if found is not None]
    known = bool(lengths) and len(lengths) == len(datasets)
    rows, notes = _mixed(given, lengths) if known else (0, _unread(datasets))
    trained, back = _split(given, rows) if not held else (rows, 0)
    sequences = _sequences(setup, lengths, rows, trained)
    per_epoch = _steps_of(sequences, setup, gpus)
    steps = _total(given, per_epoch)
    rounds = steps / per_epoch if per_epoch else 0.0
    mean = sum(one.tokens for one in lengths) / max(1, sum(one.rows for one in lengths))
    longest = _longest(setup, lengths, known=known)
    width = float(longest) if setup.packing else _padded_width(setup.length, setup.batch, lengths)
    evaluated = _of_own(given, setup, held) if held else _Held(back, back * width, longest if back else 0)
    return Work(
        rows=trained, evaluated=evaluated.rows, sequences=sequences, steps=steps,
        evaluations=_evaluations(given, steps, rounds) if evaluated.rows else 0,
        tokens=trained * mean * rounds, padded=sequences * width * rounds, longest=longest,
        evaluated_padded=evaluated.padded, longest_evaluated=evaluated.longest,
        known=known, notes=tuple(notes) + (_not_held(held) if held else ()),
    )  # fmt: skip


def _of_own(given: Given, setup: Setup, datasets: Mapping[str, Lengths | None]) -> _Held:
    """The rows of ``eval_dataset``, each cut at cutoff_len; max_samples holds for them, too."""
    lengths = [found for found in datasets.values() if found is not None]
    most = given.whole("max_samples") or None
    rows = sum(min(one.rows, most) if most else one.rows for one in lengths)
    longest = _longest(setup, lengths, known=bool(lengths) and len(lengths) == len(datasets))
    width = (
        float(longest) if setup.packing else _padded_width(setup.length, max(1, setup.eval_batch), lengths)
    )
    return _Held(rows, rows * width, longest)


def _not_held(datasets: Mapping[str, Lengths | None]) -> tuple[str, ...]:
    names = ", ".join(name for name, found in datasets.items() if found is None)
    return (
        (f"Rows of {names} cannot be counted here: evaluations are left out of the time.",) if names else ()
    )


def _unread(datasets: Mapping[str, Lengths | None]) -> list[str]:
    names = ", ".join(name for name, found in datasets.items() if found is None)
    return [f"Rows of {names or 'no dataset'} cannot be counted here: memory is estimated at cutoff_len."]


def _mixed(given: Given, lengths: Sequence[Lengths]) -> tuple[int, list[str]]:
    """The rows of all datasets together (``data/data_utils.py``: merge_dataset), max_samples of each."""
    most = given.whole("max_samples") or None
    counts = [min(one.rows, most) if most else one.rows for one in lengths]
    strategy = str(given("mix_strategy") or "concat")
    if len(counts) < 2 or strategy == "concat":
        return sum(counts), []
    rows = (min if strategy == "interleave_under" else max)(counts) * len(counts)
    return rows, [f"mix_strategy: {strategy} draws until a dataset is used up: its rows are about {rows:,}."]


def _split(given: Given, rows: int) -> tuple[int, int]:
    """Rows to train on and to evaluate on: a part (rounded up, as datasets does) or a number."""
    size = given.number("val_size")
    if size <= 1e-6 or not rows:
        return rows, 0
    number = size > 1 or isinstance(given("val_size"), int)  # a whole 1 stays one, and is a row
    held = int(size) if number else math.ceil(size * rows)
    return max(0, rows - held), min(held, rows)


def _sequences(setup: Setup, lengths: Sequence[Lengths], rows: int, trained: int) -> int:
    if not setup.packing or not rows:
        return trained
    if setup.stage == "pt":
        return int(sum(one.tokens for one in lengths) * trained / rows) // setup.length
    sample = [length for one in lengths for length in one.sample]
    # hparams/data_args.py takes one off cutoff_len for packing
    return math.ceil(packed(sample, setup.length - 1) * trained / max(1, len(sample)))


def _steps_of(sequences: int, setup: Setup, gpus: int) -> int:
    """Steps of one round: batches on each GPU, gathered; the last one need not be full."""
    if not sequences:
        return 0
    batches = math.ceil(math.ceil(sequences / setup.batch) / gpus)
    return max(1, math.ceil(batches / setup.accumulation))


def _total(given: Given, per_epoch: int) -> int:
    most = int(given.number("max_steps"))
    return most if most > 0 else math.ceil(given.number("num_train_epochs") * per_epoch)


def _longest(setup: Setup, lengths: Sequence[Lengths], *, known: bool) -> int:
    """Tokens of the widest batch: the longest row, padded to a multiple of eight."""
    if not known or setup.packing:
        return _round_up(setup.length)
    high = max(one.longest * one.high for one in lengths)
    return _round_up(min(math.ceil(high), setup.length))


def _round_up(tokens: int) -> int:
    return -(-tokens // _PAD) * _PAD


def _padded_width(most: int, size: int, lengths: Sequence[Lengths]) -> float:
    """The mean width of a batch of ``size`` rows: each is as wide as the longest of them."""
    sample = sorted(length for one in lengths for length in one.sample)
    if not sample:
        return float(most)
    count = len(sample)
    # the mean of the largest of `size` draws: each sorted value weighted by how often it is the largest
    total = sum(
        value * ((rank / count) ** size - ((rank - 1) / count) ** size)
        for rank, value in enumerate(sample, 1)
    )
    return total + _PAD / 2


def _evaluations(given: Given, steps: int, rounds: float) -> int:
    strategy = str(given("eval_strategy") or "no")
    if strategy == "epoch":
        return math.ceil(rounds)
    every = given.number("eval_steps") or given.number("logging_steps")
    if strategy != "steps" or not every:
        return 1 if given("do_eval") else 0
    return int(steps / every) if every >= 1 else int(1 / every)
