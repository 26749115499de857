"""What must hold for a number to count as personal data: its form alone is seldom enough.

A check digit, a real date or a word beside it has to speak for it, since reports are full of numbers.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Literal, NamedTuple, TypeAlias

from millhand.text.pii_checks import (
    born,
    business_check,
    card_check,
    corporate_check,
    digits,
    is_barcode,
    may_lack_check,
    real_date,
    resident_check,
)

PiiKind: TypeAlias = Literal[
    "resident",
    "foreigner",
    "passport",
    "driver",
    "mobile",
    "landline",
    "email",
    "card",
    "account",
    "ip",
    "birth",
    "address",
    "business",
    "corporate",
]


_LABEL = re.compile(r"\[[가-힣IP]{2,10}\]?|^[가-힣IP]{1,9}\]")  # a mask's words speak for nothing
_ALIVE_SINCE = 1920


class Seen(NamedTuple):
    """A match, the word that led to it, and what stands around it in the key text.

    ``before`` has 40 characters at most, ``after`` 15; ``context`` stands elsewhere and speaks for it: the
    heading of a column.
    """

    text: str
    lead: str
    before: str
    after: str
    context: str

    def near(self, words: re.Pattern[str]) -> bool:
        """Whether one of ``words`` stands close by."""
        return any(words.search(_LABEL.sub(" ", part)) for part in (self.before, self.after, self.context))


def _words(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


BIRTH_WORDS = (
    r"생\s?년\s?월\s?일|출생\s?[년연]\s?월\s?일?|출생일자?|생일"
    r"|birth\s?da(?:y|te)|date of birth|\bDOB\b"
)
_BORN = _words(BIRTH_WORDS)
_RESIDENT = _words("주민|외국인|거소|resident|RRN")
_CORPORATE = _words(r"법인\s?(?:등록\s?)?번호|법인\s?등록|등기\s?번호")
_BUSINESS = _words("사업자")
_LICENCE = _words("면허|licen[cs]e")
_PASSPORT = _words("여권|passport")
_PHONE = _words(r"전화|연락처|휴대|핸드폰|팩스|☎|phone|mobile|\btel|fax|문의")
_CARD = _words("카드|card")
_BANK = _words(
    r"은행|뱅크|농협|수협|신협|금고|우체국|계좌|입금|송금|예금주|\bbank|account\s?(?:no|num)|\ba/c\b"
)
_ACCOUNT = _words(r"계좌|입금|송금|account\s?(?:no|num)|\ba/c\b")
_BANK_NAME = r"(?:국민|신한|우리|하나|기업|제일|씨티|산업|카카오|토스|케이|대구|부산|광주|전북|경남|제주|iM)"
_BANK_BESIDE = (_words(_BANK_NAME + r"[^0-9가-힣]{0,3}$"), _words(r"^[\s(,]{0,3}" + _BANK_NAME))
_HOST = _words(r"\bip\b|아이피|서버|server|호스트|host|접속")
_VERSION = _words(r"(?:버전|version|\bver\.?|\bv)\s*$")
_DATE_PARTS = re.compile(
    r"([0-9]{4}(?=[^0-9]|[0-9]{4}$)|[0-9]{2})\D{0,3}([0-9]{1,2})(?:\D{0,3}([0-9]{1,2}))?"
)


def email(_: Seen) -> PiiKind | None:
    """An address counts as it stands."""
    return "email"


def address(_: Seen) -> PiiKind | None:
    """A street with a house number counts as it stands."""
    return "address"


def resident(seen: Seen) -> PiiKind | None:
    """Tell residents, foreigners and corporations apart: their numbers all have the form 6-7.

    With a dash a plausible birth date is enough, for numbers issued since October 2020 have no check
    digit. Without a dash the check digit or a word has to speak for it.
    """
    number, named = digits(seen.text), seen.near(_RESIDENT)
    if not named and is_barcode(seen.text):
        return None
    if not named and (seen.near(_CORPORATE) or _is_corporate(number)):
        return "corporate"
    if born(number) is None or not (named or _borne_out(seen.text, number)):
        return None
    return "foreigner" if number[6] in "5678" else "resident"


def _borne_out(text: str, number: str) -> bool:
    hidden = len(number) < 13
    return "-" in text or hidden or resident_check(number) or (" " in text and may_lack_check(number))


def _is_corporate(number: str) -> bool:
    """A corporation's check digit decides where no person is likely: too old, or no person's number.

    With 110111 begin the joint-stock companies of Seoul, most of all there are.
    """
    if len(number) < 13 or not corporate_check(number):
        return False
    day = born(number)
    unlikely = day is None or day.year < _ALIVE_SINCE or number.startswith("110111")
    return unlikely or not (resident_check(number) or may_lack_check(number))


def card(seen: Seen) -> PiiKind | None:
    """A scheme's number with the right check digit; four groups beside the word ``카드`` whatever it is.

    Groups parted by blanks may be a row of a table: years and round numbers are none.
    """
    groups = re.findall("[0-9]+", seen.text)
    if len(groups) > 1 and seen.near(_CARD):
        return "card"
    years = all(group.startswith(("19", "20")) for group in groups)
    if " " in seen.text and (years or all(group.endswith("0") for group in groups)):
        return None
    return "card" if card_check("".join(groups)) else None


def driver(seen: Seen) -> PiiKind | None:
    """With the name of a region or the code of one (11 to 28); otherwise a word has to speak for it."""
    region = seen.text[:2]
    written = not region.isdigit() or (seen.text.count("-") == 3 and 11 <= int(region) <= 28)
    return "driver" if written or seen.near(_LICENCE) else None


def business(seen: Seen) -> PiiKind | None:
    """With its dashes and the right check digit, or beside its name."""
    valid = "-" in seen.text and business_check(digits(seen.text))
    return "business" if valid or seen.near(_BUSINESS) else None


def mobile(seen: Seen) -> PiiKind | None:
    """010 counts as it stands; the old codes without separators only beside a word."""
    plain = seen.text.isdigit() and not seen.text.startswith("010")
    return "mobile" if not plain or seen.near(_PHONE) else None


def landline(seen: Seen) -> PiiKind | None:
    """With two dashes or brackets, or in the international form; otherwise only beside a word."""
    written = seen.text.startswith("+") or len(re.findall(r"[-)]", seen.text)) > 1
    return "landline" if written or seen.near(_PHONE) else None


def account(seen: Seen) -> PiiKind | None:
    """10 to 16 digits near a word for a bank or right beside one's name; without dashes behind ``계좌``."""
    groups = re.findall("[0-9]+", seen.text)
    dated = len(groups) > 1 and len(groups[0]) == 4 and real_date(int(groups[0]), int(groups[1][:2]))
    numbered = seen.before.rstrip().endswith("제") or seen.after.lstrip().startswith("호")
    right = 10 <= sum(map(len, groups)) <= 16 and not dated and not numbered
    return "account" if right and _of_bank(seen) else None


