"""The step ``limit``: at most so many pieces in each split, drawn by lot."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from millhand.datasets.pieces import Piece
from millhand.datasets.steps.base import Context, Pieces, Step, Tally
from millhand.datasets.steps.kept import keep


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many pieces each split may have; where nothing is said, there is no limit.

    Args:
        at_most: For splits that are not named, and for pieces before ``split``.
        train: For this split; ``validation`` and ``test`` likewise. 0 empties it.
        seed: Another one keeps other pieces.
    """

    at_most: int | None = None
    train: int | None = None
    validation: int | None = None
    test: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if any(number is not None and number < 0 for number in (*self.named.values(), self.at_most)):
            raise ValueError("a limit counts pieces, from 0")

    @property
    def named(self) -> dict[str, int | None]:
        """The limit of each split that may have one of its own."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    def most(self, split: str) -> int | None:
        """How many pieces ``split`` may have; None is no limit."""
        own = self.named.get(split)
        return self.at_most if own is None else own


def limit(options: Options, pieces: Pieces, tally: Tally, _: Context) -> Iterator[Piece]:
    """Keep as many of each split as the options allow."""
    yield from keep(
        pieces,
        key=lambda piece: piece.split,
        most=options.most,
        seed=options.seed,
        tally=tally,
        reason="over the limit",
    )


STEP = Step("limit", Options, whole=limit)
