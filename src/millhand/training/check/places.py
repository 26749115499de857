"""Where the members of a JSON file stand: line and column of each key, without a parser that keeps them."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping

Path = tuple[str, ...]
Place = tuple[int, int]

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]', re.S)


def places(text: str) -> Mapping[Path, Place]:
    """The place, counted from 1, of every key of nested objects; keys within lists are left out.

    ``text`` must be JSON; a key that stands twice has the place of the last, whose value counts.
    """
    starts = [0, *(match.end() for match in re.finditer("\n", text))]
    return {path: _place(starts, offset) for path, offset in _keys(text)}


def keys_twice(text: str) -> tuple[Path, ...]:
    """The keys that stand more than once in their object; what is within such a one is left out."""
    times = Counter(path for path, _ in _keys(text))
    return tuple(p for p in times if [n for n in range(len(p)) if times[p[: n + 1]] > 1] == [len(p) - 1])


def _place(starts: list[int], offset: int) -> Place:
    from bisect import bisect_right

    line = bisect_right(starts, offset)
    return line, offset - starts[line - 1] + 1


def _keys(text: str) -> Iterator[tuple[Path, int]]:
    path: list[str] = []
    open_: list[str] = []
    last: re.Match[str] | None = None
    for token in _TOKEN.finditer(text):
        sign = token[0]
        if sign == ":" and last is not None:
            del path[open_.count("{") - 1 :]
            path.append(str(json.loads(last[0])))
            if "[" not in open_:
                yield tuple(path), last.start()
        elif sign in "{[":
            open_.append(sign)
        elif sign in "}]":
            open_.pop()
        last = token
