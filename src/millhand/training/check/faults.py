"""What can be wrong with a row, as a table, and the count of it over a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

from millhand.errors import Severity
from millhand.training.check.dates import is_iso
from millhand.training.check.lengths import Cuts

_SHOWN = 5
_Inner = tuple[str, Any]
# Arrow writes no list or object that lies deeper (kMaxNestingDepth, arrow/cpp/src/arrow/ipc/options.h).
_DEEPEST = 62


class RowFault(NamedTuple):
    """One kind of fault: ``drops`` rows are left out of training, others train wrongly or stop it."""

    severity: Severity
    drops: bool
    message: str
    why: str
    mend: str


_STOPS = "LLaMA-Factory stops at such a row."
_SKIPS = "LLaMA-Factory leaves such a row out with no more than a line in its log."
# By the finding's id; sources: data/converter.py, data/processor/*.py, data/formatter.py, data/template.py.
ROW_FAULTS: Mapping[str, RowFault] = MappingProxyType(
    {
        "data.broken-row": RowFault(
            "error", False, "no JSON object stands there", _STOPS, "Mend it in an editor."
        ),
        "data.not-utf8": RowFault(
            "error", False, "the text is not UTF-8", "datasets reads nothing else: LLaMA-Factory stops.",
            "Saved as cp949 or UTF-16, as Excel does? Save it as UTF-8, "
            "or `millhand data add FILE`, which reads it as it is.",
        ),
        "data.ragged-row": RowFault(
            "error", False, "a row of the CSV has more cells than the first", _STOPS,
            'Put the cell that holds a comma into quotes ("…").',
        ),
        "data.open-quote": RowFault(
            "error", False, "a quote is opened and never closed",
            "All that follows is one cell; LLaMA-Factory stops.",
            'Close it; a quote within a cell is written twice ("").',
        ),
        "data.key-twice": RowFault(
            "error", False, "a key stands twice in one object", _STOPS, "Take one of the two out."
        ),
        "data.dates": RowFault(
            "error", False, "each text that is read from a column is a date or time",
            "datasets makes times of them, which are no text: rows are left out, or LLaMA-Factory stops.",
            "Write at least one in another way, `2024.01.01` or a sentence.",
        ),
        "data.not-text": RowFault(
            "error", False, "a number, list or nothing stands where text is due", _STOPS,
            "Write text, or map another column.",
        ),
        "data.history-lost": RowFault(
            "error", False, "`history` is mapped to text; LLaMA-Factory wants a list of pairs",
            "It drops a history that is no list without a word, and the text in it is never trained on.",
            "If it is what the question is about, map it as `query` instead.",
        ),
        "data.history-pairs": RowFault(
            "error", False, "the history is no list of [question, answer] pairs", _STOPS,
            "Write it as [[question, answer], …].",
        ),
        "data.no-answer": RowFault(
            "warning", True, "the answer is no text", _SKIPS, "Write text; a number needs quotes."
        ),
        "data.empty-answer": RowFault(
            "warning", False, "the answer is empty",
            "Only the end of the text is trained: the model learns to say nothing.",
            "Write the answer, or take the row out.",
        ),
        "data.empty-question": RowFault(
            "warning", False, "nothing is asked", "The model learns to say this answer to anything.",
            "Write the question, or map its column.",
        ),
        "data.no-messages": RowFault(
            "error", False, "there is no list of messages", _STOPS, "Take the row out, or mend `messages`."
        ),
        "data.role-order": RowFault(
            "warning", True, "the roles are not in turns, a person first", _SKIPS,
            "Put the messages in turns; look whether `tags` fit.",
        ),
        "data.turn-count": RowFault(
            "warning", True, "the last message is of the wrong side", _SKIPS,
            "End with the model's answer; in a ranking dataset with the question.",
        ),
        "data.unknown-role": RowFault(
            "error", False, "a role is none of those in `tags`", _STOPS, "Mend the role, or the tags."
        ),
        "data.no-pair": RowFault(
            "warning", True, "there is no pair of a chosen and a rejected answer", _SKIPS,
            "Give both: texts in alpaca, messages in sharegpt.",
        ),
        "data.no-kto-tag": RowFault(
            "warning", True, "the KTO label is neither true nor false", _SKIPS, "Write true or false."
        ),
        "data.label-in-sft": RowFault(
            "warning", True, "the row has a KTO label, and the stage is not kto", _SKIPS,
            "Train with `stage: kto`, or take `kto_tag` out of `columns`.",
        ),
        "data.broken-tools": RowFault(
            "error", False, "the tools are no JSON text", _STOPS, "Write them as the JSON text of a list."
        ),
        "data.broken-call": RowFault(
            "error", False, "a function call is no JSON of name and arguments", _STOPS,
            'Write {"name": …, "arguments": {…}}.',
        ),
        "data.media-unsupported": RowFault(
            "error", False, "the template takes none of the pictures, videos or sounds", _STOPS,
            "Take a model with a template for them, such as qwen2_vl, or take the column out of `columns`.",
        ),
        "data.media-count": RowFault(
            "error", False, "<image>, <video> or <audio> stands more or less often than there are files",
            _STOPS, "Write it once for each file, where it belongs in the question.",
        ),
        "data.media-missing": RowFault(
            "error", False, "the file of a picture, video or sound is not there", _STOPS,
            "Put it below media_dir (the folder of dataset_info.json, unless train.yaml says otherwise).",
        ),
    }
)  # fmt: skip


@dataclass
class Tally:
    """What was found in a file so far: rows, those kept, faults with their first rows, shapes of rows.

    ``at`` is the line on which the row at hand begins, where lines and rows are not the same, and ``places``
    the lines of the rows with a fault; ``dated`` says of each path to texts whether all of them are dates.
    """

    rows: int = 0
    dropped: int = 0
    lines: int = 0
    thoughtless: int = 0
    faults: dict[str, list[int]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    shapes: set[tuple[tuple[str, ...], tuple[type, ...]]] = field(default_factory=set)
    inner: set[tuple[str, type]] = field(default_factory=set)
    cuts: Cuts = field(default_factory=Cuts)
    dated: dict[str, bool] = field(default_factory=dict)
    places: dict[int, int] = field(default_factory=dict)
    at: int = 0

    @property
    def kept(self) -> int:
        """How many rows are trained on."""
        return self.rows - self.dropped

    def add(self, fault: str, row: int) -> None:
        """Count one more fault, in the row of this number."""
        self.counts[fault] = self.counts.get(fault, 0) + 1
        self.dropped += ROW_FAULTS[fault].drops
        first = self.faults.setdefault(fault, [])
        if len(first) < _SHOWN:
            first.append(row)
            if self.at:
                self.places[row] = self.at

    def line(self, row: int) -> int | None:
        """The line on which a row with a fault begins; None where the file has no lines."""
        return row if self.lines else self.places.get(row)

    def merge(self, other: Tally, offset: int) -> None:
        """Add what was found in a later part of the file, whose rows are counted from ``offset``."""
        self.rows += other.rows
        self.dropped += other.dropped
        self.thoughtless += other.thoughtless
        self.shapes |= other.shapes
        self.inner |= other.inner
        self.cuts.merge(other.cuts, offset)
        for path, dated in other.dated.items():
            self.dated[path] = dated and self.dated.get(path, True)
        for fault, count in other.counts.items():
            self.counts[fault] = self.counts.get(fault, 0) + count
            known = self.faults.setdefault(fault, [])
            known += [row + offset for row in other.faults[fault]][: _SHOWN - len(known)]

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that a row has."""
        return tuple(dict.fromkeys(name for names, _ in sorted(self.shapes, key=str) for name in names))

    def kinds(self) -> dict[str, set[type]]:
        """The types that stand in each column, less nothing at all."""
        found: dict[str, set[type]] = {}
        for names, types in self.shapes:
            for name, kind in zip(names, types, strict=True):
                found.setdefault(name, set()).add(kind)
        return {name: kinds - {type(None)} for name, kinds in found.items()}

    def inner_kinds(self) -> dict[str, set[type]]:
        """The types within lists and objects, by path: ``conversations[].value``."""
        found: dict[str, set[type]] = {}
        for path, kind in self.inner:
            if kind is not type(None):
                found.setdefault(path, set()).add(kind)
        return found


