"""The step ``pii``: personal data is counted, masked, or dropped with the piece that holds it.

Names of people are not looked for: that takes a model, and masks half a text where it errs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import msgspec

from millhand.datasets.fields import Field, personal, rewritten, veiled_text
from millhand.datasets.pieces import Piece
from millhand.datasets.steps.base import Mark, Step, Tally
from millhand.text.pii import PERSONAL, Hit, MaskStyle, joined, mask
from millhand.text.pii_judges import PiiKind


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is looked for, and what becomes of it.

    Masking is the default: a model learns what it is trained on by heart, and a text without its numbers
    still teaches the rest.

    Args:
        action: ``mask`` replaces what is found, ``drop`` leaves out the piece that holds any, ``report``
            only counts it.
        kinds: Besides these there are ``business`` and ``corporate`` (numbers of companies, which are
            public) and ``address``.
        style: ``label`` puts ``[전화번호]`` in its place, ``shape`` a star for each letter and digit.
        presidio: Ask Presidio about numbers that Millhand's own patterns do not know.
    """

    action: Literal["report", "mask", "drop"] = "mask"
    kinds: tuple[PiiKind, ...] = PERSONAL
    style: MaskStyle = "label"
    presidio: bool = True


def pii(options: Options, pieces: Iterable[Piece], tally: Tally) -> Iterator[Piece]:
    """Go through every text of each piece; what is found is counted by kind, its places are noted."""
    for piece in pieces:
        scan = Scan(options, piece.id)
        masked = rewritten(piece, scan)
        for mark in scan.marks:
            tally.count(mark.kind)
        tally.marks.extend(scan.marks)
        show = partial(veiled_text, find=partial(every, options))
        if options.action == "report":
            yield piece
        elif scan.broke or (options.action == "drop" and scan.marks):
            tally.drop(piece, "personal data", show)
        else:
            yield tally.change(piece, masked, "masked", show)


@dataclass
class Scan:
    """Masks one text of a piece after the other, and notes what it found.

    What stands in other pieces too is masked and not noted. ``broke`` says that a mask broke JSON.
    """

    options: Options
    piece: str
    marks: list[Mark] = field(default_factory=list)
    broke: bool = False

    def __call__(self, one: Field) -> str:
        """The text masked."""
        hits = [hit for hit in every(self.options, one) if hit.kind in self.options.kinds]
        if not hits:
            return one.text
        if one.name not in ("title", "section"):
            self.marks += [Mark(self.piece, one.name, hit.start, hit.end, hit.kind) for hit in hits]
        masked = mask(one.text, hits, self.options.style)
        self.broke |= one.name == "tools" and not _is_json(masked)
        return masked


def every(options: Options, one: Field) -> list[Hit]:
    """The personal data in a text, by the patterns and, where they know no name for a number, by Presidio."""
    found = personal(one)
    if options.presidio:
        from millhand.text.presidio import ask_presidio

        found = joined([*found, *ask_presidio(one.text, found)])
    return found


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except msgspec.DecodeError:
        return False
    return True


STEP = Step("pii", Options, each=pii)