def _of_bank(seen: Seen) -> bool:
    if " " in seen.text:
        return "계좌" in seen.before[-15:] or "계좌" in seen.context
    if "-" not in seen.text:
        return seen.near(_ACCOUNT)
    before, after = _BANK_BESIDE
    return seen.near(_BANK) or bool(before.search(seen.before) or after.search(seen.after))


def passport(seen: Seen) -> PiiKind | None:
    """Only beside the word: parts of machines are numbered in the same way."""
    return "passport" if seen.near(_PASSPORT) else None


def ip(seen: Seen) -> PiiKind | None:
    """Two of its four numbers have two digits or more, or a word speaks for it: headings read 2.1.3.1."""
    try:
        ip_address(seen.text)
    except ValueError:
        return None
    if ":" in seen.text:
        return "ip"
    long = sum(len(part) > 1 for part in seen.text.split(".")) > 1
    named = _HOST.search(seen.before[-12:]) or _HOST.search(seen.context)
    return "ip" if not _VERSION.search(seen.before) and (long or named) else None


def birth(seen: Seen) -> PiiKind | None:
    """A date right behind a word for it, before ``생``, or in a column of them."""
    known = seen.lead or _BORN.search(seen.context) or re.match(r"\s?생(?![가-힣])", seen.after)
    found = _DATE_PARTS.match(seen.text) if known else None
    if found is None:
        return None
    year, month, day = (int(part) if part else 1 for part in found.groups())
    years = (year,) if year > 99 else (1900 + year, 2000 + year)
    return "birth" if any(real_date(y, month, day) for y in years) else None
