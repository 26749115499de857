"""A text in the form in which patterns look at it, and the way back to where each sign stood.

Full-width digits, decomposed Hangul and the many dashes of Unicode are one thing to a reader and several
to a pattern. The key text is NFKC (https://unicode.org/reports/tr15/), cluster by cluster, with four
departures: every dash is ``-``, a sign that nobody sees is gone, and a number in a ring (``①``) or another
symbol that stands for letters is a blank, so that it does not run into the digits behind it.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache

# A sign with what composes with it, or one sign that is neither ASCII nor a Hangul syllable.
_CLUSTER = re.compile(
    "[\\s\\S][\u0300-\u036f\u1161-\u1175\u11a8-\u11c2\u3099\u309a\uff9e\uff9f]+|[^\x00-\x7f가-힣]"
)
_ODD = re.compile("[^\x00-\x7f가-힣]")
_DASHES = re.compile("[\u2010-\u2015\u2212\u30fc]")
_STROKE = "\u3161"  # the vowel that is typed for a dash on a Korean keyboard
_UNSEEN = frozenset("\u00ad\u200b\u200c\u200d\u2060\ufeff")
_SYMBOLS = frozenset(("No", "So"))


@dataclass(frozen=True, slots=True)
class Keyed:
    """A key text and where its signs stood in the text that it was made of.

    ``jumps`` holds each cluster that is not one sign for one, in order: start and end in the key, start and
    end in the text. ``ends`` are their ends in the key.
    """

    text: str
    ends: tuple[int, ...] = ()
    jumps: tuple[tuple[int, int, int, int], ...] = ()

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The span of the original text that a span of the key came of, whole clusters only."""
        return self._place(start, 0), self._place(end - 1, 1) if end > start else self._place(start, 0)

    def _place(self, position: int, side: int) -> int:
        """Where the sign at ``position`` of the key begins (side 0) or ends (side 1) in the text."""
        index = bisect_right(self.ends, position)
        if index < len(self.jumps):
            key_start, _, text_start, text_end = self.jumps[index]
            if position >= key_start:
                return text_end if side else text_start
        shift = self.jumps[index - 1][3] - self.jumps[index - 1][1] if index else 0
        return position + shift + side


def keyed(text: str) -> Keyed:
    """The key of ``text``."""
    jumps: list[tuple[int, int, int, int]] = []
    moved = 0

    def fold(found: re.Match[str]) -> str:
        nonlocal moved
        made = _folded(found[0])
        if len(found[0]) > 1 or len(made) != 1:
            start = found.start() + moved
            jumps.append((start, start + len(made), found.start(), found.end()))
            moved += len(made) - len(found[0])
        return made

    key = _CLUSTER.sub(fold, text) if _ODD.search(text) else text
    return Keyed(key, tuple(jump[1] for jump in jumps), tuple(jumps))


@lru_cache(4096)
def _folded(cluster: str) -> str:
    if cluster in _UNSEEN or cluster == _STROKE:
        return "-" if cluster == _STROKE else ""
    if unicodedata.category(cluster[0]) in _SYMBOLS:
        return " "
    return _DASHES.sub("-", unicodedata.normalize("NFKC", cluster))
