"""Korean particles by the last sound of the word before them, also of numbers, Latin letters and signs."""

from __future__ import annotations

import re

_FIRST, _LAST, _TAILS = ord("가"), ord("힣"), 28
_NONE, _RIEUL = 0, 8  # places in the list of final consonants
_OTHER = 1
_PAIRS = {
    "은는": ("은", "는"),
    "이가": ("이", "가"),
    "을를": ("을", "를"),
    "과와": ("과", "와"),
    "이란": ("이란", "란"),
    "으로": ("으로", "로"),
}
_BEHIND = re.compile(r"(?<=\S)(?:\s*(?:\([^()]*\)|\[[^\[\]]*\]|〔[^〔〕]*〕))+\s*$")
_CLOSING = "\"'”’」』》〉)]. "
# The last sound of a digit as it is read, 영 to 구, and of the numbers that end in so many zeros.
_DIGITS = dict(zip("0123456789", map(ord, "영일이삼사오육칠팔구"), strict=True))
_ZEROS = {1: "십", 2: "백", 3: "천", 4: "만", 5: "만", 6: "만", 7: "만", 8: "억"}
_NUMBER = re.compile(r"([0-9][0-9,]*(?:\.[0-9]+)?)$")
_UNIT = re.compile(r"\d\s*(kg|mg|g|km|cm|mm|m|MPa|kPa|Pa|kW|W|V|A|L|ml|lx)$")
_UNITS = {"kg": "램", "mg": "램", "g": "램", "MPa": "칼", "kPa": "칼", "Pa": "칼"}
_SIGNS = {"%": "트", "℃": "도", "°": "도", "㎡": "터", "㎥": "터", "㎝": "터", "㎏": "램", "~": "지"}
_LETTERS = {"L": "엘", "M": "엠", "N": "엔", "R": "알"}
_SOUNDED = ("m", "n", "ng", "me", "ne")


class Word(str):
    """A text that takes its particle in a template: ``"{topic:을를}"`` -> ``정전을``, ``화재를``.

    Pairs: 은는, 이가, 을를, 과와, 이란 (이란/란), 으로 (으로/로).
    """

    __slots__ = ()

    def __format__(self, pair: str) -> str:
        """The text, with the particle of the pair that belongs to it."""
        return with_particle(self, pair) if pair else str(self)


def with_particle(word: str, pair: str) -> str:
    """``word`` with one of a pair of particles; ``은(는)`` where its last sound cannot be told.

    What stands in brackets at the end is not read: ``비상 열쇠(봉인)는``.
    """
    closed, opened = _PAIRS[pair]
    tail = _tail(word)
    if tail is None:
        return f"{word}{closed}({opened})"
    is_open = tail == _NONE or (pair == "으로" and tail == _RIEUL)
    return word + (opened if is_open else closed)


def final_consonant(syllable: str) -> int:
    """Of a Hangul syllable, 0 for none, in the order of Unicode (4 ㄴ, 8 ㄹ, 16 ㅁ, 17 ㅂ, 20 ㅆ)."""
    return (ord(syllable) - _FIRST) % _TAILS if is_syllable(syllable) else _NONE


def with_final(syllable: str, consonant: int) -> str:
    """A Hangul syllable with another final consonant; 0 takes it away."""
    return chr(ord(syllable) - final_consonant(syllable) + consonant)


def is_syllable(sign: str) -> bool:
    """Whether a sign is a Hangul syllable."""
    return len(sign) == 1 and _FIRST <= ord(sign) <= _LAST


def _tail(word: str) -> int | None:
    """The final consonant of the last sound: 0 for none, None where it cannot be told."""
    text = _BEHIND.sub("", word.strip()).rstrip(_CLOSING)
    last = text[-1:]
    unit = _UNIT.search(text)
    if is_syllable(last):
        return final_consonant(last)
    if unit:
        return final_consonant(_UNITS.get(unit[1], "터"))
    if "0" <= last <= "9":
        return _tail_of_number(text)
    if last in _SIGNS:
        return final_consonant(_SIGNS[last])
    return _tail_of_latin(text) if last.isascii() and last.isalpha() else None


def _tail_of_number(text: str) -> int:
    found = _NUMBER.search(text)
    digits = found[1].replace(",", "") if found else text[-1]
    zeros = 0 if "." in digits or not digits.strip("0") else len(digits) - len(digits.rstrip("0"))
    return final_consonant(_ZEROS.get(min(zeros, 8)) or chr(_DIGITS[digits[-1]]))


def _tail_of_latin(text: str) -> int:
    """Capitals are read by their names, other words about as they are spelled."""
    if text[-1].isupper():
        return final_consonant(_LETTERS.get(text[-1], "이"))
    if text.endswith(("l", "le")):
        return _RIEUL
    return _OTHER if text.endswith(_SOUNDED) else _NONE
