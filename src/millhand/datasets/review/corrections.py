"""corrections.jsonl: what a person changed in the rows of a build, each found again by what it was made as.

::

    {"document": "manual", "section": "3. 순찰", "was": {"question": "…", "answer": "…"},
     "now": {"question": "…", "answer": "…"}, "note": "말투"}

A row is known by its document, its section and its text as it was generated. The page may move and the
file may come in a new edition: the correction still finds it. Of the document's name, the part that
changes with the file's bytes does not count.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import msgspec

from millhand.datasets.records import Message, Record, Source, from_messages
from millhand.errors import Finding, FindingsError
from millhand.files import write_text

FILE = "corrections.jsonl"


class Wording(msgspec.Struct, frozen=True, omit_defaults=True):
    """A record's last exchange: ``question`` is its instruction, ``answer`` its output or chosen answer."""

    question: str
    answer: str
    input: str = ""


class Correction(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a person says of one row.

    Args:
        document: The source's name, without what changes with its bytes.
        section: As in the row's source.
        was: The row as it was generated.
        now: What should stand there; None: as it was.
        delete: Leave the row out.
        note: For whoever reads on; nothing comes of it.
        context: A hash of what was said before the last exchange; empty where nothing was.
    """

    document: str
    section: str
    was: Wording
    now: Wording | None = None
    delete: bool = False
    note: str = ""
    context: str = ""

    @property
    def id(self) -> str:
        """The name of the row as it was generated."""
        return _id(self.document, self.section, self.context, self.was)

    @property
    def id_now(self) -> str:
        """The name of the row with the correction in it."""
        return _id(self.document, self.section, self.context, self.now or self.was)

    @property
    def place(self) -> tuple[str, str, str, str]:
        """What a row has in common with it whose answer has changed since."""
        return self.document, self.section, self.context, self.was.question


def uncorrected(record: Record, source: Source) -> Correction:
    """The correction of a row in which nothing is corrected."""
    document = source.document.removesuffix(f"-{source.sha256[:8]}")
    return Correction(document, source.section, wording_of(record), context=_context(record))


def wording_of(record: Record) -> Wording:
    """What a person may change of a record."""
    return Wording(record.instruction, record.answer, record.input)


def reworded(record: Record, now: Wording) -> Record:
    """The record with another last exchange; a conversation's messages say the same."""
    if record.messages:
        return _reworded_talk(record, now)
    answer = {"output": now.answer} if record.output or not record.chosen else {"chosen": now.answer}
    return msgspec.structs.replace(record, instruction=now.question, input=now.input, **answer)


def _reworded_talk(record: Record, now: Wording) -> Record:
    *before, last = record.messages
    if not record.chosen:
        before[-1], last = Message("human", now.question), Message(last.role, now.answer)
    else:
        last = Message("human", now.question)
    return from_messages(
        (*before, last),
        system=record.system,
        tools=record.tools,
        source=record.source,
        chosen=now.answer if record.chosen else "",
        rejected=record.rejected,
        kto_tag=record.kto_tag,
    )


def read_corrections(folder: Path) -> list[Correction]:
    """The corrections of the dataset in ``folder``; none where it has no such file.

    Raises:
        FindingsError: Lines of it are broken, all of them listed.
    """
    path, found, faults = folder / FILE, list[Correction](), list[Finding]()
    lines = path.read_bytes().splitlines() if path.is_file() else []
    for number, line in enumerate(lines, 1):
        try:
            found.append(msgspec.json.decode(line, type=Correction))
        except msgspec.MsgspecError as error:
            faults.append(_broken(path, number, error))
    if faults:
        raise FindingsError(faults)
    return found


def write_corrections(folder: Path, corrections: Iterable[Correction]) -> None:
    """Write corrections.jsonl, whole or not at all, in an order that holds; no file where there are none."""
    ordered = sorted(corrections, key=lambda c: (c.document, c.section, c.was.question, c.id))
    if not ordered:
        (folder / FILE).unlink(missing_ok=True)
        return
    lines = (msgspec.json.encode(correction).decode("utf-8") + "\n" for correction in ordered)
    write_text(folder / FILE, "".join(lines))


def _context(record: Record) -> str:
    before = [record.system, *(text for pair in record.history for text in pair)]
    return _hash(before) if any(before) else ""


def _id(document: str, section: str, context: str, wording: Wording) -> str:
    """``row-`` in front: a spreadsheet would take 12345e67 for a number."""
    return "row-" + _hash([document, section, context, wording.question, wording.input, wording.answer])


def _hash(parts: list[str]) -> str:
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:16]


def _broken(path: Path, line: int, error: Exception) -> Finding:
    return Finding(
        id="data.broken-correction",
        severity="error",
        message=f"is not a correction: {error}",
        file="/".join(path.parts[-3:]),
        line=line,
        why="Corrections are a person's work: none is left out unseen.",
        mend="Mend the line, or remove it.",
    )
