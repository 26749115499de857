"""What the layout of a whole PDF says of its lines: which are headings and how deep, which run along."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from millhand.documents.pdf_lines import Line
from millhand.text.numbering import split_number

_DIGITS = re.compile(r"\d+")
_LEADERS = re.compile(r"(?:\.\s?){4,}|(?:·\s?){4,}|…{2,}")  # of a table of contents
_SENTENCE_END = re.compile(r"(?:다|요|오|음|함)\.$")
_LARGER = 1.08  # times the body's size
_LONGEST_HEADING, _LONGEST_BOLD = 90, 60  # characters
_UNNUMBERED = -1
_MARGIN = 0.1  # of a page's height, at its top and its foot
_SAME_HEIGHT = 3.0  # points
_RUNNING_SHARE, _RUNNING_PAGES = 0.2, 3
_DEEPEST = 6


def letters(text: str) -> int:
    """How many letters a text has; digits and signs are none."""
    return sum(map(str.isalpha, text))


def body_size(lines: Sequence[Line]) -> float:
    """The size of running text: the one with most letters in long lines. Tables are small and many."""
    counts: Counter[float] = Counter()
    widest = max((line.right - line.left for line in lines), default=0.0)
    for line in lines:
        wide = line.right - line.left > 0.6 * widest
        counts[line.size] += letters(line.text) * (4 if wide else 1)
    return counts.most_common(1)[0][0] if counts else 0.0


class Headings(NamedTuple):
    """Tells headings: by the level of their size and kind of number, and by the PDF's bookmarks."""

    levels: Mapping[tuple[float, bool, int], int]
    body: float
    bookmarks: Mapping[tuple[int, str], int]

    def level(self, line: Line) -> int:
        """The level of a heading from 1; 0 for what is none."""
        marked = self.bookmarks.get((line.page, squeeze(line.text)))
        if marked:
            return marked
        return self.levels.get(_class_of(line), 0) if _may_head(line, self.body) else 0


def find_headings(lines: Sequence[Line], bookmarks: Mapping[tuple[int, str], int]) -> Headings:
    """Rank the classes of lines that can be headings: larger first, then bold, then by kind of number."""
    body = body_size(lines)
    counts = Counter(_class_of(line) for line in lines if _may_head(line, body))
    classes = set(counts)
    top: dict[tuple[float, bool], int] = {}
    for size, bold, rank in sorted(classes, reverse=True):
        top[size, bold] = rank if rank != _UNNUMBERED else top.get((size, bold), rank)
    ranked = sorted({_ranked(c, top) for c in classes})
    title = _title_class(counts)
    if title and len(ranked) > 1:
        ranked.remove(_ranked(title, top))
        classes.remove(title)
    levels = {c: min(ranked.index(_ranked(c, top)) + 1, _DEEPEST) for c in classes}
    levels |= {title: 1} if title else {}
    return Headings(levels, body, bookmarks)


def _title_class(counts: Mapping[tuple[float, bool, int], int]) -> tuple[float, bool, int] | None:
    """The class of a document's own title: the largest line, alone in its size and without a number.

    It stands beside the first level and does not push all others one deeper.
    """
    largest = max(counts, default=None)
    if largest is None or largest[2] != _UNNUMBERED or counts[largest] > 1:
        return None
    return largest if sum(size == largest[0] for size, _, _ in counts) == 1 else None


def _class_of(line: Line) -> tuple[float, bool, int]:
    numbered = split_number(line.text)
    return round(line.size * 2) / 2, line.bold, numbered.rank if numbered else _UNNUMBERED


def _ranked(found: tuple[float, bool, int], top: Mapping[tuple[float, bool], int]) -> tuple[float, bool, int]:
    """What sorts classes; one without a number stands with the highest number of its size."""
    size, bold, rank = found
    return -size, not bold, top[size, bold] if rank == _UNNUMBERED else rank


def _may_head(line: Line, body: float) -> bool:
    text = line.text
    if not (line.size > body * _LARGER or (line.bold and line.size >= body)):
        return False
    if (
        len(text) > _LONGEST_HEADING
        or letters(text) < 2
        or _SENTENCE_END.search(text)
        or _LEADERS.search(text)
    ):
        return False
    numbered = split_number(text)
    if line.size > body * _LARGER:
        named = numbered.rest if numbered and numbered.rest else text
        return letters(named) * 2 >= len(_DIGITS.sub("#", named.replace(" ", "")))
    # Of the body's size only a bold line with a number is one: bold alone is a table's header as often.
    return len(text) <= _LONGEST_BOLD and bool(numbered and numbered.rest)


def squeeze(text: str) -> str:
    """A text without blanks: bookmarks space letters otherwise than pages do."""
    return "".join(text.split())


def reading_order(lines: Sequence[Line]) -> list[Line]:
    """A page's lines from top to bottom where the PDF draws them otherwise; columns stay one after the other.

    Some programs draw all paragraphs of a page and then all of its tables. What is drawn later and stands
    above a line drawn before it belongs between them; a second column stands beside the first.
    """
    placed: list[Line] = []
    for run in _downward(lines):
        if placed and min(line.y for line in run) > max(line.y for line in placed):
            placed = run + placed
        elif _stands_between(run, placed):
            return sorted(lines, key=lambda line: (-round(line.y), line.left))
        else:
            placed += run
    return placed


def _downward(lines: Sequence[Line]) -> list[list[Line]]:
    """Lines parted where the next one stands higher."""
    runs: list[list[Line]] = []
    for line in lines:
        if runs and line.y <= runs[-1][-1].y + line.size:
            runs[-1].append(line)
        else:
            runs.append([line])
    return runs


def _stands_between(run: Sequence[Line], placed: Sequence[Line]) -> bool:
    """Whether a line placed before stands below the top of the run and in its width."""
    top = max(line.y for line in run)
    left, right = min(line.left for line in run), max(line.right for line in run)
    return any(
        line.y <= top and line.left < right - line.size and line.right > left + line.size for line in placed
    )


def running_lines(pages: Sequence[Sequence[Line]], heights: Sequence[float]) -> set[tuple[int, float]]:
    """(page, baseline) of headers, footers and page numbers: what stands at one height on many pages.

    They stand in the outer tenths of a page; ``heights`` are the pages', in points. A line runs along if a
    fifth of all pages, and three at least, have it. Digits count as equal in small lines only: ``제1장`` and
    ``제2장`` on top of two pages are two headings.
    """
    body = body_size([line for lines in pages for line in lines])
    places: defaultdict[tuple[str, int], list[Line]] = defaultdict(list)
    for lines, height in zip(pages, heights, strict=True):
        for line in lines:
            if not _MARGIN * height < line.y < (1 - _MARGIN) * height:
                places[_running_text(line, body), round(line.y / _SAME_HEIGHT)].append(line)
    enough = max(_RUNNING_PAGES, _RUNNING_SHARE * len(pages))
    return {
        (line.page, line.y)
        for key, found in places.items()
        if _pages(found) + _near(places, key) >= enough
        for line in found
    }


def _running_text(line: Line, body: float) -> str:
    text = squeeze(line.text)
    return text if line.size > body * _LARGER else _DIGITS.sub("#", text)


def _near(places: Mapping[tuple[str, int], Iterable[Line]], key: tuple[str, int]) -> int:
    """Pages on which it stands just beyond the border between two heights."""
    text, height = key
    return max(_pages(places.get((text, height + step), ())) for step in (-1, 1))


def _pages(lines: Iterable[Line]) -> int:
    return len({line.page for line in lines})
