"""Steps of the tests' own, small enough to see through."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from millhand.datasets.pieces import Piece, edited
from millhand.datasets.records import Record
from millhand.datasets.steps.base import Context, Mark, Pieces, Step, Tally


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Drop(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    word: str = "버림"


def shout(_: Nothing, pieces: Iterable[Piece], tally: Tally) -> Iterator[Piece]:
    for piece in pieces:
        yield tally.change(piece, edited(piece, str.upper), "shouted")


def whisper(_: Nothing, pieces: Iterable[Piece], tally: Tally) -> Iterator[Piece]:
    for piece in pieces:
        yield tally.change(piece, edited(piece, lambda text: f"{text}…"), "whispered")


def note(_: Nothing, pieces: Iterable[Piece], tally: Tally) -> Iterator[Piece]:
    for piece in pieces:
        tally.marks.append(Mark(piece.id, "text", 0, 1, "first sign"))
        yield piece


def drop(options: Drop, pieces: Iterable[Piece], tally: Tally) -> Iterator[Piece]:
    for piece in pieces:
        if options.word in piece.text:
            tally.drop(piece, "held the word")
        else:
            yield piece


def lose(_: Nothing, pieces: Iterable[Piece], tally: Tally) -> Iterator[Piece]:
    return iter(list(pieces)[1:])


def lengths(pieces: Iterable[Piece]) -> Iterator[int]:
    return (len(piece.text) for piece in pieces)


def shortest_first(_: Nothing, pieces: Pieces, tally: Tally, context: Context) -> Iterator[Piece]:
    longest = max(context.parallel(lengths), default=0)
    tally.count("longest", longest)
    return iter(sorted(pieces, key=lambda piece: len(piece.text)))


def halve(_: Nothing, pieces: Pieces, tally: Tally, context: Context) -> Iterator[Piece]:
    for number, piece in enumerate(pieces):
        yield msgspec.structs.replace(piece, split=("train", "test")[number % 2])


def ask(_: Nothing, pieces: Pieces, tally: Tally, context: Context) -> Iterator[Piece]:
    for piece in pieces:
        assert piece.passage is not None
        source = msgspec.structs.replace(piece.source, generator="test 1", prompt_sha256="0" * 64)
        for number in range(2):
            record = Record(instruction=f"{piece.passage.headings[-1]}? {number}", output=piece.passage.text)
            yield Piece(f"{piece.id}:{number}", source, record=record, split=piece.split)


class Price(msgspec.Struct, frozen=True):
    requests: int


def price(_: Nothing, pieces: Pieces, context: Context) -> Price:
    return Price(len(pieces))


STEPS: dict[str, Step] = {
    "normalise": Step("normalise", Nothing, each=shout),
    "filter": Step("filter", Drop, each=drop),
    "dedup": Step("dedup", Nothing, whole=shortest_first),
    "split": Step("split", Nothing, whole=halve),
    "generate": Step("generate", Nothing, whole=ask, makes=True, price=price),
    "pii": Step("pii", Nothing, each=note),
    "limit": Step("limit", Nothing, each=lose),
}


def load(name: str) -> Any:
    return STEPS[name]
