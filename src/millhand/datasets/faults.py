"""The faults that a single row can have, each said in one place, and their collection."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from millhand.documents.rows import SKIP
from millhand.errors import Finding

SHOWN_PER_KIND = 20


class Fault(NamedTuple):
    """What is wrong with a row, less its place."""

    id: str
    message: str
    why: str
    mend: str
    column: str | None = None

    def at(self, file: str, row: int) -> Finding:
        """The finding, with its place."""
        return Finding(
            id=f"data.{self.id}",
            severity="error",
            message=self.message,
            file=file,
            row=row,
            column=self.column,
            why=self.why,
            mend=self.mend,
        )


def mixed_type(column: str, kind: str, shown: str) -> Fault:
    """A value that is no text where text is due."""
    return Fault(
        "mixed-type",
        f"{kind} ({shown}) stands where text is due",
        "Arrow, which LLaMA-Factory reads with, refuses a column of mixed types; numbers alone are left out.",
        f"Make it text in the file (`data add --as-text` does so with numbers), {SKIP}",
        column,
    )


def not_text(column: str, kind: str, shown: str) -> Fault:
    """A list or an object where text is due: no option makes text of it."""
    return Fault(
        "mixed-type",
        f"{kind} ({shown}) stands where text is due",
        "A record's field is one text.",
        f"Map another column (`map:` in dataset.yaml, or --map), {SKIP}",
        column,
    )


def formula_error(column: str, sign: str) -> Fault:
    """A spreadsheet's cell whose formula failed."""
    return Fault(
        "formula-error",
        f"the formula failed: {sign}",
        "The model would learn the sign, or nothing.",
        f"Mend the formula or put the text itself into the cell, {SKIP}",
        column,
    )


def empty_question(column: str) -> Fault:
    """Nothing is asked."""
    return Fault(
        "empty-instruction",
        "nothing is asked",
        "The model would learn to say this answer to anything.",
        f"Write the question, {SKIP}",
        column,
    )


def empty_answer(column: str) -> Fault:
    """Nothing is answered."""
    return Fault(
        "empty-output",
        "the answer is empty",
        "LLaMA-Factory would train the end of the text only: the model learns to say nothing.",
        f"Write the answer, {SKIP}",
        column,
    )


def broken_history(column: str, shown: str) -> Fault:
    """A history that is no list of pairs."""
    return Fault(
        "broken-history",
        f"is no list of [question, answer] pairs: {shown}",
        "LLaMA-Factory drops a history of another form silently, and the text in it with it.",
        f"If it is the text that a question is about, map it (`map: {{input: {column}, …}}` in dataset.yaml, "
        f"or `--map input={column},…`), {SKIP}",
        column,
    )


def broken_tag(column: str, shown: str) -> Fault:
    """A KTO label that is neither true nor false."""
    return Fault(
        "broken-kto-tag",
        f"is neither true nor false: {shown}",
        "LLaMA-Factory takes a row without it for an ordinary one.",
        f"Write true or false, {SKIP}",
        column,
    )


def conversation(id_: str, message: str, column: str, why: str = "") -> Fault:
    """Something about the messages of a conversation."""
    default = "LLaMA-Factory skips such a conversation with no more than a line in its log."
    return Fault(id_, message, why or default, f"Mend the conversation, {SKIP}", column)


def broken_text(shown: str) -> Fault:
    """Text that is no Unicode."""
    return Fault(
        "broken-text",
        f"a text holds half of a sign (a lone surrogate): {shown}",
        "It cannot be written in UTF-8.",
        f"Mend the text, {SKIP}",
    )


def media(column: str) -> Fault:
    """Images, videos or sound."""
    return Fault(
        "media",
        "the row has images, videos or sound",
        "Only text is taken; the row would train without what it speaks of.",
        f"Enter such a dataset into dataset_info.json by hand, {SKIP}",
        column,
    )


@dataclass
class Collector:
    """Findings as they come: each kind's first ones are kept, the rest counted."""

    kept: list[Finding] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    limit: int = SHOWN_PER_KIND

    def add(self, finding: Finding) -> None:
        """Take one more."""
        self.counts[finding.id] += 1
        if self.counts[finding.id] <= self.limit:
            self.kept.append(finding)

    def findings(self) -> list[Finding]:
        """What is kept, and for each kind of which more were found a line that says how many."""
        more = [(id_, count - self.limit) for id_, count in self.counts.items() if count > self.limit]
        return self.kept + [
            Finding(id=id_, severity="note", message=f"and {rest:,} more of this kind") for id_, rest in more
        ]
