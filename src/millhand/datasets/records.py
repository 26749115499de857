"""What a dataset is made of: records, where each came from, and the turns a model learns from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple, TypeAlias

import msgspec

Role: TypeAlias = Literal["human", "gpt", "observation", "function_call"]
Pairs: TypeAlias = tuple[tuple[str, str], ...]


class Source(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Where a record came from.

    Args:
        document: The file's name, or the document's id where it was read as one.
        sha256: Of the file's bytes.
        row: As a person counts: the spreadsheet's own row number (its header is row 1), the line of a
            JSONL, the element of a JSON array or the row of a parquet file counted from 1; 0 in a document.
        place: Where in a document: ``page 12``, ``element 4031``, ``line 7``.
        section: The headings it stands under, outermost first, joined by `` > ``.
        licence: Of the document, as its dataset.yaml names it.
        generator: What made the record of the passage: ``outline 1``, ``gpt-oss-20b``; empty for a row taken
            as it stood.
        prompt_sha256: Of all that the generator was asked with, its settings too.
    """

    document: str
    sha256: str
    row: int = 0
    place: str = ""
    section: str = ""
    licence: str = ""
    generator: str = ""
    prompt_sha256: str = ""


class Message(msgspec.Struct, frozen=True, rename={"role": "from"}):
    """One message of a conversation, in the words of LLaMA-Factory's default tags."""

    role: Role
    value: str


class Turn(NamedTuple):
    """What is asked and what is answered: the last exchange of a record, those before it in ``history``.

    ``question`` is instruction and input joined the way LLaMA-Factory joins them.
    """

    system: str
    history: Pairs
    question: str
    answer: str


class Record(msgspec.Struct, frozen=True):
    """One row of a dataset.

    A conversation keeps all its messages in ``messages`` (the system's text is in ``system``); its
    last exchange also stands in ``instruction`` and ``output``, those before it in ``history``. A
    record for ranking has ``chosen`` and ``rejected`` and no ``output``; one for KTO has ``kto_tag``.
    """

    instruction: str = ""
    input: str = ""
    output: str = ""
    system: str = ""
    history: Pairs = ()
    source: Source | None = None
    tools: str = ""
    messages: tuple[Message, ...] = ()
    chosen: str = ""
    rejected: str = ""
    kto_tag: bool | None = None

    @property
    def question(self) -> str:
        """Instruction and input, joined as LLaMA-Factory joins them: by a line feed if both are there."""
        return "\n".join(part for part in (self.instruction, self.input) if part)

    @property
    def answer(self) -> str:
        """What the model is to say: the output, or the chosen one of two."""
        return self.output or self.chosen

    @property
    def turn(self) -> Turn:
        """The record's last exchange."""
        return Turn(self.system, self.history, self.question, self.answer)

    def texts(self) -> Iterator[str]:
        """Every text of the record that a tokenizer should see; none is empty."""
        past = (text for pair in self.history for text in pair)
        spoken = (message.value for message in self.messages) if self.messages else (*past, self.question)
        ends = () if self.messages else (self.output,)
        every = (self.system, self.tools, *spoken, *ends, self.chosen, self.rejected)
        return (text for text in every if text)


def from_messages(
    messages: tuple[Message, ...],
    *,
    system: str = "",
    tools: str = "",
    source: Source | None = None,
    chosen: str = "",
    rejected: str = "",
    kto_tag: bool | None = None,
) -> Record:
    """Make a record of a conversation whose order has been checked: a person first, then in turns."""
    asked, answered = messages[0::2], messages[1::2]
    ranking = len(asked) > len(answered)
    before = len(asked) - 1
    history = tuple((q.value, a.value) for q, a in zip(asked[:before], answered[:before], strict=True))
    return Record(
        instruction=asked[-1].value,
        output="" if ranking else answered[-1].value,
        system=system,
        history=history,
        source=source,
        tools=tools,
        messages=messages,
        chosen=chosen,
        rejected=rejected,
        kto_tag=kto_tag,
    )
