"""The step ``balance``: no section, document or label outweighs the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from statistics import median_low
from typing import Literal

import msgspec

from millhand.datasets.pieces import Piece
from millhand.datasets.steps.base import Context, Pieces, Step, Tally
from millhand.datasets.steps.kept import keep
from millhand.datasets.steps.keys import (
    answer_of,
    digest,
    document_of,
    headings_of,
    kind_of,
    length_of,
    section_of,
)

By = Literal["section", "document", "kind", "heading", "generator", "answer", "length"]


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many pieces may share a key, in each split.

    Args:
        by: The key: ``section`` (its first ``level`` headings), ``document``, ``kind`` of file, top
            ``heading`` (the same in all documents), ``generator``, ``answer`` (where answers are labels)
            or ``length`` (below 100 characters, 300, 1,000, more).
        at_most: Pieces a key; 0 is no limit.
        ratio: Times the median key of the split; 0 is no limit.
        seed: Another one keeps other pieces.
    """

    by: By = "section"
    level: int = 1
    at_most: int = 0
    ratio: float = 3.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.at_most < 0 or not self.ratio >= 0:
            raise ValueError("at_most and ratio are no limit where they are 0, and never below it")
        if self.level < 1:
            raise ValueError("level counts headings from 1, the outermost")


_KEYS: dict[By, Callable[[Piece, int], str]] = {
    "section": section_of,
    "document": lambda piece, _: document_of(piece),
    "kind": lambda piece, _: kind_of(piece),
    "heading": lambda piece, _: "".join(headings_of(piece)[:1]),
    "generator": lambda piece, _: piece.source.generator,
    "answer": lambda piece, _: answer_of(piece),
    "length": lambda piece, _: length_of(piece),
}


def balance(options: Options, pieces: Pieces, tally: Tally, _: Context) -> Iterator[Piece]:
    """Keep of each key as many as the options allow, drawn by lot."""
    counts: dict[str, Counter[int]] = {}
    for piece in pieces:
        counts.setdefault(piece.split, Counter())[_key(options, piece)] += 1
    limits = {split: _limit(options, keys) for split, keys in counts.items()}
    tally.count("keys", len(set().union(*counts.values())))
    for split, most in limits.items():
        tally.count(f"at most per {options.by}{f', {split}' if split else ''}", most or 0)
    yield from keep(
        pieces,
        key=lambda piece: (piece.split, _key(options, piece)),
        most=lambda key: limits[key[0]],
        seed=options.seed,
        tally=tally,
        reason=f"over the limit of its {options.by}",
    )


def _key(options: Options, piece: Piece) -> int:
    return digest(_KEYS[options.by](piece, options.level))


def _limit(options: Options, keys: Counter[int]) -> int | None:
    limits = [options.at_most] if options.at_most else []
    if options.ratio:
        limits.append(max(1, round(options.ratio * median_low(keys.values()))))
    return min(limits, default=None)


STEP = Step("balance", Options, whole=balance)
