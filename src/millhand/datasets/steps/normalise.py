"""The step ``normalise``: unseen signs out, blanks and dates in one form; every other sign as it stands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from millhand.datasets.pieces import Edit, Piece, edited
from millhand.datasets.steps.base import Step, Tally
from millhand.documents.document import Code
from millhand.text.dates import DateForm, one_form
from millhand.text.tidy import outside_code, tidy


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``dates``: ``korean`` for 2024년 3월 1일, ``iso`` for 2024-03-01, ``keep`` for as they stand."""

    dates: DateForm = "korean"


def normalise(options: Options, pieces: Iterable[Piece], tally: Tally) -> Iterator[Piece]:
    """Tidy every text of a piece; code blocks stay sign by sign."""
    for piece in pieces:
        tidied = _edited(piece, tidy)
        dated = _edited(tidied, lambda text: outside_code(text, lambda part: one_form(part, options.dates)))
        if dated == tidied:
            yield tally.change(piece, tidied, "signs and blanks")
        else:
            tally.count("with dates rewritten")
            yield tally.change(tidied, dated, "dates")


def _edited(before: Piece, edit: Edit) -> Piece:
    """The piece with ``edit`` put to every text in it, code blocks apart."""
    after = edited(before, edit)
    if before.passage is None or after.passage is None:
        return after
    if not any(isinstance(block, Code) for block in before.passage.blocks):
        return after
    pairs = zip(before.passage.blocks, after.passage.blocks, strict=True)
    blocks = tuple(old if isinstance(old, Code) else new for old, new in pairs)
    return msgspec.structs.replace(after, passage=msgspec.structs.replace(after.passage, blocks=blocks))


STEP = Step("normalise", Options, each=normalise)
