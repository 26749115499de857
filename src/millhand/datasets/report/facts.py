"""What the page tells of the rows themselves: counted in one pass, texts of a few rows kept, no more."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from millhand.datasets.built import Built
from millhand.datasets.records import Record, Source
from millhand.datasets.registry import Registry
from millhand.datasets.standing import parts
from millhand.datasets.steps.keys import digest, lot
from millhand.text.lengths import Lengths
from millhand.text.pii import find_pii

SAMPLE_ROWS = 20


@dataclass(frozen=True)
class Ruler:
    """What rows are measured with.

    Args:
        length: Of a record, in ``unit``: ``tokens`` or ``characters``.
        config: The config that names the dataset, empty where none does.
        limit: Its cutoff_len in tokens.
        why: Why there are no tokens; empty where there are.
    """

    length: Callable[[Record], float]
    unit: str = "characters"
    config: str = ""
    limit: int | None = None
    why: str = ""


class Shown(NamedTuple):
    """A row that the page shows."""

    split: str
    record: Record
    source: Source


@dataclass
class Crossing:
    """Keys of one kind, and where each was seen: how many there are, and how many in two splits."""

    seen: dict[int, str] = field(default_factory=dict)
    crossed: set[int] = field(default_factory=set)

    def see(self, key: int, split: str) -> bool:
        """Note a key; say whether it was there before."""
        there = self.seen.get(key)
        if there is None:
            self.seen[key] = split
            return False
        if there != split:
            self.crossed.add(key)
        return True


@dataclass
class Facts:
    """What a pass over all rows found. ``rows``, ``lengths`` and ``over`` are by split."""

    rows: Counter[str] = field(default_factory=Counter)
    lengths: dict[str, Lengths] = field(default_factory=dict)
    over: Counter[str] = field(default_factory=Counter)
    licences: Counter[str] = field(default_factory=Counter)
    generators: Counter[str] = field(default_factory=Counter)
    personal: Counter[str] = field(default_factory=Counter)
    documents: Crossing = field(default_factory=Crossing)
    sections: Crossing = field(default_factory=Crossing)
    texts: Crossing = field(default_factory=Crossing)
    questions: Crossing = field(default_factory=Crossing)
    same_rows: int = 0
    same_questions: int = 0
    without_source: int = 0
    shown: list[Shown] = field(default_factory=list)

    @property
    def total(self) -> int:
        """All rows."""
        return self.rows.total()

    def whole(self) -> Lengths:
        """The lengths of all splits."""
        every = Lengths()
        for lengths in self.lengths.values():
            every.counts.update(lengths.counts)
        return every


def gather(registry: Registry, built: Built, ruler: Ruler, *, seed: int = 0) -> Facts:
    """Go through the rows of all splits once; ``seed`` draws the rows that are shown."""
    facts = Facts()
    drawn: list[tuple[int, int, Shown]] = []
    for number, (split, record) in enumerate(_records(registry, built)):
        source = record.source
        facts.rows[split] += 1
        _measure(facts, ruler, split, record)
        if source is None:
            facts.without_source += 1
            continue
        _trace(facts, split, record, source, built.datasets[0].licence)
        entry = (-lot(seed, f"{number}\0{record.question}"), -number, Shown(split, record, source))
        (heapq.heappushpop if len(drawn) >= SAMPLE_ROWS else heapq.heappush)(drawn, entry)
    facts.shown = [shown for _, _, shown in sorted(drawn, reverse=True)]
    return facts


def _records(registry: Registry, built: Built) -> Iterator[tuple[str, Record]]:
    for split, dataset in parts(registry, built):
        for record in dataset.records():
            yield split, record


def _measure(facts: Facts, ruler: Ruler, split: str, record: Record) -> None:
    length = round(ruler.length(record))
    facts.lengths.setdefault(split, Lengths()).add(length)
    if ruler.unit == "tokens" and ruler.limit is not None and length > ruler.limit:
        facts.over[split] += 1
    for text in record.texts():
        for hit in find_pii(text):
            facts.personal[hit.kind] += 1


def _trace(facts: Facts, split: str, record: Record, source: Source, licence: str) -> None:
    facts.licences[source.licence or licence or "not said"] += 1
    facts.generators[source.generator or "taken as it stood"] += 1
    facts.documents.see(digest(source.sha256), split)
    facts.sections.see(digest(f"{source.sha256}\0{source.section}"), split)
    said = "\0".join(" ".join(text.split()) for text in record.texts())
    same = facts.texts.see(digest(said), split)
    facts.same_rows += same
    again = facts.questions.see(digest(" ".join(record.question.split()) + "\0".join(_before(record))), split)
    facts.same_questions += again and not same


def _before(record: Record) -> Iterator[str]:
    return (text for pair in record.history for text in pair)
