"""Check digits and dates: what tells a number that names a person from any other number."""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import date
from itertools import cycle

_RESIDENT_WEIGHTS = (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)
_BUSINESS_WEIGHTS = (1, 3, 7, 1, 3, 7, 1, 3, 5)
# The digit after the birth date: 1900s and 2000s, Koreans and foreigners.
_CENTURIES = {**dict.fromkeys("1256", 1900), **dict.fromkeys("3478", 2000)}
# Numbers issued since then carry no check digit (주민등록법 시행규칙, in force from 5 October 2020).
_WITHOUT_CHECK = date(2020, 10, 5)
# The kinds of corporation in a registration number's fifth and sixth digit (상업등기규칙): 11 joint-stock …
_CORPORATIONS = re.compile(r"(?:1[1-5]|2[1-4]|3[1-6]|4[1-4]|5[1-2]|7[1]|8[1-6])")
# The first digits that card schemes issue; Korean cards that are good in Korea only begin with 9.
_CARD = re.compile(r"4|5[0-8]|2(?:2[2-9]|[3-6]|7[01]|720)|3[4-7]|6[0245]|9[0-9]")


def digits(text: str) -> str:
    """The ASCII digits of ``text``."""
    return "".join(re.findall("[0-9]", text))


def real_date(year: int, month: int, day: int = 1) -> bool:
    """Whether there was such a day between 1900 and the end of this year."""
    known = 1900 <= year <= date.today().year and 1 <= month <= 12
    return known and 1 <= day <= monthrange(year, month)[1]


def born(number: str) -> date | None:
    """The birth date in a resident's or foreigner's number of 13 digits; None where there is none."""
    century = _CENTURIES.get(number[6])
    year, month, day = (century or 0) + int(number[:2]), int(number[2:4]), int(number[4:6])
    return date(year, month, day) if century and real_date(year, month, day) else None


def resident_check(number: str) -> bool:
    """Whether the 13th digit of a resident's number, or of a foreigner's, is the right one."""
    rest = sum(int(d) * w for d, w in zip(number, _RESIDENT_WEIGHTS, strict=False)) % 11
    right = (13 - rest) if number[6] in "5678" else (11 - rest)
    return int(number[12]) == right % 10


def may_lack_check(number: str) -> bool:
    """Whether someone born on that date can only have a number without a check digit."""
    day = born(number)
    return day is not None and day >= _WITHOUT_CHECK


def business_check(number: str) -> bool:
    """Whether the tenth digit of a business registration number is the right one."""
    total = sum(int(d) * w for d, w in zip(number, _BUSINESS_WEIGHTS, strict=False))
    return len(number) == 10 and (total + int(number[8]) * 5 // 10 + int(number[9])) % 10 == 0


def corporate_check(number: str) -> bool:
    """Whether the 13th digit of a corporate registration number is right, and its kind one there is."""
    total = sum(int(d) * w for d, w in zip(number[:12], cycle((1, 2)), strict=False))
    return bool(_CORPORATIONS.fullmatch(number[4:6])) and (total + int(number[12])) % 10 == 0


def is_barcode(number: str) -> bool:
    """Whether 13 digits are the barcode of a Korean product: GS1's prefix 880, and its check digit."""
    total = sum(int(d) * w for d, w in zip(number, cycle((1, 3)), strict=False) if d.isdigit())
    return len(number) == 13 and number.isdigit() and number.startswith("880") and total % 10 == 0


def card_check(number: str) -> bool:
    """Whether a number of 13 to 19 digits is a card's: Luhn (ISO/IEC 7812-1), and a scheme's beginning."""
    doubled = (int(d) * (1 + i % 2) for i, d in enumerate(reversed(number)))
    luhn = sum(d - 9 if d > 9 else d for d in doubled) % 10 == 0
    return 13 <= len(number) <= 19 and luhn and bool(_CARD.match(number))
