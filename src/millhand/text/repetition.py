"""How much of a text says the same again: the rules of Gopher's data.

The measures and their limits are those of Rae et al. 2021 (arXiv 2112.11446), table A1, "Repetition
removal". Words are what blanks part, which is Korean's eojeol. A text below 50 words is too short for
shares to say anything; there, only a run of one syllable group counts.

The limits were set for pages of the web. Reports say the same of one product after the other, and put the
same footnotes below each table: of the 254 passages of a real one the limits refuse 7, and twice the limits
still one, all of them sound. A model's answers are another matter.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

MIN_WORDS = 50
_LINES, _LINE_CHARS = 0.30, 0.20
# n -> the largest share of the characters that the most frequent n-gram may hold
_TOP = {2: 0.20, 3: 0.18, 4: 0.16}
# n -> the largest share of the characters that n-grams standing twice and more may hold
_DUPLICATE = {5: 0.15, 6: 0.14, 7: 0.13, 8: 0.12, 9: 0.11, 10: 0.10}
# A model that has lost its way says the same few letters without an end: ten times is no speech.
_STUCK = re.compile(r"([^\W\d_]{1,8}?)\1{9,}")


class Repeated(NamedTuple):
    """What is repeated too much (``lines``, ``5-grams``, ``syllables``) and its share, 0 to 1."""

    what: str
    share: float


def repetition_of(text: str, slack: float = 1.0) -> Repeated | None:
    """The first of the rules that ``text`` breaks; None where it breaks none.

    The limits are ``slack`` times those of the paper.
    """
    stuck = _STUCK.search(text)
    if stuck:
        return Repeated("syllables", len(stuck[0]) / len(text))
    words = text.split()
    if len(words) < MIN_WORDS:
        return None
    return next((rule for rule, limit in _shares(text, words) if rule.share > limit * slack), None)


def _shares(text: str, words: Sequence[str]) -> Iterator[tuple[Repeated, float]]:
    lines = Counter(line for line in map(str.strip, text.splitlines()) if line)
    again = sum(len(line) * (times - 1) for line, times in lines.items())
    yield Repeated("lines", 1 - len(lines) / lines.total()), _LINES
    yield Repeated("lines", again / sum(map(len, lines.elements()))), _LINE_CHARS
    chars = sum(map(len, words))
    for measure, limits in ((top_share, _TOP), (duplicate_share, _DUPLICATE)):
        for n, limit in limits.items():
            share = measure(words, n, chars)
            if not share:  # where no n-gram stands twice, no longer one does
                break
            yield Repeated(f"{n}-grams", share), limit


def top_share(words: Sequence[str], n: int, chars: int) -> float:
    """The share of ``chars`` in the most frequent n-gram: its length times how often it stands.

    Where several are equally frequent, the longest counts. One that stands once has no share.
    """
    counts = Counter(zip(*(words[i:] for i in range(n)), strict=False))
    times = max(counts.values(), default=0)
    if times < 2:
        return 0.0
    longest = max(sum(map(len, gram)) for gram, count in counts.items() if count == times)
    return min(1.0, longest * times / chars)


def duplicate_share(words: Sequence[str], n: int, chars: int) -> float:
    """The share of ``chars`` in words that belong to an n-gram which stands twice and more.

    A word in several such n-grams counts once.
    """
    grams = list(zip(*(words[i:] for i in range(n)), strict=False))
    counts = Counter(grams)
    held, end = 0, 0
    for start, gram in enumerate(grams):
        if counts[gram] > 1:
            held += sum(map(len, words[max(start, end) : start + n]))
            end = start + n
    return held / chars
