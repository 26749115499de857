"""Joins the lines of a PDF to paragraphs, with the blanks between words that the page lost at line ends."""

from __future__ import annotations

import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from millhand.documents.pdf_layout import letters
from millhand.documents.pdf_lines import Line
from millhand.text.numbering import split_marker, split_number

_RUN = re.compile(r"[가-힣]+|[A-Za-z]+")
_LAST_RUN, _FIRST_RUN = re.compile(r"(?:[가-힣]+|[A-Za-z]+)$"), re.compile(r"^(?:[가-힣]+|[A-Za-z]+)")
_ENDED = re.compile(r"[.!?:;)\]]$")
_NOTE, _BRACKET = re.compile(r"[※☞]"), re.compile(r"[\[<〈《【(]")
# What cannot begin a word: it belongs to the one before it.
_PARTICLES = frozenset(
    (
        *(
            "은",
            "는",
            "이",
            "가",
            "을",
            "를",
            "의",
            "에",
            "와",
            "과",
            "도",
            "만",
            "로",
            "으로",
            "에서",
            "에게",
        ),
        *("까지", "부터", "보다", "처럼", "하고", "하여", "하는", "한", "된", "되는", "되어", "됩니다"),
        *("합니다", "입니다", "있는", "습니다", "이며", "이고", "라고", "다", "며", "고"),
    )
)
_PITCH = 1.6  # times the size, where the document does not tell
_LOOSER = 1.2  # times the usual distance of lines
_REACHES = 2.5  # sizes that a full line may end before the right edge
_KEPT = 20  # line ends between words for each that cuts one, where lines are cut between words
_SHARE_OF_LETTERS = 0.45  # of the signs of running text that are no blanks; a table's row has fewer


class Flow(NamedTuple):
    """What the joining of lines goes by, measured once for a document.

    ``pitch`` is the distance of lines in sizes, ``words`` the runs of Hangul or Latin letters inside of
    lines, ``breaks_words`` whether most lines end in the middle of words, ``keeps_words`` whether next to
    none do, ``edges`` where full lines of each size end, in points.
    """

    pitch: float
    words: Counter[str]
    breaks_words: bool
    keeps_words: bool
    edges: Mapping[float, float]

    def paragraphs(self, lines: Iterable[Line]) -> Iterator[tuple[str, Line]]:
        """Text and first line of each paragraph; one may go on over the end of a page."""
        group: list[Line] = []
        for line in lines:
            if group and not self._goes_on(group, line):
                yield self._text(group), group[0]
                group = []
            group.append(line)
        if group:
            yield self._text(group), group[0]

    def _goes_on(self, group: Sequence[Line], line: Line) -> bool:
        last = group[-1]
        return (
            self._is_next(last, line)
            and abs(last.size - line.size) < 0.6
            and self._is_full(last, line)
            and line.left <= group[0].left + 2.5 * line.size
            and is_running(last)
            and not begins_block(line.text, after=last.text)
        )

    def _is_next(self, last: Line, line: Line) -> bool:
        """Whether a line stands below another as the lines of a paragraph do, or on top of the next page."""
        if last.page == line.page:
            return 0 < last.y - line.y <= self.pitch * _LOOSER * last.size
        return last.page + 1 == line.page and not _ENDED.search(last.text)

    def _is_full(self, last: Line, line: Line) -> bool:
        """Whether a line could not take the next one's first word."""
        room = self.edges[last.size] - last.right
        first = line.text.partition(" ")[0]
        width = sum(0.55 if sign.isascii() else 1.0 for sign in first) * last.size
        return room <= _REACHES * last.size or room <= width

    def _text(self, group: Sequence[Line]) -> str:
        text = group[0].text
        for before, line in pairwise(group):
            text += self.glue(before, line) + line.text
        return text

    def glue(self, before: Line, line: Line) -> str:
        """A blank or nothing: what stood between the last word of a line and the first of the next."""
        if before.open:
            return " "
        last, first = _LAST_RUN.search(before.text), _FIRST_RUN.search(line.text)
        if last is None or first is None or last[0].isascii() != first[0].isascii():
            return self._glue_mixed(before.text, line.text)
        if self.words[last[0] + first[0]]:
            return ""
        if self.keeps_words or last[0].isascii():
            return " "
        if first[0] in _PARTICLES:
            return ""
        known = self.words[last[0]] and self.words[first[0]]
        return " " if known or not self.breaks_words else ""

    def _glue_mixed(self, before: str, line: str) -> str:
        """Where a line ends or the next begins with no Hangul: a number takes its particle."""
        if before[-1] in "-/([{ㆍ·" or line[0] in ".,)]}%ㆍ·/:;":
            return ""
        first = _FIRST_RUN.search(line)
        if self.breaks_words and first and first[0] in _PARTICLES and before[-1].isalnum():
            return ""
        return " "


