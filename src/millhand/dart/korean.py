"""The particles that Korean words take, by how their last sound ends."""

from __future__ import annotations

import re

_FIRST, _LAST, _FINALS, _RIEUL = 0xAC00, 0xD7A3, 28, 8
# How the last sound of a numeral or letter ends when it is read: 0 open, 8 in ㄹ, 1 in another consonant.
_DIGITS = {"0": 1, "1": 8, "2": 0, "3": 1, "4": 0, "5": 0, "6": 1, "7": 8, "8": 8, "9": 0}
_LETTERS = {"l": 8, "m": 1, "n": 1, "r": 8}
_SIGNS = {"%": 0, "㈜": 0, "㎡": 8, "℃": 0}
_SILENT = re.compile(r"[^\w%㈜㎡℃]+$")
_BRACKETS = re.compile(r"(?<=\S)\s*(?:\([^()]*\)|\[[^\[\]]*\])$")


def topic(word: str) -> str:
    """은 or 는."""
    return "은" if _ending(word) else "는"


def together(word: str) -> str:
    """과 or 와."""
    return "과" if _ending(word) else "와"


def by(word: str) -> str:
    """으로 or 로."""
    return "으로" if _ending(word) not in (0, _RIEUL) else "로"


def _ending(word: str) -> int:
    """0 where the last sound is open, 8 where it is ㄹ, else another number.

    What stands in brackets at the end is not heard: a particle agrees with the word before it.
    """
    heard = _SILENT.sub("", _BRACKETS.sub("", word))
    last = heard[-1:].lower()
    if last and _FIRST <= ord(last) <= _LAST:
        return (ord(last) - _FIRST) % _FINALS
    return _DIGITS.get(last) or _LETTERS.get(last) or _SIGNS.get(last, 0)
