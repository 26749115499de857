"""The step ``dedup``: of pieces that say the same the first stays; those that are alike are kept together.

What is the same to the letter is found by a hash; what is nearly the same by MinHash signatures, and then
looked at itself: no piece is dropped on an estimate.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from hashlib import blake2b
from typing import Literal, TypeAlias

import msgspec

from millhand.datasets.pieces import Passage, Piece
from millhand.datasets.records import Record
from millhand.datasets.steps.base import SAMPLES, Context, Pieces, Step, Tally
from millhand.datasets.steps.duplicates import Looking, Text, Verdicts
from millhand.text.minhash import alike, signatures, stacked
from millhand.text.shingles import (
    EDITED_JACCARD,
    WIDTH,
    Relation,
    differ_in_numbers,
    edited,
    folded,
    relation,
)

By: TypeAlias = Literal["all", "question", "answer"]
_BATCH, _BATCH_CHARS = 500, 500_000
# A longer text is only compared exactly: its shingles would take tens of megabytes.
_LONGEST = 100_000


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When two pieces count as the same.

    Args:
        exact: Drop what is the same but for case, blanks, forms of signs, and signs at the ends.
        near: Drop what is nearly the same.
        by: What of a record is compared; system texts and tools never are. Of a passage it is its text
            with the last heading: ``해당사항 없음`` says something else under each.
        threshold: The share of their 5-character shingles (Jaccard) from which two texts are nearly the same.
        edits: Or the share of the characters that may have been edited, from 50 characters on; 0: it does
            not count. Of edits all over a text one in twenty characters is sure to be seen.
        keep_numbers: Texts that differ in nothing but their numbers are two: the same sentence of two years.
        related: The share of shingles from which two that are both kept get one ``cluster``, which
            ``split`` leaves whole; null: none do.
    """

    exact: bool = True
    near: bool = True
    by: By = "all"
    threshold: float = 0.8
    edits: float = 0.07
    keep_numbers: bool = True
    related: float | None = 0.6

    def __post_init__(self) -> None:
        if not 0.4 <= self.threshold <= 1:
            raise ValueError("threshold is a share of shingles, from 0.4 to 1")
        if self.related is not None and not 0.4 <= self.related <= self.threshold:
            raise ValueError("related is a share of shingles, from 0.4 to the threshold")
        if not 0 <= self.edits <= 0.1:
            raise ValueError("edits is a share of characters, from 0 to 0.1")

    @property
    def least(self) -> float:
        """The Jaccard index from which a pair has to be looked at."""
        edited_from = EDITED_JACCARD if self.edits else 1.0
        return min(self.threshold, self.related or 1.0, edited_from)


def dedup(options: Options, pieces: Pieces, tally: Tally, context: Context) -> Iterator[Piece]:
    """Drop what is the same as an earlier piece; give those that are alike a common ``cluster``."""
    if options.near:
        _need(options)
    verdicts = Verdicts()
    numbers, packed = _exact(options, verdicts, context, len(pieces))
    if options.near and packed:
        partners = {
            numbers[later]: [numbers[one] for one in earlier]
            for later, earlier in alike(stacked(packed), options.least).items()
        }
        Looking(partial(_relation, options), verdicts, partners).through(_texts_of(options.by, pieces))
    yield from _sorted_out(verdicts, pieces, tally)


def _need(options: Options) -> None:
    """Raise here what would be raised in another process: that a package is missing."""
    signatures(())
    if options.edits:
        edited("", "", options.edits)


def signed(options: Options, pieces: Iterable[Piece]) -> Iterator[tuple[str, str, str]]:
    """Of each piece a hash of what is compared, its signature in base64, and the cluster it came with.

    The hash is empty where there is nothing to compare, the signature where a text is too short or too long.
    """
    for batch in _batches((compared(options.by, piece), piece) for piece in pieces):
        made = iter(
            signatures([text for text, _ in batch if _is_signed(options, text)]) if options.near else ()
        )
        for text, piece in batch:
            signature = next(made).tobytes() if _is_signed(options, text) else b""
            yield _hash(piece, text) if text else "", b64encode(signature).decode(), piece.cluster


def _is_signed(options: Options, text: str) -> bool:
    return options.near and WIDTH <= len(text) <= _LONGEST