def note_shape(tally: Tally, row: Mapping[str, Any]) -> int:
    """Remember the columns of a row and what stands in them, within lists and objects too.

    How many keys there are; less than 0 where lists and objects are nested too deeply for Arrow.
    """
    tally.shapes.add((tuple(row), tuple(map(type, row.values()))))
    waiting: list[_Inner] = []
    keys, depth = len(row), 0
    _note_members(tally, "", row.items(), waiting)
    while waiting:
        inside, waiting = waiting, []
        for path, value in inside:
            if type(value) is dict:
                keys += len(value)
                _note_members(tally, f"{path}.", value.items(), waiting)
            else:
                _note_items(tally, f"{path}[]", value, waiting)
        depth += 1
        if depth > _DEEPEST:
            return -1
    return keys


def _note_members(tally: Tally, start: str, members: Iterable[_Inner], waiting: list[_Inner]) -> None:
    seen, dated = tally.inner, tally.dated
    for name, value in members:
        path, kind = start + name, type(value)
        if start:
            seen.add((path, kind))
        if kind is dict or kind is list:
            waiting.append((path, value))
        elif kind is str and dated.get(path, True):
            dated[path] = is_iso(value)


def _note_items(tally: Tally, path: str, items: list[Any], waiting: list[_Inner]) -> None:
    for item in items:
        kind = type(item)
        tally.inner.add((path, kind))
        if kind is dict or kind is list:
            waiting.append((path, item))
        elif kind is str and tally.dated.get(path, True):
            tally.dated[path] = is_iso(item)


def listed(rows: Iterable[int]) -> str:
    """Row numbers for a message: ``3, 8, 12``."""
    return ", ".join(f"{row:,}" for row in rows)
