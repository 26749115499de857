"""What tests of steps share: pieces made in a line, and a step run over them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from millhand.datasets.pieces import Passage, Piece, Split
from millhand.datasets.records import Record, Source
from millhand.datasets.steps.base import Context, Step, Tally
from millhand.documents.document import Block, Paragraph, Place
from millhand.errors import Finding

PLACE = Place("line", 1)


def passage(
    text: str | Block = "문을 잠그고 열쇠를 보관함에 넣는다.",
    *more: str | Block,
    id: str = "p1",
    document: str = "a.pdf",
    headings: tuple[str, ...] = ("1. 순찰",),
    place: str = "page 1",
    **piece: Any,
) -> Piece:
    """A passage of paragraphs and other blocks."""
    blocks = tuple(Paragraph(b, PLACE) if isinstance(b, str) else b for b in (text, *more))
    source = Source(document, f"sha-{document}", place=place, section=" > ".join(headings))
    return Piece(id, source, passage=Passage("제목", headings, blocks), **piece)


def record(
    question: str = "순찰은 언제 하나요?",
    answer: str = "매 시간 정각에 합니다.",
    *,
    id: str = "r1",
    document: str = "a.pdf",
    section: str = "1. 순찰",
    generator: str = "outline 1",
    split: Split | str = "",
    cluster: str = "",
    **fields: Any,
) -> Piece:
    """A record of a question and an answer."""
    source = Source(document, f"sha-{document}", section=section, generator=generator)
    made = Record(instruction=question, output=answer, source=source, **fields)
    return Piece(id, source, record=made, split=split, cluster=cluster)  # type: ignore[arg-type]


class Ran:
    """What came of a step: pieces, tally and findings."""

    def __init__(
        self, step: Step, pieces: Iterable[Piece], folder: Path | None = None, **options: Any
    ) -> None:
        given = list(pieces)
        self.tally, self.findings = Tally(), list[Finding]()
        chosen = msgspec.convert(options, step.options)
        context = Context(_one_by_one(given), folder or Path(), find=self.findings.append)
        if step.each:
            made: Iterator[Piece] = step.each(chosen, given, self.tally)
        else:
            assert step.whole
            made = step.whole(chosen, given, self.tally, context)
        self.pieces = list(made)

    @property
    def ids(self) -> list[str]:
        """The ids of what went on."""
        return [piece.id for piece in self.pieces]


def _one_by_one(pieces: list[Piece]) -> Any:
    return lambda work: iter(work(pieces))