def _batches(texts: Iterable[tuple[str, Piece]]) -> Iterator[list[tuple[str, Piece]]]:
    """Batches that take about the same memory each."""
    batch, size = list[tuple[str, Piece]](), 0
    for text, piece in texts:
        batch.append((text, piece))
        size += len(text)
        if len(batch) == _BATCH or size >= _BATCH_CHARS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def compared(by: By, piece: Piece) -> str:
    """What of a piece is compared, in the form in which it is."""
    parts = _texts(by, piece.record) if piece.record else _passage_texts(piece.passage)
    return "\n".join(text for text in map(folded, parts) if text)


def _passage_texts(passage: Passage | None) -> Sequence[str]:
    text = passage.text if passage else ""
    return (*passage.headings[-1:], text) if passage and folded(text) else ()


def _texts(by: By, record: Record) -> list[str]:
    if record.messages:
        asked = [message.value for message in record.messages[0::2]]
        told = [message.value for message in record.messages[1::2]]
    else:
        asked = [*(question for question, _ in record.history), record.question]
        told = [*(answer for _, answer in record.history), record.output]
    told += [record.chosen, record.rejected]
    return {"question": asked, "answer": told, "all": asked + told}[by]


def _hash(piece: Piece, text: str) -> str:
    """Of the text and the label: a good and a bad answer of the same words are two."""
    return blake2b(f"{_label(piece)}\0{text}".encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _texts_of(by: By, pieces: Pieces) -> Iterator[Callable[[], Text]]:
    return (partial(_text, by, piece) for piece in pieces)


def _text(by: By, piece: Piece) -> Text:
    return Text(compared(by, piece), _label(piece))


def _exact(
    options: Options, verdicts: Verdicts, context: Context, total: int
) -> tuple[list[int], list[bytes]]:
    """Drop what is exactly the same; the numbers and signatures of the others."""
    first: dict[str, int] = {}
    clusters: dict[str, int] = {}
    numbers, packed = list[int](), list[bytes]()
    for number, (key, signature, cluster) in enumerate(context.parallel(partial(signed, options))):
        if cluster:
            verdicts.join(number, clusters.setdefault(cluster, number))
        if options.exact and key and first.setdefault(key, number) != number:
            verdicts.drop(number, first[key], "exact")
        elif signature:
            numbers.append(number)
            packed.append(b64decode(signature))
        if number % _BATCH == 0:
            context.tell("dedup", number, total)
    return numbers, packed


def _label(piece: Piece) -> bool | None:
    return piece.record.kto_tag if piece.record else None


def _relation(options: Options, one: Text, other: Text) -> Relation:
    found = relation(
        one.text, other.text, same=options.threshold, alike=options.related or 1.0, edits=options.edits
    )
    if found == "same" and (one.label != other.label or _by_number(options, one, other)):
        found = "alike"
    return "other" if found == "alike" and options.related is None else found


def _by_number(options: Options, one: Text, other: Text) -> bool:
    return options.keep_numbers and differ_in_numbers(one.text, other.text)


def _sorted_out(verdicts: Verdicts, pieces: Pieces, tally: Tally) -> Iterator[Piece]:
    """The pieces that stay, each with its cluster; samples show beside one that goes the one that stays."""
    clusters, shown = verdicts.clusters(), _shown(verdicts)
    names: dict[int, str] = {}
    held: dict[int, Piece] = {}
    for number, piece in enumerate(pieces):
        if number in shown:
            held[number] = piece
        if number in verdicts.same:
            kept, reason = verdicts.same[number]
            tally.drop(piece, reason, kept=held.get(kept))
        elif number in clusters:
            name = names.setdefault(clusters[number], piece.id)
            tally.count("related")
            yield msgspec.structs.replace(piece, cluster=name)
        else:
            yield piece
    tally.count("clusters", len(names))


def _shown(verdicts: Verdicts) -> set[int]:
    """The pieces that samples will show beside those that are dropped for them."""
    kept: dict[str, list[int]] = {}
    for number in sorted(verdicts.same):
        same = verdicts.same[number]
        kept.setdefault(same.reason, []).append(same.kept)
    return {number for numbers in kept.values() for number in numbers[:SAMPLES]}


STEP = Step("dedup", Options, whole=dedup)
