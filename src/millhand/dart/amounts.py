"""Numbers as Korean filings write them, their units, and amounts in words. All exact, in Decimal.

What cannot be read surely is None: a number left out harms nobody, a wrong one does.
"""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal, NamedTuple

# (1,234) and △1,234 are negative; so is -1,234, whichever dash the editor took.
_NUMBER = re.compile(
    r"(?P<open>\(\s*)?(?P<sign>[△▲Δ∆\-−–]\s*)?(?P<digits>\d{1,3}(?:,\d{3})+|\d+)(?P<point>\.\d+)?"
    r"\s*(?P<inner>%p?)?(?P<close>\s*\))?\s*(?P<unit>%p?|[^\W\d_][^\d()\[\],.△▲%]{0,9})?"
)
_FOOTNOTE = re.compile(r"\s*(?:\((?:\*\d{0,2}|주\s?\d{1,2})\)|\*\d{0,2})$")
_WIDE = str.maketrans("０１２３４５６７８９，．（）％　", "0123456789,.()% ")
_ABSENT = frozenset("-－–—―‐‑−ㆍ·")
_MOST_DIGITS = 24

_WON = {
    "원": 0,
    "천원": 3,
    "만원": 4,
    "십만원": 5,
    "백만원": 6,
    "천만원": 7,
    "억원": 8,
    "십억원": 9,
    "백억원": 10,
    "천억원": 11,
    "조원": 12,
}
_LARGE = ((Decimal(10**12), "조"), (Decimal(10**8), "억"), (Decimal(10**4), "만"))
_IN_UNIT_LINE = re.compile(r"^[(（\[<〈]?\s*(?:표시)?\s*단위\s*[:：]?\s*(.*?)\s*[)）\]>〉]?$")
_IN_LABEL = re.compile(r"[(（\[]\s*단위\s*[:：]?\s*([^()（）\[\]]{1,12}?)\s*[)）\]]")
_KNOWN_IN_BRACKETS = re.compile(
    r"[(（]\s*(원|천원|백만원|억원|%|%p|주|천주|명|개|건|배|일|년|개월|회|톤|대)\s*[)）]"
)


class Number(NamedTuple):
    """A number of a cell, and the unit that stands behind it in the same cell, if any."""

    value: Decimal
    unit: str = ""


Cell = Number | Literal["absent"] | None


def read_number(text: str) -> Cell:
    """The number in a cell; ``absent`` for an empty cell or a dash; None where it is not surely a number.

    Negative are ``(1,234)``, ``△1,234`` and ``-1,234``; two of these marks at once are not sure.
    """
    plain = text.translate(_WIDE).strip()
    if not plain or (len(plain) <= 2 and set(plain) <= _ABSENT):
        return "absent"
    found = _NUMBER.fullmatch(_FOOTNOTE.sub("", plain))
    if (
        found is None
        or bool(found["open"]) != bool(found["close"])
        or len(found["digits"].replace(",", "")) > _MOST_DIGITS
    ):
        return None
    if found["open"] and found["sign"]:
        return None
    value = Decimal(found["digits"].replace(",", "") + (found["point"] or ""))
    unit = (found["inner"] or found["unit"] or "").strip()
    negative = bool(found["open"] or found["sign"]) and value != 0
    return Number(-value if negative else value, unit)


def units_of(line: str) -> tuple[str, ...]:
    """The units that a unit line names: ``단위 : 백만원, %`` gives two. Empty where it is no such line."""
    found = _IN_UNIT_LINE.match(line.strip())
    if found is None:
        return ()
    parts = ("".join(part.split()) for part in re.split(r"[,，/]", found[1]))
    return tuple(f"{part})" if part.count("(") > part.count(")") else part for part in parts if part)


def unit_in_label(label: str) -> str:
    """The unit that an account names for itself: ``기본주당이익 (단위 : 원)``; empty where there is none."""
    found = _IN_LABEL.search(label) or _KNOWN_IN_BRACKETS.search(label)
    return "".join(found[1].split()) if found else ""


def without_unit(label: str) -> str:
    """A label without the unit in brackets that it names."""
    return _KNOWN_IN_BRACKETS.sub("", _IN_LABEL.sub("", label)).strip()


def is_won(unit: str) -> bool:
    """Whether a unit is won or a multiple of it."""
    return unit in _WON


def in_won(value: Decimal, unit: str) -> Decimal:
    """A value of a unit that :func:`is_won`, in won."""
    return value.scaleb(_WON[unit])


def shown(value: Decimal) -> str:
    """A number with thousands parted, a minus before it, and as many decimals as it has."""
    return f"{value:,f}"


def in_words(value: Decimal, unit: str) -> str:
    """An amount as it is said: ``69조 808억 9,300만원``; exact. Empty where that would say nothing new.

    Only amounts of at least 10,000 won are said so.
    """
    if not is_won(unit):
        return ""
    won = in_won(value, unit)
    if abs(won) < 10**4 or won != won.to_integral_value():
        return ""
    parts: list[str] = []
    rest = abs(won)
    for size, name in _LARGE:
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{int(count):,}{name}")
    if rest:
        parts.append(f"{int(rest):,}")
    words = f"{'-' if won < 0 else ''}{' '.join(parts)}원"
    return "" if words == f"{shown(value)}{unit}" else words


def percent(part: Decimal, whole: Decimal) -> str:
    """``part`` of ``whole`` in percent with one decimal, rounded half up; ``whole`` is not 0."""
    share = (abs(part) * 100 / abs(whole)).quantize(Decimal("0.1"), rounding=ROUND_HALF_UP)
    return "0.1% 미만" if part and not share else f"{share:,f}%"
