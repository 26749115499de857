"""How much is asked of a passage, by its length. docs/generation.md has the formula."""

from __future__ import annotations

import re
from collections.abc import Iterator

from millhand.datasets.pieces import Passage
from millhand.datasets.synthesize.options import Options, Pair, Purpose
from millhand.datasets.synthesize.prompts import Ask

_STEP = re.compile(r"^\s*(?:\(?\d{1,2}[.)]|[①-⑳]|\d{1,2}\s?단계)", re.MULTILINE)
_SENTENCE = re.compile(r".*?(?:[.?!]\s+|\Z)", re.DOTALL)


def asks(passage: Passage, options: Options) -> Iterator[Ask]:
    """All that is asked of a passage at first; what is asked of questions (``rewrite``) is not in it."""
    for part in parts(passage.text, options.part_chars):
        for purpose in options.purposes:
            count = quota(part, purpose, options)
            if count:
                yield Ask(purpose, passage.title, passage.headings, part, count)


def rewording(ask: Ask, pair: Pair, options: Options) -> Ask:
    """What is asked of a question that was made: the same in the words of each level."""
    return Ask("rewrite", ask.title, ask.headings, ask.text, len(options.levels), pair)


def quota(text: str, purpose: Purpose, options: Options) -> int:
    """How many items a purpose is due for a part of a passage.

    With c characters that are no blanks: ``qa`` ceil(c / chars_per_item), at least 1 and at most
    items_at_most; ``procedure`` 1 where two lines are numbered; ``summary`` and ``multi_turn`` 1 where
    qa would be 2 and more. Nothing below min_chars.
    """
    characters = solid(text)
    if characters < options.min_chars or purpose == "rewrite":
        return 0
    items = min(options.items_at_most, -(-characters // options.chars_per_item))
    if purpose == "qa":
        return items
    if purpose == "procedure":
        return int(len(_STEP.findall(text)) > 1)
    return int(-(-characters // options.chars_per_item) > 1)


def solid(text: str) -> int:
    """How many characters of a text are no blanks."""
    return sum(not c.isspace() for c in text)


def parts(text: str, limit: int) -> Iterator[str]:
    """A text in parts of at most ``limit`` characters, cut at ends of lines, else of sentences."""
    part = ""
    for line in _pieces(text, limit):
        if part and len(part) + len(line) > limit:
            yield part.strip("\n")
            part = ""
        part += line
    if part.strip():
        yield part.strip("\n")


def _pieces(text: str, limit: int) -> Iterator[str]:
    for line in text.splitlines(keepends=True):
        if len(line) <= limit:
            yield line
            continue
        for sentence in _SENTENCE.findall(line):
            yield from (sentence[start : start + limit] for start in range(0, len(sentence), limit))
