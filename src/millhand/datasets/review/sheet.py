"""A built dataset's rows as a CSV for a person to correct, and that CSV back as corrections."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import msgspec

from millhand.datasets.built import Built
from millhand.datasets.registry import Registry
from millhand.datasets.review.cells import LONGEST, escaped, unescaped
from millhand.datasets.review.corrections import (
    Correction,
    Wording,
    read_corrections,
    uncorrected,
    write_corrections,
)
from millhand.datasets.standing import name_of, parts
from millhand.datasets.store import locked
from millhand.documents.rows import BadRow, CellError, Row, shorten
from millhand.documents.tables import open_rows
from millhand.errors import Finding, FindingsError, UsageError
from millhand.files import atomic_writer
from millhand.text.normal import clean_cell

COLUMNS = (
    "id",
    "split",
    "question",
    "input",
    "answer",
    "delete",
    "note",
    "document",
    "place",
    "section",
    "before",
)
_NEEDED = ("id", "question", "answer")
_YES = {"x", "o", "v", "1", "y", "yes", "true", "삭제", "예"}
_NO = {"", "0", "n", "no", "false", "아니요"}


class Line(msgspec.Struct, frozen=True):
    """One line of the CSV: a row with what a person has said of it so far."""

    correction: Correction
    split: str
    document: str
    place: str
    before: str = ""

    @property
    def cells(self) -> dict[str, str]:
        """The cells by column."""
        said = self.correction
        wording = said.now or said.was
        return {
            "id": said.id,
            "split": self.split,
            "question": wording.question,
            "input": wording.input,
            "answer": wording.answer,
            "delete": "x" if said.delete else "",
            "note": said.note,
            "document": self.document,
            "place": self.place,
            "section": said.section,
            "before": self.before,
        }


@dataclass
class Taken:
    """What came of taking a CSV back: corrections by what they do, and how many rows it did not change."""

    counts: Counter[str] = field(default_factory=Counter)
    corrections: int = 0


class Sheet(NamedTuple):
    """A CSV that was written: its lines, and how many of its cells are longer than Excel keeps."""

    lines: int
    long: int


def write_sheet(registry: Registry, built: Built, path: Path) -> Sheet:
    """Write the rows of all splits, and those that were deleted, to ``path``.

    The file begins with a byte-order mark: Excel takes it for UTF-8 then.

    Raises:
        UsageError: ``path`` is there already: it may hold a person's work.
    """
    if path.exists():
        raise UsageError(
            f"{path} is there already, and may hold corrections.",
            mend=f"Take it in with `--in {path.name}`, or name another file.",
        )
    lines = list(_lines(registry, built))
    filled = {name for line in lines for name, cell in line.cells.items() if cell}
    columns = [name for name in COLUMNS if name in filled or name not in ("input", "before")]
    with atomic_writer(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
        writer = csv.writer(text)
        writer.writerow(columns)
        writer.writerows([escaped(line.cells[name]) for name in columns] for line in lines)
        text.flush()
        text.detach()
    return Sheet(len(lines), sum(len(cell) > LONGEST for line in lines for cell in line.cells.values()))


def take_sheet(registry: Registry, built: Built, path: Path) -> Taken:
    """Take a person's corrections from a CSV (or a spreadsheet saved of it); put to rows by the next build.

    Lines that were removed from it change nothing; a line put back to what it was takes its correction back.

    Raises:
        FindingsError: A line is of no row, is cut off, or says two things; all listed, nothing is written.
    """
    folder = registry.folder / name_of(built)
    known = {line.correction.id: line.correction for line in _lines(registry, built)}
    said: dict[str, Correction] = {}
    faults: list[Finding] = []
    for number, cells in _cells(path, faults):
        try:
            correction = _correction(cells, known)
            _once(said, correction)
        except ValueError as error:
            faults.append(_fault(path, str(error), row=number))
    if faults:
        raise FindingsError(faults)
    with locked(registry.folder):  # a build that ends now carries the file over to the new folder
        return _keep(folder, said)


def _keep(folder: Path, said: dict[str, Correction]) -> Taken:
    """Put what was said now to what was said before."""
    standing = {correction.id: correction for correction in read_corrections(folder)}
    taken = Taken()
    for name, correction in said.items():
        taken.counts[_deed(correction, standing.get(name))] += 1
        standing[name] = correction
    kept = [correction for correction in standing.values() if says_something(correction)]
    write_corrections(folder, kept)
    taken.corrections = len(kept)
    return taken


def says_something(correction: Correction) -> bool:
    """Whether there is anything to keep of it."""
    return bool(correction.now or correction.delete or correction.note)


def _deed(new: Correction, old: Correction | None) -> str:
    if new == old or (old is None and not says_something(new)):
        return "unchanged"
    if not says_something(new):
        return "taken back"
    return "deleted" if new.delete else "corrected" if new.now else "noted"


def _lines(registry: Registry, built: Built) -> Iterator[Line]:
    corrections = read_corrections(registry.folder / name_of(built))
    by_id = {c.id: c for c in corrections} | {c.id_now: c for c in corrections if c.now}
    seen: set[str] = set()
    for split, dataset in parts(registry, built):
        for record in dataset.records():
            source = record.source
            if source is None:
                continue
            own = uncorrected(record, source)
            said = by_id.get(own.id, own)
            seen.add(said.id)
            place = source.place or f"row {source.row}"
            yield Line(said, split, source.document, place, _before(record.system, record.history))
    yield from (Line(c, "", c.document, "") for c in corrections if c.delete and c.id not in seen)


def _before(system: str, history: Sequence[tuple[str, str]]) -> str:
    spoken = [text for asked, answered in history for text in (f"Q: {asked}", f"A: {answered}")]
    return "\n".join([*([f"System: {system}"] if system else []), *spoken])


def _cells(path: Path, faults: list[Finding]) -> Iterator[tuple[int, dict[str, str]]]:
    file = open_rows(path)
    lacking = [name for name in _NEEDED if name not in file.columns]
    if lacking:
        raise FindingsError([_fault(path, f"has no column {', '.join(lacking)}")])
    for item in file.items:
        match item:
            case BadRow():
                faults.append(item.finding)
            case Row():
                yield item.number, {name: _text(value) for name, value in item.values.items()}


def _text(value: object) -> str:
    if isinstance(value, CellError):
        return value
    return unescaped(str(value)) if value is not None else ""


def _correction(cells: dict[str, str], known: dict[str, Correction]) -> Correction:
    """What a line says of its row.

    Raises:
        ValueError: It can be said of none.
    """
    own = known.get(cells["id"])
    if own is None:
        raise ValueError(f"no row has the id {cells['id']!r}")
    now = Wording(
        _changed("question", cells, own.was.question) or own.was.question,
        _changed("answer", cells, own.was.answer) or own.was.answer,
        _changed("input", cells, own.was.input),
    )
    return msgspec.structs.replace(
        own,
        now=now if now != own.was else None,
        delete=_flag(cells.get("delete", "")),
        note=cells.get("note", ""),
    )


def _changed(name: str, cells: dict[str, str], was: str) -> str:
    """The cell's text, or ``was`` itself where they differ in blanks and line ends alone."""
    cell = cells.get(name, was)
    if isinstance(cell, CellError):
        raise ValueError(f"its {name} became {cell}: taken for a formula")  # noqa: TRY004 - the file is wrong
    if len(was) > LONGEST and len(cell) >= LONGEST - 1 and was.startswith(cell[: LONGEST // 2]):
        raise ValueError(f"its {name} was cut off at {LONGEST:,} characters by the spreadsheet")
    return was if clean_cell(cell) == clean_cell(was) else cell


def _flag(cell: str) -> bool:
    word = cell.strip().casefold()
    if word in _YES | _NO:
        return word in _YES
    raise ValueError(f"{shorten(cell)!r} under delete is neither x nor empty")


def _once(said: dict[str, Correction], correction: Correction) -> None:
    if said.setdefault(correction.id, correction) != correction:
        raise ValueError(f"another line says something else of {correction.id}")


def _fault(path: Path, message: str, *, row: int | None = None) -> Finding:
    return Finding(
        id="data.broken-review",
        severity="error",
        message=message,
        file=path.name,
        row=row,
        why="A correction must find its row, or it would be lost.",
        mend="Mend the line; `millhand data review NAME --out rows.csv` writes a fresh file.",
    )
