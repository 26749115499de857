"""The patterns of personal data in Korean text, looked for in a key text (``text.keyed``)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from millhand.text import pii_judges as judges
from millhand.text.pii_judges import PiiKind, Seen


class Rule(NamedTuple):
    """What a number looks like and who says what it is (None: nothing).

    ``gate`` is a cheap sign without which there can be no match. The group ``lead`` stands before the value.
    """

    gate: re.Pattern[str]
    pattern: re.Pattern[str]
    judge: Callable[[Seen], PiiKind | None]


# No part of a longer number.
_LEFT, _RIGHT = r"(?<![0-9])(?<![0-9][-.])", r"(?![0-9])(?!-[0-9])"
_SEP = r"(?: - |[-. ]{0,2})"
_AREA = r"(?:2|3[1-3]|4[1-4]|5[1-5]|6[1-4]|70|50[0-9]?)"
_REGION = (
    "서울|부산|대구|인천|광주|대전|울산|세종|경기|강원|충북|충남|충청|전북|전남|전라|경북|경남|경상|제주"
)
_ABROAD = rf"\+82{_SEP}(?:\(0\) ?|0)?"
_YEAR = r"(?:(?:19|20)[0-9]{2}|[0-9]{2})"
_DATE = (
    rf"{_YEAR} ?(?:[-./]|년) ?[0-9]{{1,2}}(?: ?(?:[-./]|월) ?[0-9]{{1,2}}(?: ?일)?| ?월)?"
    rf"|{_YEAR}[0-9]{{4}}"
)

_AT = re.compile(r"@|[\[(]\s?at\s?[\])]", re.IGNORECASE)
_FOUR = re.compile("[0-9]{4}")
_SIX = re.compile("[0-9]{6}")
_TEN = re.compile("[0-9]([- ])[0-9]+\\1[0-9]|[0-9]{10}")
_DOTS = re.compile(r"[0-9]\.[0-9]{1,3}\.[0-9]")
_COLONS = re.compile(":[0-9A-Fa-f]{0,4}:")
_BIRTH = re.compile(rf"{judges.BIRTH_WORDS}|[0-9월일] ?생|[남여][성자]?[\s|/,]{{1,3}}[0-9]", re.IGNORECASE)
_SEX = r"(?<![가-힣])[남여][성자]?[\s|/,]{1,3}"  # a list of executives: 남 1968.03
_PLACE = re.compile(_REGION)

_EMAIL = (
    r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]++(?:@|\s?[\[(]\s?(?:at|AT)\s?[\])]\s?)"
    r"(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![A-Za-z0-9])"
)
_RESIDENT = (
    rf"{_LEFT}[0-9]{{6}}(?:(?: ?[-~_.] ?| {{1,2}})?[0-9]{{7}}{_RIGHT}"
    r"| ?- ?[1-8](?:[0-9]{0,5}[*xX●○]{1,6})(?![0-9A-Za-z*●○]))"
)
_CARD = (
    rf"{_LEFT}(?:[0-9]{{4}}(?P<a>[- ])[0-9]{{4}}(?P=a)[0-9]{{4}}(?P=a)[0-9]{{4}}"
    rf"|3[47][0-9]{{2}}(?P<b>[- ])[0-9]{{6}}(?P=b)[0-9]{{5}}|[0-9]{{15,16}}){_RIGHT}"
)
_DRIVER = (
    rf"(?:(?:{_REGION}) ?|{_LEFT}[0-9]{{2}}[- ]?|{_LEFT})[0-9]{{2}}[- ]?[0-9]{{6}}[- ]?[0-9]{{2}}{_RIGHT}"
)
_BUSINESS = rf"{_LEFT}(?:[0-9]{{3}}-[0-9]{{2}}-[0-9]{{5}}|[0-9]{{10}}){_RIGHT}"
_MOBILE = (
    rf"(?:{_ABROAD}|{_LEFT}82-0?|{_LEFT}\(?0)"
    rf"(?:10\)?{_SEP}[0-9]{{4}}|1[16789]\)?{_SEP}[0-9]{{3,4}}){_SEP}[0-9]{{4}}{_RIGHT}"
)
_LANDLINE = rf"(?:{_ABROAD}|{_LEFT}\(?0){_AREA}\)?{_SEP}[1-9][0-9]{{2,3}}{_SEP}[0-9]{{4}}{_RIGHT}"
_ACCOUNT = (
    rf"{_LEFT}(?:[0-9]{{2,6}}(?:(?:-[0-9]{{2,8}}){{2,3}}|(?: [0-9]{{2,8}}){{2,3}})|[0-9]{{10,14}}){_RIGHT}"
)
_PASSPORT = r"(?<![A-Za-z0-9])[MSRODGmsrodg](?:[0-9]{8}|[0-9]{3}[A-Za-z][0-9]{4})(?![A-Za-z0-9])"
_IPV4 = r"(?<![0-9.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![0-9])(?!\.[0-9])"
_IPV6 = r"(?<![0-9A-Za-z:])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{1,4}(?![0-9A-Za-z:])"
_BIRTHDAY = (
    rf"(?P<lead>(?i:{judges.BIRTH_WORDS})(?:은|는|이|가)?[\s:()\[\]\-=|,'’]{{0,6}}|{_SEX}(?=(?:19|20)[0-9]))?"
    rf"(?<![0-9])(?<![0-9][-.])(?:{_DATE})(?![0-9])"
)
_ADDRESS = (
    rf"(?:{_REGION})(?:특별시|광역시|특별자치[시도]|[남북]?도|시)? ?(?:[가-힣]{{1,6}}[시군구] ?){{1,2}}"
    r"(?:[가-힣]{1,4}[읍면] ?)?(?:[가-힣0-9]{1,12}(?:로|길)|[가-힣]{1,6}[0-9]{0,2}[동리가]) ?"
    r"[0-9]{1,4}(?:-[0-9]{1,4})?(?:번지)?(?:,? ?\([^()\n]{1,20}\))?(?:,? ?[0-9]{1,4}동)?(?:,? ?[0-9]{1,4}호)?"
)


def _rule(gate: re.Pattern[str], pattern: str, judge: Callable[[Seen], PiiKind | None]) -> Rule:
    return Rule(gate, re.compile(pattern), judge)


# The first that says what a number is has the say: an e-mail address may hold a phone number.
RULES = (
    _rule(_AT, _EMAIL, judges.email),
    _rule(_SIX, _RESIDENT, judges.resident),
    _rule(_FOUR, _CARD, judges.card),
    _rule(_SIX, _DRIVER, judges.driver),
    _rule(_TEN, _BUSINESS, judges.business),
    _rule(_FOUR, _MOBILE, judges.mobile),
    _rule(_FOUR, _LANDLINE, judges.landline),
    _rule(_TEN, _ACCOUNT, judges.account),
    _rule(_FOUR, _PASSPORT, judges.passport),
    _rule(_DOTS, _IPV4, judges.ip),
    _rule(_COLONS, _IPV6, judges.ip),
    _rule(_BIRTH, _BIRTHDAY, judges.birth),
    _rule(_PLACE, _ADDRESS, judges.address),
)