def measure_flow(lines: Sequence[Line]) -> Flow:
    """Measure a document's lines: their distance, its words, and whether lines cut words."""
    pairs = [(a, b) for a, b in pairwise(lines) if _follow(a, b)]
    # A line that ends a sentence may end its paragraph: below it the distance may be a larger one.
    drops = [(a.y - b.y) / a.size for a, b in pairs if not _ENDED.search(a.text)]
    pitch = statistics.median(drops) if drops else _PITCH
    words = _inner_words(line.text for line in lines)
    cut, between = _line_ends(pairs, words)
    return Flow(pitch, words, cut > between, cut * _KEPT < between, _edges(lines))


def begins_block(text: str, *, after: str = "") -> bool:
    """Whether a line begins something new: an item, a numbered heading, a note.

    After a line that ends no sentence, ``다.`` is the end of its verb and no number, and a bracket goes on.
    """
    if _NOTE.match(text) or split_marker(text):
        return True
    numbered = split_number(text)
    if _BRACKET.match(text) or (numbered and numbered.kind == "hangul"):
        return not after or bool(_ENDED.search(after))
    return numbered is not None


def is_running(line: Line) -> bool:
    """Whether a line is one of running text and no table's row."""
    return letters(line.text) >= _SHARE_OF_LETTERS * (len(line.text) - line.text.count(" "))


def _edges(lines: Iterable[Line]) -> dict[float, float]:
    """Where full lines of each size end: what one line in ten goes beyond, in points."""
    ends: defaultdict[float, list[float]] = defaultdict(list)
    for line in lines:
        ends[line.size].append(line.right)
    return {size: sorted(found)[int(0.9 * len(found))] for size, found in ends.items()}


def _follow(a: Line, b: Line) -> bool:
    """Whether two lines stand in one paragraph by all appearance: equal left edges, letters, near."""
    near = a.page == b.page and a.size == b.size > 0 and 0 < a.y - b.y < 2.2 * a.size
    wide = a.right - a.left > 20 * a.size
    return near and wide and abs(a.left - b.left) < a.size and is_running(a) and is_running(b)


def _inner_words(texts: Iterable[str]) -> Counter[str]:
    """Runs of letters that no line end can have cut: neither first nor last in their line."""
    words: Counter[str] = Counter()
    for text in texts:
        words.update(_RUN.findall(text[text.find(" ") + 1 : text.rfind(" ") + 1]))
    return words


def _line_ends(pairs: Iterable[tuple[Line, Line]], words: Counter[str]) -> tuple[int, int]:
    """Of line ends of running text, how many cut a known word and how many stand between two."""
    cut = between = 0
    for before, line in pairs:
        last, first = _LAST_RUN.search(before.text), _FIRST_RUN.search(line.text)
        if not before.open and last and first:
            joined = bool(words[last[0] + first[0]])
            cut += joined
            between += not joined and bool(words[last[0]] and words[first[0]])
    return cut, between
