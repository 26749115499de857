"""The last step of a build whose dataset has corrections: they are put to the rows.

No recipe names it: it is there because corrections.jsonl is.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import msgspec

from millhand.datasets.pieces import Piece
from millhand.datasets.recipe import Chosen
from millhand.datasets.review.corrections import (
    FILE,
    Correction,
    read_corrections,
    reworded,
    uncorrected,
)
from millhand.datasets.steps.base import Context, Pieces, Step, Tally
from millhand.documents.rows import shorten
from millhand.errors import Finding
from millhand.files import sha256_file


class Options(msgspec.Struct, frozen=True):
    """``sha256`` is that of corrections.jsonl, which holds so many ``corrections``."""

    sha256: str
    corrections: int


def correcting(folder: Path) -> tuple[Chosen, ...]:
    """The step that puts a dataset's corrections to its rows; none where there are none.

    Raises:
        FindingsError: corrections.jsonl is broken.
    """
    corrections = read_corrections(folder)
    if not corrections:
        return ()
    step = Step("corrections", Options, whole=partial(apply, corrections))
    return (Chosen(step, Options(sha256_file(folder / FILE), len(corrections))),)


def apply(
    corrections: list[Correction], _: Options, pieces: Pieces, tally: Tally, context: Context
) -> Iterator[Piece]:
    """Change and leave out rows as a person said; a correction that finds no row is a finding."""
    due = {correction.id: correction for correction in corrections}
    places = {correction.place for correction in corrections}
    used, near = set[str](), set[tuple[str, ...]]()
    for piece in pieces:
        if piece.record is None:
            yield piece
            continue
        own = uncorrected(piece.record, piece.source)
        correction = due.get(own.id)
        if correction is None:
            near |= {own.place} & places
            yield piece
            continue
        used.add(own.id)
        yield from _corrected(piece, correction, tally)
    unused = [(number, c) for number, c in enumerate(corrections, 1) if c.id not in used]
    tally.count("corrections without a row", len(unused))
    for number, correction in unused:
        context.find(_unused(number, correction, changed=correction.place in near))


def _corrected(piece: Piece, correction: Correction, tally: Tally) -> Iterator[Piece]:
    if correction.delete:
        tally.drop(piece, "deleted by a person")
    elif correction.now and piece.record:
        record = reworded(piece.record, correction.now)
        yield tally.change(piece, msgspec.structs.replace(piece, record=record), "corrected by a person")
    else:
        tally.count("noted by a person")
        yield piece


def _unused(number: int, correction: Correction, *, changed: bool) -> Finding:
    became = "is answered otherwise now" if changed else "is not made any more"
    return Finding(
        id="data.correction-without-row",
        severity="warning",
        message=f"the row that was corrected {became}: {shorten(correction.was.question)}",
        file=FILE,
        line=number,
        why="A correction holds for the very text that a person read. It is kept, and was put to no row.",
        mend="`millhand data review NAME --out rows.csv` shows today's rows. If it is over, remove the line.",
    )
