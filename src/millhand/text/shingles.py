"""When two texts are the same to a reader, and how much they share.

Similarity is the exact Jaccard index of their shingles: of all pieces of five characters that are in one or
the other, the share that is in both (Broder, "On the resemblance and containment of documents", 1997).
"""

from __future__ import annotations

import math
import re
import unicodedata
from functools import lru_cache
from typing import Literal, TypeAlias

from millhand.errors import MissingPackageError

Relation: TypeAlias = Literal["same", "alike", "other"]
WIDTH = 5
_SHORT = 1000  # the shingles of more take 0.1 MB and up, so fewer of them are held at once
_EDITED_FROM = 50  # in a shorter text a few edits are another statement
# One character in twenty edited leaves (1 - 5 * 0.05) / (1 + 5 * 0.05) of the shingles.
EDITED_JACCARD = 0.59
_NUMBER = re.compile(r"[0-9]+(?:[.,][0-9]+)*")


def folded(text: str) -> str:
    """``text`` without what does not tell two texts apart: NFKC, case, runs of blanks, signs at the ends."""
    flat = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    start, end = 0, len(flat)
    while start < end and not flat[start].isalnum():
        start += 1
    while end > start and not flat[end - 1].isalnum():
        end -= 1
    return flat[start:end]


def shingles(text: str) -> frozenset[str]:
    """The different pieces of five characters of ``text``; a shorter text is one piece."""
    return _of_short(text) if len(text) <= _SHORT else _of_long(text)


def _cut(text: str) -> frozenset[str]:
    return frozenset(text[at : at + WIDTH] for at in range(max(1, len(text) - WIDTH + 1)))


_of_short, _of_long = lru_cache(1024)(_cut), lru_cache(16)(_cut)


def jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    """The share of the shingles of both that are in each."""
    common = len(one & other)
    return common / (len(one) + len(other) - common)


def relation(one: str, other: str, *, same: float, alike: float, edits: float) -> Relation:
    """Whether two texts are nearly the same, or alike.

    Args:
        same: The Jaccard index from which they are the same.
        alike: That from which they are alike.
        edits: They are the same, too, where this share of the characters was edited at most (0: not so).
    """
    similarity = jaccard(shingles(one), shingles(other))
    may_be_edited = edits and similarity >= EDITED_JACCARD and min(len(one), len(other)) >= _EDITED_FROM
    if similarity >= same or (may_be_edited and edited(one, other, edits)):
        return "same"
    return "alike" if similarity >= alike else "other"


def edited(one: str, other: str, share: float) -> bool:
    """Whether one becomes the other by changing at most ``share`` of its characters (Levenshtein).

    Blanks are not counted as edits: Korean is spaced in more than one way.

    Raises:
        MissingPackageError: rapidfuzz is not installed.
    """
    try:
        from rapidfuzz.distance import Levenshtein
    except ImportError as error:
        raise MissingPackageError(
            f"rapidfuzz counts the edits between two texts: {error}",
            mend="pip install 'millhand[clean]', or `edits: 0` among the options of dedup.",
        ) from error
    most = math.ceil(share * max(len(one), len(other)))
    tight, other_tight = one.replace(" ", ""), other.replace(" ", "")
    return int(Levenshtein.distance(tight, other_tight, score_cutoff=most)) <= most


def differ_in_numbers(one: str, other: str) -> bool:
    """Whether two texts differ in their numbers and in nothing else: the same sentence of two years."""
    return one != other and _NUMBER.sub("0", one) == _NUMBER.sub("0", other)
