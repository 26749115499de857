"""What a step is: options, work on pieces, and a count of what it did.

A step comes in one of two forms. ``each`` looks at one piece at a time, so that many processes may share
the work. ``whole`` needs to see all of them: it may go through them several times, and through the
context it shares out what can be worked out of each alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import msgspec

from millhand.datasets.fields import veiled_text
from millhand.datasets.pieces import Piece
from millhand.errors import Finding
from millhand.shell import Secret

SAMPLES = 5
TAKEN = "rows taken as they were"  # a step's count, where it makes rows of passages: what was one already
_SAMPLE_CHARS = 400


class Sample(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that a step did: to which piece, why, and the text before and after (empty: dropped).

    Of a duplicate, ``same_as`` names the piece that was kept and ``kept`` is its text. Personal data in
    the texts is starred out, whatever the step.
    """

    piece: str
    reason: str
    before: str
    after: str = ""
    same_as: str = ""
    kept: str = ""


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """A place in a piece as it came to the step: in which of its texts, from where to where, what is there.

    ``field`` is named as ``datasets.fields`` names it. The words that stand there are kept nowhere.
    """

    piece: str
    field: str
    start: int
    end: int
    kind: str


Shown: TypeAlias = Callable[[Piece], str]


class Tally(msgspec.Struct):
    """What a step did: pieces in and out, how many it changed, how many it dropped and why.

    ``counts`` are the step's own (personal data found by kind, pieces by split), ``marks`` the places that
    it found. The first few things of each reason are kept as samples. Tallies of shards add up.
    """

    came: int = 0
    went: int = 0
    changed: int = 0
    dropped: dict[str, int] = {}
    counts: dict[str, int] = {}
    samples: list[Sample] = []
    marks: list[Mark] = []

    def change(self, before: Piece, after: Piece, reason: str, show: Shown = veiled_text) -> Piece:
        """``after`` takes the place of ``before``; hand ``after`` on. ``show`` makes a sample's texts."""
        if after != before:
            self.changed += 1
            if self.wants(reason):
                self._keep(Sample(before.id, reason, *window(show(before), show(after))))
        return after

    def drop(self, piece: Piece, reason: str, show: Shown = veiled_text, kept: Piece | None = None) -> None:
        """Note that ``piece`` goes no further, and why in a word or two; ``kept`` is there in its stead."""
        self.dropped[reason] = self.dropped.get(reason, 0) + 1
        if self.wants(reason):
            before, other = window(show(piece), show(kept) if kept else "")
            self._keep(Sample(piece.id, reason, before, same_as=kept.id if kept else "", kept=other))

    def wants(self, reason: str) -> bool:
        """Whether another sample of this reason would be kept."""
        return sum(sample.reason == reason for sample in self.samples) < SAMPLES

    def count(self, name: str, by: int = 1) -> None:
        """Count something of the step's own."""
        self.counts[name] = self.counts.get(name, 0) + by

    def add(self, other: Tally) -> None:
        """Add the tally of another shard."""
        self.came, self.went = self.came + other.came, self.went + other.went
        self.changed += other.changed
        for name, value in other.dropped.items():
            self.dropped[name] = self.dropped.get(name, 0) + value
        for name, value in other.counts.items():
            self.count(name, value)
        self.marks.extend(other.marks)
        for sample in other.samples:
            self._keep(sample)

    def _keep(self, sample: Sample) -> None:
        if self.wants(sample.reason):
            self.samples.append(sample)


def window(before: str, after: str) -> tuple[str, str]:
    """The part of two texts, 400 characters at most, in which they begin to differ."""
    pairs = enumerate(zip(before, after, strict=False))
    first = next((i for i, (a, b) in pairs if a != b), 0 if not after else min(len(before), len(after)))
    start = max(0, first - 40) if after else 0
    return before[start : start + _SAMPLE_CHARS], after[start : start + _SAMPLE_CHARS]


class Pieces(Protocol):
    """All pieces of the step before, to be gone through as often as need be, in an order that holds."""

    def __iter__(self) -> Iterator[Piece]:
        """From the first one again."""
        ...

    def __len__(self) -> int:
        """How many there are."""
        ...


class Parallel(Protocol):
    """Works something out of every piece, in many processes."""

    def __call__(self, work: Callable[[Iterable[Piece]], Iterable[Any]]) -> Iterator[Any]:
        """What ``work``, a function of a module, yields for the pieces of each shard, in their order.

        It goes through JSON: numbers, texts, lists, mappings of texts.
        """
        ...


@dataclass(frozen=True)
class Context:
    """What a step that sees everything may use.

    Args:
        parallel: Shares work out.
        cache: A folder that survives a rebuild: for answers that were paid for.
        secret: A secret of the workspace by name, None where it is not set.
        setting: A setting of the workspace by name, empty where it is not set.
        tell: Progress: what is being done, how much of how much.
        find: Takes a finding: something is wrong, the rest goes on.
    """

    parallel: Parallel
    cache: Path
    secret: Callable[[str], Secret | None] = lambda _: None
    setting: Callable[[str], str] = lambda _: ""
    tell: Callable[[str, int, int], None] = lambda *_: None
    find: Callable[[Finding], None] = lambda _: None


Each = Callable[[Any, Iterable[Piece], Tally], Iterator[Piece]]
Price = Callable[[Any, Pieces, Context], msgspec.Struct]
Whole = Callable[[Any, Pieces, Tally, Context], Iterator[Piece]]


@dataclass(frozen=True)
class Step:
    """A kind of step, under the name that dataset.yaml calls it by.

    Args:
        options: What may stand behind its name; unknown words are refused.
        each: ``each(options, pieces, tally)``, in other processes too: a function of a module.
        whole: ``whole(options, pieces, tally, context)``.
        revision: Goes up when the same options come to give something else: what is kept is made anew.
        makes: Makes pieces of pieces; of any other step, what comes and is not dropped goes.
        price: What the step would cost for these pieces, where it may ask a model that costs something.
        reads: The settings that what it makes depends on, beside its options; never a secret's.

    Neither function counts what comes and goes, that is done for it; both call ``tally.drop`` and
    ``tally.change``.
    """

    name: str
    options: type[msgspec.Struct]
    each: Each | None = None
    whole: Whole | None = None
    revision: int = 1
    makes: bool = False
    price: Price | None = None
    reads: Callable[[Any], tuple[str, ...]] = lambda _: ()
