"""What can be wrong with a row, as a table, and the count of it over a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

from millhand.errors import Severity
from millhand.training.check.lengths import Cuts

_SHOWN = 5


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
            "error", False, "no JSON object stands on the line", _STOPS, "Mend the line in an editor."
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
    """What was found in a file so far: rows, those kept, faults with their first rows, shapes of rows."""

    rows: int = 0
    dropped: int = 0
    lines: int = 0
    thoughtless: int = 0
    faults: dict[str, list[int]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    shapes: set[tuple[tuple[str, ...], tuple[type, ...]]] = field(default_factory=set)
    inner: set[tuple[str, type]] = field(default_factory=set)
    cuts: Cuts = field(default_factory=Cuts)

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

    def merge(self, other: Tally, offset: int) -> None:
        """Add what was found in a later part of the file, whose rows are counted from ``offset``."""
        self.rows += other.rows
        self.dropped += other.dropped
        self.thoughtless += other.thoughtless
        self.shapes |= other.shapes
        self.inner |= other.inner
        self.cuts.merge(other.cuts, offset)
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


def note_shape(tally: Tally, row: Mapping[str, Any]) -> None:
    """Remember the columns of a row and what stands in them, within lists and objects too."""
    tally.shapes.add((tuple(row), tuple(map(type, row.values()))))
    for name, value in row.items():
        if type(value) is list or type(value) is dict:
            _note_inner(tally.inner, name, value)


def _note_inner(seen: set[tuple[str, type]], path: str, value: Any) -> None:
    inside = ((path, item) for item in value) if type(value) is list else value.items()
    mark = f"{path}[]" if type(value) is list else f"{path}."
    for name, item in inside:
        where = mark if type(value) is list else mark + str(name)
        seen.add((where, type(item)))
        if type(item) is list or type(item) is dict:
            _note_inner(seen, where, item)


def listed(rows: Iterable[int]) -> str:
    """Row numbers for a message: ``3, 8, 12``."""
    return ", ".join(f"{row:,}" for row in rows)
