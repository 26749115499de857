"""Asks a model about many passages at once; what is judged over all of them is judged in their order.

So the same answers give the same records whatever order they come in, and a build that was broken off
asks for nothing that it has asked before.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import defaultdict, deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from millhand.datasets.pieces import Piece
from millhand.datasets.synthesize.ground import Ground
from millhand.datasets.synthesize.judge import Fault, question_key
from millhand.datasets.synthesize.options import Options, Purpose
from millhand.datasets.synthesize.quota import asks, rewording
from millhand.datasets.synthesize.works import Slot, Work
from millhand.endpoint.asking import Asker

_AHEAD = 2
_ALIKE = 0.9
_In = TypeVar("_In")
_Out = TypeVar("_Out")
_SAME = Fault("duplicate", "같은 질문이 이미 있습니다. 다른 내용을 물으십시오.")


@dataclass
class Made:
    """What came of one piece. ``works`` is empty for a record, and for a passage that nothing is asked of."""

    piece: Piece
    works: list[Work] = field(default_factory=list)


class Maker:
    """Makes records of passages with one model; knows every question of the build."""

    def __init__(self, asker: Asker, options: Options) -> None:
        self._asker, self._options = asker, options
        self._model = asker.endpoint.model
        self._asked: set[bytes] = set()

    async def make(self, pieces: Iterable[Piece]) -> AsyncGenerator[Made, None]:
        """What comes of each piece, in their order."""
        ahead = _AHEAD * self._options.concurrency
        async for made in in_order(self._reworded, self._settled(pieces, ahead), ahead):
            await self._settle(made.works)
            yield made

    async def _settled(self, pieces: Iterable[Piece], ahead: int) -> AsyncIterator[Made]:
        async for made in in_order(self._begun, _each(pieces), ahead):
            await self._settle(made.works)
            yield made

    async def _begun(self, piece: Piece) -> Made:
        works = list(_works(piece, self._options))
        await asyncio.gather(*map(self._done, works))
        return Made(piece, works)

    async def _reworded(self, made: Made) -> Made:
        """The same, with the rewordings of all that was made."""
        if "rewrite" not in self._options.purposes:
            return made
        works = list(_rewordings(made, self._options))
        await asyncio.gather(*map(self._done, works))
        return Made(made.piece, made.works + works)

    async def _done(self, work: Work) -> None:
        while work.due:
            request = work.request(self._model)
            work.take(await self._asker.ask(request), request.key)

    async def _settle(self, works: list[Work]) -> None:
        """Refuse what was asked before in the build or, almost, of the passage; have it made anew."""
        near: dict[Purpose, list[str]] = defaultdict(list)
        for work in works:
            if not work.settled:
                await self._without_duplicates(work, near[work.ask.purpose])
                work.settled = True

    async def _without_duplicates(self, work: Work, near: list[str]) -> None:
        checked: set[int] = set()
        while True:
            for slot in work.slots:
                if slot.draft is not None and slot.number not in checked:
                    if self._is_new(work, slot, near):
                        checked.add(slot.number)
                    else:
                        slot.refuse((_SAME,), slot.draft[0].question, slot.key)
            if not work.due or not any(_SAME in slot.faults for slot in work.open):
                return
            await self._done(work)

    def _is_new(self, work: Work, slot: Slot, near: list[str]) -> bool:
        key = question_key(" ".join(pair.question for pair in slot.draft or ()))
        digest = hashlib.blake2b(key.encode(), digest_size=16).digest()
        single = work.ask.purpose not in ("rewrite", "multi_turn")
        if digest in self._asked or (single and any(alike(key, other) >= _ALIKE for other in near)):
            return False
        self._asked.add(digest)
        if single:
            near.append(key)
        return True


def alike(one: str, other: str) -> float:
    """How alike two keys are: the share of pairs of letters that they have in common (Jaccard)."""
    first, second = _bigrams(one), _bigrams(other)
    return len(first & second) / max(1, len(first | second))


def _bigrams(key: str) -> set[str]:
    return {key[i : i + 2] for i in range(max(1, len(key) - 1))}


def _works(piece: Piece, options: Options) -> Iterable[Work]:
    if piece.passage is None:
        return
    numbers: dict[str, int] = {}
    grounds: dict[str, Ground] = {}
    for ask in asks(piece.passage, options):
        first = numbers.get(ask.purpose, 0) + 1
        numbers[ask.purpose] = first + ask.count - 1
        yield Work(piece, ask, _slots(first, ask.count), options, grounds)


def _rewordings(made: Made, options: Options) -> Iterable[Work]:
    number = 1
    for work in made.works:
        if work.ask.purpose == "multi_turn":
            continue
        for slot in work.slots:
            if slot.draft is not None:
                pair, levels = slot.draft[0], len(options.levels)
                ask = rewording(work.ask, pair, options)
                yield Work(made.piece, ask, _slots(number, levels), options, {})
            number += len(options.levels)


def _slots(first: int, count: int) -> list[Slot]:
    return [Slot(first + i) for i in range(count)]


async def _each(pieces: Iterable[Piece]) -> AsyncIterator[Piece]:
    for piece in pieces:
        yield piece


async def in_order(
    work: Callable[[_In], Awaitable[_Out]], items: AsyncIterator[_In], ahead: int
) -> AsyncIterator[_Out]:
    """``work`` on each item, up to ``ahead`` of them at once; what comes of them in the items' order."""
    under_way: deque[asyncio.Task[_Out]] = deque()
    try:
        async for item in items:
            under_way.append(asyncio.ensure_future(work(item)))
            if len(under_way) >= ahead:
                yield await under_way.popleft()
        while under_way:
            yield await under_way.popleft()
    finally:
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
