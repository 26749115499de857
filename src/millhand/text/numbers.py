"""Numbers of Korean text with their units, so that 1,000명, 1000 명 and 천 명 are the same.

Values are exact (``Decimal``). What only looks like a number is told apart: the name of a standard
(ISO 45001, GRI 305-5), a clause (제12조의2), a telephone number, a version; these are :class:`Label`.
Dates and times of day are read first (:mod:`millhand.text.moments`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import NamedTuple

from millhand.text.measures import unit_at
from millhand.text.moments import Clock, Date, clocks, dates

_SMALL = {"십": 10, "백": 100, "천": 1000}
_LARGE = {"만": 10**4, "억": 10**8, "조": 10**12}
_SINO = {c: i for i, c in enumerate("영일이삼사오육칠팔구")} | {"육": 6, "륙": 6}
_ONES = ["한", "두", "세", "네", "다섯", "여섯", "일곱", "여덟", "아홉"]
_TENS = ["열", "스물", "서른", "마흔", "쉰", "예순", "일흔", "여든", "아흔"]
_SIGNS = str.maketrans("０１２３４５６７８９，．％－−–～∼〜：", "0123456789,.%---~~~:")

_DIGITS = r"(?:\d{1,3}(?:,\d{3})+(?![\d])(?:\.\d+)?|\d+(?:\.\d+)?)"
_JO = r"조(?!각|직|건|치|사|항|합|립|\s?\d+\s?(?:교대|항|호|조))"
_SCALE = rf"(?:[십백천]{{0,2}}(?:만(?!큼)|억|{_JO})|[십백천])"
_RUN = rf"{_DIGITS}(?:\s?{_SCALE}(?:\s?{_DIGITS}\s?{_SCALE})*(?:(?<=[만천백])\s?{_DIGITS})?)?"
_NUMBER = re.compile(
    rf"(?:(?<![\w)\].])(?P<sign>[-△▲]))?(?P<money>US\$|[$₩€¥]\s?)?(?<![A-Za-z0-9_.,])(?P<run>{_RUN})(?!\.\d)"
)
_COMPONENT = re.compile(rf"({_DIGITS})\s?({_SCALE})?")
_MONEY = {"$": "달러", "US$": "달러", "₩": "원", "€": "유로", "¥": "엔"}
# Numbers in letters are read only before what is counted: 천장, 만일, 사원 and 이 층 are other words.
_COUNTED = "원|명|개|건|톤|달러|퍼센트|%|배|미터|킬로|평|가지|곳|군데|사람|종류"
_COUNTED_APART = "회|번|대|장|점|분|일|년|시간|세|층|초"
_COUNTED_NATIVE = "가지|명|개|번|시간|대|곳|차례|단계|사람|달|살|배|건|종류|군데|장|층|줄|쪽|팀|차로|자리"
_DIGIT, _LETTERS = "[일이삼사오육칠팔구]", "[일이삼사오육칠팔구십백천만억조]"
_WRITTEN = re.compile(
    rf"(?<![가-힣\d])(?P<run>{_DIGIT}?[십백천만억](?:{_LETTERS}|(?<=[만억조]) (?={_DIGIT}?[십백천]))*)"
    rf"(?:여\s?)?(?=(?: ?(?:{_COUNTED})| (?:{_COUNTED_APART})))"
)
_NATIVE = re.compile(
    rf"(?<![가-힣\d])(?=[한두세네다여일아열스서마쉰예흔])"
    rf"(?P<ten>{'|'.join(_TENS)}|스무)?(?P<one>{'|'.join(_ONES)})?"
    rf"(?= ?(?:{_COUNTED_NATIVE})(?![가-힣]*든지))"
)
_LABELS = re.compile(
    r"제\s?\d+(?:\s?[~,·ㆍ-]\s?\d+)*\s?(?:조|항|호|목|장|절|편|관|부|차|회|기|권|류|종|급)(?:의\s?\d+)?"
    r"|\b(?:[A-Z][A-Za-z]*[-\s])?(?:ISO|GRI|KS|SASB|TCFD|IFRS|ESRS|IEC|ASTM|RFC|EN|ANSI|NIST|Scope|SCOPE|No\.)"
    r"(?:[/ ](?:IEC|TS|TR|[A-Z]))*[\s-]?\d+(?:\s?[·,&]\s?\d+)*(?:[-.:]\d+)*"
    r"|(?<![\d-])\d{2,6}-\d{2,7}(?:-\d{2,7})+(?![\d-])|(?<![\d-])0\d{1,2}-\d{3,4}-\d{4}(?!\d)|(?<!\d)1[5-9]\d\d-\d{4}(?!\d)"
    r"|(?<![\d.])\d+(?:\.\d+){2,}(?![\d])|\[\d{1,3}\]"
)
_JOINED = re.compile(r"\s?(?:[~·ㆍ,-]|내지|부터)\s?")


class Quantity(NamedTuple):
    """A number with its unit; ``unit`` is empty where none is known.

    ``weak`` where the word may be no amount at all: ``한 번 더``, ``두 번째``. ``start`` and ``end`` are
    places in the text, the unit included.
    """

    value: Decimal
    unit: str
    start: int
    end: int
    weak: bool = False


class Label(NamedTuple):
    """A name made of digits, without its blanks: ``ISO45001``, ``제12조의2``, ``02-123-4567``."""

    name: str
    start: int
    end: int


class Figures(NamedTuple):
    """All figures of a text, each sort in the order of the text; none stands in two of them."""

    quantities: tuple[Quantity, ...]
    dates: tuple[Date, ...]
    clocks: tuple[Clock, ...]
    labels: tuple[Label, ...]

    @property
    def spans(self) -> Iterator[tuple[int, int]]:
        """Where they stand."""
        yield from ((figure.start, figure.end) for figure in self.quantities)
        yield from ((figure.start, figure.end) for figure in self.dates)
        yield from ((figure.start, figure.end) for figure in self.clocks)
        yield from ((figure.start, figure.end) for figure in self.labels)


def figures(text: str) -> Figures:
    """Read all figures of a text."""
    plain = text.translate(_SIGNS)
    found_dates = tuple(dates(plain))
    plain = _masked(plain, ((f.start, f.end) for f in found_dates))
    labels = tuple(_labels(plain))
    plain = _masked(plain, ((f.start, f.end) for f in labels))
    found_clocks = tuple(clocks(plain))
    plain = _masked(plain, ((f.start, f.end) for f in found_clocks))
    return Figures(_quantities(plain), found_dates, found_clocks, labels)


def quantities(text: str) -> tuple[Quantity, ...]:
    """The numbers of a text with their units; dates, times of day and labels are none."""
    return figures(text).quantities


def cell_value(cell: str) -> Decimal | None:
    """The number that a table's cell is: ``(1,234)``, ``△1,234`` and ``-1,234`` are negative; else None."""
    plain = cell.translate(_SIGNS).strip()
    found = re.fullmatch(rf"(?P<open>\()?(?P<sign>[-△▲]\s?)?(?P<digits>{_DIGITS})(?P<close>\))?", plain)
    if found is None or bool(found["open"]) != bool(found["close"]):
        return None
    value = Decimal(found["digits"].replace(",", ""))
    return -value if found["open"] or found["sign"] else value


