"""How long texts are: counted once, summed up for a person."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

_BUCKETS = 10


class Bucket(NamedTuple):
    """``texts`` of them are at least ``low`` and at most ``high`` long."""

    low: int
    high: int
    texts: int


@dataclass
class Lengths:
    """Lengths of texts, in characters or tokens. Memory grows with the number of different lengths."""

    counts: Counter[int] = field(default_factory=Counter)

    def add(self, length: int) -> None:
        """Count one text."""
        self.counts[length] += 1

    @property
    def total(self) -> int:
        """How many texts were counted."""
        return self.counts.total()

    def at(self, share: float) -> int:
        """The length that ``share`` (0 to 1) of the texts do not exceed; 0 where there is none."""
        due, seen = share * self.total, 0
        for length in sorted(self.counts):
            seen += self.counts[length]
            if seen >= due:
                return length
        return 0

    @property
    def mean(self) -> float:
        """The mean length."""
        return sum(length * count for length, count in self.counts.items()) / max(1, self.total)

    def histogram(self, buckets: int = _BUCKETS) -> list[Bucket]:
        """At most ``buckets`` ranges of the same width, from 0 to the longest; their width is round."""
        width = _round_up(max(self.counts, default=0) // buckets + 1)
        grouped: Counter[int] = Counter()
        for length, count in self.counts.items():
            grouped[length // width] += count
        return [
            Bucket(index * width, (index + 1) * width - 1, grouped[index])
            for index in range(max(grouped, default=-1) + 1)
        ]

    def summary(self) -> dict[str, Any]:
        """What ``--json`` says of them."""
        return {
            "min": min(self.counts, default=0),
            "median": self.at(0.5),
            "mean": round(self.mean, 1),
            "p95": self.at(0.95),
            "p99": self.at(0.99),
            "max": max(self.counts, default=0),
            "histogram": [bucket._asdict() for bucket in self.histogram()],
        }


def _round_up(width: int) -> int:
    """The next of 1, 2, 5, 10, 20, 50, …"""
    step = 1
    while True:
        for factor in (1, 2, 5):
            if width <= factor * step:
                return factor * step
        step *= 10
