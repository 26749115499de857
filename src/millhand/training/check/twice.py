"""Keys that stand twice in one JSON object: Arrow refuses them, Python's own parser takes the last."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any


class Pairs:
    """Makes objects for ``json`` (``object_pairs_hook``) and notes the keys that stand twice."""

    def __init__(self) -> None:
        self.twice: list[str] = []

    def __call__(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        """An object of its pairs; of two with one key the last counts."""
        made = dict(pairs)
        if len(made) < len(pairs):
            self.twice += _repeated(key for key, _ in pairs)
        return made


def _repeated(keys: Iterator[str]) -> list[str]:
    return [key for key, times in Counter(keys).items() if times > 1]


def keys_twice(text: str | bytes) -> list[str]:
    """The keys that stand twice in an object of a JSON text, within it too."""
    pairs = Pairs()
    try:
        json.loads(text, object_pairs_hook=pairs)
    except (ValueError, RecursionError):
        return []
    return pairs.twice