def _masked(text: str, spans: Iterable[tuple[int, int]]) -> str:
    parts: list[str] = []
    at = 0
    for start, end in spans:
        parts += [text[at:start], "\0" * (end - start)]
        at = end
    return "".join([*parts, text[at:]])


def _labels(text: str) -> Iterator[Label]:
    for found in _LABELS.finditer(text):
        yield Label(re.sub(r"\s", "", found[0]), found.start(), found.end())


def _quantities(text: str) -> tuple[Quantity, ...]:
    read = [*_in_digits(text), *_in_letters(text), *_native(text)]
    read.sort(key=lambda q: q[0].start)
    return tuple(_joined(text, read))


def _in_digits(text: str) -> Iterator[tuple[Quantity, int]]:
    for found in _NUMBER.finditer(text):
        value, scale = _value(found["run"])
        quantity = _with_unit(text, found, -value if found["sign"] else value)
        if quantity is not None:
            yield quantity, scale


def _value(run: str) -> tuple[Decimal, int]:
    """The value of ``3조 2천억``, and the scale that its last part is counted in."""
    value, scale = Decimal(0), 1
    for found in _COMPONENT.finditer(run):
        scale = _scale(found[2] or "")
        value += Decimal(found[1].replace(",", "")) * scale
    return value, scale


