"""What a training writes and needs beside it: the base, checkpoints, the result, the merged model. Bytes."""

from __future__ import annotations

import msgspec

from millhand.training.estimate.setup import Given, Setup
from millhand.training.estimate.shapes import Shape
from millhand.training.estimate.steps import Work
from millhand.training.estimate.trainable import Trainable

_TOKENIZER = 20e6  # tokenizer files and notes beside every saved model


class Disk(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes on the pod's disk. ``checkpoint`` is one of them; ``kept`` how many lie there at the most."""

    base: float
    checkpoint: float
    kept: int
    result: float
    export: float

    @property
    def total(self) -> float:
        """All of it at its fullest."""
        return self.base + self.checkpoint * self.kept + self.result + self.export


def estimate_disk(shape: Shape, setup: Setup, trained: Trainable, work: Work, given: Given) -> Disk:
    """Work out the disk: a checkpoint holds what is trained in float32, and the optimiser's two numbers.

    ``save_total_limit`` is exceeded by one while a new checkpoint is written, and by one more where the best
    one is kept (``transformers/trainer.py``: _rotate_checkpoints runs after the save).
    """
    whole = trained.own > 0
    count = shape.parameters if whole else trained.adapter + trained.copies
    each = 2 if setup.pure_bf16 else 4
    result = count * each + _TOKENIZER
    optimiser = 0.0 if given("save_only_model") else trained.parameters * 2.0 * each
    return Disk(
        base=shape.parameters * shape.weight_bytes + _TOKENIZER,
        checkpoint=result + optimiser,
        kept=_kept(given, work),
        result=result,
        export=0.0 if whole else shape.parameters * 2.0 + _TOKENIZER,
    )


def _kept(given: Given, work: Work) -> int:
    strategy = str(given("save_strategy") or "steps")
    if strategy == "no":
        return 0
    every = given.number("save_steps")
    written = -(-work.steps // max(1, int(every))) if strategy == "steps" and every >= 1 else work.steps
    if strategy != "steps":
        written = max(1, round(given.number("num_train_epochs")))
    limit = given.whole("save_total_limit")
    more = 2 if given("load_best_model_at_end") else 1
    return min(written, limit + more) if limit else written
