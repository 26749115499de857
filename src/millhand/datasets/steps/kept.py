"""A few of many, drawn by lot: the same ones whatever the order they come in."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from typing import TypeVar

from millhand.datasets.pieces import Piece
from millhand.datasets.steps.base import Pieces, Tally
from millhand.datasets.steps.keys import lot

K = TypeVar("K")


def keep(
    pieces: Pieces,
    *,
    key: Callable[[Piece], K],
    most: Callable[[K], int | None],
    seed: int,
    tally: Tally,
    reason: str,
) -> Iterator[Piece]:
    """At most ``most(key)`` pieces of each key (None: all), in the order that they came in.

    Those with the smallest lots stay, so one piece more or less changes at most one other. Of each piece
    a number is held, not its text.
    """
    lots: dict[K, list[int]] = {}
    for piece in pieces:
        _offer(lots.setdefault(key(piece), []), lot(seed, piece.id), most(key(piece)))
    for piece in pieces:
        held = lots[key(piece)]
        if most(key(piece)) is None or (held and lot(seed, piece.id) <= -held[0]):
            yield piece
        else:
            tally.drop(piece, reason)


def _offer(held: list[int], number: int, most: int | None) -> None:
    """Keep the ``most`` smallest numbers in a heap whose root is the largest, each with its sign turned."""
    if most is None:
        return
    if len(held) < most:
        heapq.heappush(held, -number)
    elif held:
        heapq.heappushpop(held, -number)