def _scale(letters: str) -> int:
    scale = 1
    for letter in letters:
        scale *= _SMALL.get(letter) or _LARGE[letter]
    return scale


def _with_unit(text: str, found: re.Match[str], value: Decimal) -> Quantity | None:
    """The quantity; None where Latin letters make a name of it (5G, 3D)."""
    end = found.end()
    if found["money"]:
        return Quantity(value, _MONEY[found["money"].strip()], found.start(), end)
    about = re.compile(r"여\s?(?=[명개건대곳가원년일])").match(text, end)
    start = about.end() if about else end
    unit = unit_at(text, start) or (unit_at(text, start + 1) if text[start : start + 1] == " " else None)
    if unit is None and re.match(r"[A-Za-z]", text[end : end + 1]):
        return None
    return (
        Quantity(value, unit[0], found.start(), unit[1]) if unit else Quantity(value, "", found.start(), end)
    )


def _in_letters(text: str) -> Iterator[tuple[Quantity, int]]:
    for found in _WRITTEN.finditer(text):
        unit = unit_at(text, found.end()) or unit_at(text, found.end() + 1)
        if unit is not None:
            value = Decimal(_written(found["run"]))
            yield Quantity(value, unit[0], found.start(), unit[1]), 1


def _written(letters: str) -> int:
    """삼천오백만 -> 35,000,000: thousands are gathered, then raised by 만, 억 or 조."""
    total, below, digit = 0, 0, 0
    for letter in letters.replace(" ", ""):
        if letter in _SINO:
            digit = _SINO[letter]
        elif letter in _SMALL:
            below, digit = below + (digit or 1) * _SMALL[letter], 0
        else:
            total, below, digit = total + (below + digit or 1) * _LARGE[letter], 0, 0
    return total + below + digit


def _native(text: str) -> Iterator[tuple[Quantity, int]]:
    for found in _NATIVE.finditer(text):
        if not found[0]:
            continue
        ten = 20 if found["ten"] == "스무" else 10 * (_TENS.index(found["ten"]) + 1) if found["ten"] else 0
        value = ten + (_ONES.index(found["one"]) + 1 if found["one"] else 0)
        unit = unit_at(text, found.end()) or unit_at(text, found.end() + 1)
        if unit is not None:
            weak = value == 1 or unit[0] == "번째"
            yield Quantity(Decimal(value), unit[0], found.start(), unit[1], weak), 1


def _joined(text: str, read: list[tuple[Quantity, int]]) -> Iterator[Quantity]:
    """Ends of a range and members of a list take the unit, and of a range the scale, of what follows."""
    later: tuple[Quantity, int] | None = None
    result: list[Quantity] = []
    for quantity, scale in reversed(read):
        joint = text[quantity.end : later[0].start] if later else ""
        if later and not quantity.unit and _JOINED.fullmatch(joint):
            if scale == 1 and later[1] > 1 and "~" in joint and quantity.value * later[1] < later[0].value:
                quantity, scale = quantity._replace(value=quantity.value * later[1]), later[1]
            quantity = quantity._replace(unit=later[0].unit)
        result.append(quantity)
        later = (quantity, scale)
    return reversed(result)
