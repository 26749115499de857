"""Which runs of a new file lie in the old one: groups first, then the pieces of what differs."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field

from millhand.pods.sync.cutting import Group
from millhand.pods.sync.hashes import BLOCK
from millhand.pods.sync.store import COPY, LITERAL

Op = tuple[int, int, int]  # COPY, offset in the old file, size; or LITERAL, offset in the new file, size
Ranges = list[tuple[int, int]]  # offset, size
Pieces = list[tuple[int, bytes]]  # size, digest
_AT_ONCE = 16 << 20  # so many bytes of the old file are looked at piece by piece before going on
_HOPELESS = 0.02


@dataclass
class _Gap:
    """New groups in a row that the old file does not have, and what lies between their neighbours there."""

    new: Ranges = field(default_factory=list)
    old: Ranges = field(default_factory=list)

    def beside(self, old: Ranges) -> _Gap:
        """The same, beside a run of the old file; where that is far shorter, looking at it would not pay."""
        self.old = old if 8 * _size(old) >= _size(self.new) else []
        return self


def plan(
    new: Sequence[Group],
    old: Sequence[Group],
    pieces_of_new: Callable[[Ranges], Pieces],
    pieces_of_old: Callable[[Ranges], Pieces],
) -> Iterator[Op]:
    """The new file from its start to its end, as copies from the old one and as bytes that are to be sent.

    Pieces are asked for in batches, and not any more when they turn out to have nothing in common.
    """
    hope = True
    batch: list[Op | _Gap] = []
    for item in _aligned(new, old):
        batch.append(item)
        if _old_size(batch) >= _AT_ONCE:
            hope = yield from _refined(batch, pieces_of_new, pieces_of_old, hope)
            batch = []
    yield from _refined(batch, pieces_of_new, pieces_of_old, hope)


def _old_size(batch: list[Op | _Gap]) -> int:
    last = batch[-1]
    if not isinstance(last, _Gap):
        return 0
    return sum(size for item in batch if isinstance(item, _Gap) for _, size in item.old)


def _aligned(new: Sequence[Group], old: Sequence[Group]) -> Iterator[Op | _Gap]:
    places = {group.digest: index for index, group in reversed(list(enumerate(old)))}
    wanted = {group.digest for group in new}
    gap, before = _Gap(), -1
    for group in new:
        index = places.get(group.digest)
        if index is None or old[index].size != group.size:
            gap.new.append((group.start, group.size))
            if _size(gap.new) >= _AT_ONCE:  # nothing in common for long: go on side by side
                after = _beside(old, before)
                yield gap.beside(_between(old, before, after, wanted))
                gap, before = _Gap(), after - 1
            continue
        if gap.new:
            yield gap.beside(_between(old, before, index, wanted))
            gap = _Gap()
        before = index
        yield COPY, old[index].start, group.size
    if gap.new:
        yield gap.beside(_between(old, before, len(old), wanted))


def _beside(old: Sequence[Group], before: int) -> int:
    size, after = 0, before + 1
    while after < len(old) and size < _AT_ONCE:
        size += old[after].size
        after += 1
    return after


def _size(ranges: Ranges) -> int:
    return sum(size for _, size in ranges)


def _between(old: Sequence[Group], before: int, after: int, wanted: set[bytes]) -> Ranges:
    between = old[before + 1 : after]
    return [(group.start, group.size) for group in between if group.digest not in wanted]


def _refined(
    batch: list[Op | _Gap],
    pieces_of_new: Callable[[Ranges], Pieces],
    pieces_of_old: Callable[[Ranges], Pieces],
    hope: bool,
) -> Generator[Op, None, bool]:
    """The same with gaps filled; returns whether looking at pieces has paid.

    A piece's size is the other side's word: what does not add up is sent.
    """
    gaps = [item for item in batch if isinstance(item, _Gap) and item.old and hope]
    places = _places([run for gap in gaps for run in gap.old], pieces_of_old) if gaps else {}
    pieces = iter(pieces_of_new([run for gap in gaps for run in gap.new]) if gaps else ())
    found = missed = 0
    for item in batch:
        if not isinstance(item, _Gap):
            yield item
            continue
        for start, size in item.new:
            if not (item.old and hope):
                yield LITERAL, start, size
                continue
            for op in _matched(start, size, pieces, places):
                found += op[2] if op[0] == COPY else 0
                missed += op[2] if op[0] == LITERAL else 0
                yield op
    return hope and found >= _HOPELESS * (found + missed)


def _places(ranges: Ranges, pieces_of: Callable[[Ranges], Pieces]) -> dict[bytes, tuple[int, int]]:
    """Where in the old file a piece lies, by its digest."""
    places: dict[bytes, tuple[int, int]] = {}
    pieces = iter(pieces_of(ranges))
    for start, size in ranges:
        at = start
        while at < start + size:
            length, digest = next(pieces, (size, b""))
            places.setdefault(digest, (at, length))
            at += max(1, length)
    return places


def _matched(
    start: int, size: int, pieces: Iterator[tuple[int, bytes]], places: dict[bytes, tuple[int, int]]
) -> Iterator[Op]:
    at, end = start, start + size
    while at < end:
        length, digest = next(pieces, (end - at, b""))
        length = min(max(1, length), end - at)
        there = places.get(digest)
        yield (COPY, there[0], length) if there and there[1] == length else (LITERAL, at, length)
        at += length


def by_blocks(ops: Iterator[Op], size: int) -> Iterator[list[Op]]:
    """The same, block by block of the new file; runs that continue each other are one."""
    block: list[Op] = []
    room = min(BLOCK, size)
    left = size
    for kind, offset, length in ops:
        while length:
            took = min(length, room)
            _append(block, (kind, offset, took))
            offset, length, room, left = offset + took, length - took, room - took, left - took
            if not room:
                yield block
                block, room = [], min(BLOCK, left)
                if not left:
                    return


def _append(block: list[Op], op: Op) -> None:
    if block:
        kind, offset, length = block[-1]
        if kind == op[0] and offset + length == op[1]:
            block[-1] = kind, offset, length + op[2]
            return
    block.append(op)
