"""What is noted of each row that takes the long way, of whatever kind its file is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from millhand.datasets.info import columns_of
from millhand.training.check.dates import is_iso
from millhand.training.check.faults import Tally, note_shape
from millhand.training.check.judges import AlpacaJudge, Use, make_judge
from millhand.training.check.lengths import BUDGET, Ruler
from millhand.training.check.twice import keys_twice

# The least bytes of JSON that a message takes: {"from":"","value":""}, and the name of a role.
_LEAST_MESSAGE = 30
NEVER = 1 << 62
# Keys that stand twice are looked for in so many rows, then in one of a few: it takes as long as parsing.
_CLOSELY, _SELDOM = 5_000, 64


class Scanner:
    """The long way: every row that is not three texts.

    ``quick`` are the columns of question, input and answer where nothing else is read of a row; a row of
    up to ``limit`` bytes cannot be too long.
    """

    def __init__(
        self, entry: Mapping[str, Any], use: Use, budget: int = BUDGET, *, closely: bool = True
    ) -> None:
        self.judge_row, self.thought = make_judge(entry, use), use.thought
        self.answer = _answer_column(entry)
        simple = isinstance(self.judge_row, AlpacaJudge) and self.judge_row.simple and not use.thought
        columns = columns_of(entry)
        names = tuple(columns[member] or "" for member in ("prompt", "query", "response"))
        three = simple and len({name for name in names if name}) == 3
        self.quick = (names[0], names[1], names[2]) if three else ("", "", "")
        self.ruler = Ruler(use.lengths, use.stage, budget) if use.lengths else None
        self.limit = self._limit(entry, use)
        self.dated, self.closely = list(self.quick) if three else [], _CLOSELY * closely

    def _limit(self, entry: Mapping[str, Any], use: Use) -> int:
        if use.lengths is None:
            return NEVER
        columns = columns_of(entry)
        several = entry.get("formatting", "alpaca") != "alpaca" or columns["history"]
        if not several and not columns["tools"]:
            return use.lengths.harmless
        left = use.lengths.cutoff_len - use.lengths.frame_bytes(tools=bool(columns["tools"]))
        return max(int(left / (1 + use.lengths.turn_bytes() / (2 * _LEAST_MESSAGE))), 0)

    def measure(self, row: Any, number: int, size: int) -> None:
        """Count the tokens of a row of ``size`` bytes without a fault."""
        if self.ruler is not None:
            self.ruler.measure(number, size, lambda: self.judge_row.rendered(row))

    def measured(self, tally: Tally) -> Tally:
        """The tally with what was counted."""
        if self.ruler is not None:
            tally.cuts = self.ruler.cuts
        return tally

    def broken(self, line: bytes, number: int, tally: Tally) -> int:
        """Note a line that is no JSON; 1 for a blank one, which is no row."""
        if not line.strip():
            return 1
        tally.add("data.broken-row" if _is_utf8(line) else "data.not-utf8", number)
        return 0

    def look(self, row: Mapping[str, Any], line: bytes, number: int, tally: Tally) -> int:
        """Look closely at a row of three texts; the number of the next one to look at."""
        for name in self.dated:
            tally.dated[name] = tally.dated.get(name, True) and is_iso(row[name])
        self.dated = [name for name in self.dated if tally.dated[name]]
        return self.look_at_keys(3, line, number, tally)

    def look_at_keys(self, keys: int, line: bytes, number: int, tally: Tally) -> int:
        """Note a line in which one of its ``keys`` stands twice; the number of the next one to look at.

        Then more colons stand behind a quote than it has keys; within a text they may, too.
        """
        if keys >= 0 and line.count(b'":') != keys and keys_twice(line):
            tally.add("data.key-twice", number)
        return number + (1 if self.dated or number < self.closely else _SELDOM)

    def judge(self, row: Any, number: int, tally: Tally, size: int) -> int:
        """Note what is wrong with a row of ``size`` bytes, and the types in it; how many keys it has."""
        keys = note_shape(tally, row) if type(row) is dict else -1
        if keys < 0:
            tally.add("data.broken-row", number)
            return keys
        fault = self.judge_row(row)
        if fault is not None:
            tally.add(fault, number)
            return keys
        if self.thought and not _thinks(row, self.answer, self.thought):
            tally.thoughtless += 1
        if size > self.limit:
            self.measure(row, number, size)
        return keys


def _answer_column(entry: Mapping[str, Any]) -> str:
    columns, conversation = columns_of(entry), entry.get("formatting", "alpaca") != "alpaca"
    return str(columns["messages" if conversation else "response"])


def _thinks(row: Mapping[str, Any], column: str, words: tuple[str, ...]) -> bool:
    answer = row.get(column)
    text = answer if isinstance(answer, str) else str(answer)
    return any(word in text for word in words)


def _is_utf8(line: bytes) -> bool:
    if b"\0" in line:  # half of a letter of UTF-16
        return False
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True
