"""How Korean documents number their headings and mark their lists."""

from __future__ import annotations

import re
from typing import NamedTuple

# Each kind of number as it stands before a heading, the highest in rank first: a report goes
# 제1장 > I. > 1. > 1.1 > 가. > (1) > (가) > ①
_MENTION = r"(?!에|의\s|[을를은는과와로]\s|이\s|부터|까지|및)"  # 제3장에 따라: a sentence that speaks of it
_NUMBERS = (
    ("part", rf"제\s?\d{{1,3}}\s?[편부]{_MENTION}"),
    ("chapter", rf"제\s?\d{{1,3}}\s?장{_MENTION}"),
    ("clause", rf"제\s?\d{{1,3}}\s?[절관조](?:의\s?\d+)?{_MENTION}"),
    ("roman", r"(?:[IVX]{1,5}|[Ⅰ-Ⅻ])\."),
    ("decimal", r"\d{1,3}(?:[.-]\d{1,3}){1,4}\.?(?=\s)|\d{1,3}(?:[.-]\d{1,3}){1,4}\.(?=\D)"),
    ("digit", r"\d{1,2}\.(?!\d)"),
    ("hangul", r"[가나다라마바사아자차카타파하]\."),
    ("half", r"\d{1,2}\)|[가나다라마바사아자차카타파하]\)"),
    ("bracket", r"\(\d{1,2}\)|\([가나다라마바사아자차카타파하]\)|[⑴-⒇]"),
    ("circle", r"[①-⑳]"),
)
_NUMBER = re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in _NUMBERS))
_RANKS = {kind: rank for rank, (kind, _) in enumerate(_NUMBERS)}
# A dash may be a minus, a star a footnote: those need a blank behind them.
_BULLET = re.compile(r"(?:[•·ㆍ∙◦○●□■◇◆▶▷►▪‣](?=\s*\S)|[-–—*](?=\s+\S))\s*")
_SENTENCE = re.compile(r"[.?!][)\]\"'”’]?$")
_LISTED = ("half", "bracket", "circle")


class Numbered(NamedTuple):
    """A heading's number, its kind (``roman``), the kind's rank (0: the highest), and what stands behind."""

    number: str
    kind: str
    rank: int
    rest: str


class Marked(NamedTuple):
    """A list item's marker and its text."""

    marker: str
    rest: str


def split_number(text: str) -> Numbered | None:
    """Part ``II. 사업의 내용`` into ``II.`` and ``사업의 내용``; None where no number stands in front."""
    found = _NUMBER.match(text)
    if found is None or not found.lastgroup:
        return None
    return Numbered(found[0], found.lastgroup, _RANKS[found.lastgroup], text[found.end() :].strip())


def split_marker(text: str) -> Marked | None:
    """Part ``① 문을 잠근다`` into marker and text; None where ``text`` is no list item.

    ``1.`` and ``가.`` do not make one: they number headings as often.
    """
    bullet = _BULLET.match(text)
    if bullet:
        return Marked(bullet[0].strip(), text[bullet.end() :])
    numbered = _NUMBER.match(text)
    if numbered and numbered.lastgroup in _LISTED and text[numbered.end() :].strip():
        return Marked(numbered[0], text[numbered.end() :].strip())
    return None


def split_step(text: str) -> Marked | None:
    """Part ``1. 문을 잠근다.`` into marker and text where what stands behind the number is a sentence.

    For text that is known to be no heading.
    """
    numbered = split_number(text)
    if numbered and numbered.kind == "digit" and _SENTENCE.search(numbered.rest):
        return Marked(numbered.number, numbered.rest)
    return None
