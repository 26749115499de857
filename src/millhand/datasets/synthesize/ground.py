"""What stands in a passage: its figures, names and words, to hold an answer against.

A figure of an answer is in the passage where its value and its unit are, however they are written. A
number in a table's cell has the unit of the table's unit line or of a head that names it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from decimal import Decimal

from millhand.text.measures import unit_at
from millhand.text.moments import Clock, Date
from millhand.text.numbers import Figures, Quantity, cell_value, figures, quantities
from millhand.text.units import unit_of

_MARKER = re.compile(
    r"^[ \t>|*#-]*(?:\(?(?P<number>\d{1,2})(?:\.(?!\d)|\)|\s?단계\s?[:.)]?|\s?번\s?[:.)])"
    r"|[①-⑳⑴-⒇]|[가-하][.)](?=\s))[ \t]*",
    re.MULTILINE,
)
_BULLET = re.compile(r"^[ \t]*[•·ㆍ○●◦▪□■*-][ \t]+\S")
_ORDER_UNITS = ("단계", "번째", "회", "항", "호", "차", "")
_COUNT_UNITS = ("가지", "개", "단계", "곳", "항목", "항", "종류")
_SCALED = re.compile(
    r"(?P<scale>[십백천]{0,2}[만억조]|[십백천]{1,2})\s?(?P<unit>원|달러|유로|엔|위안|명|개|주|톤|t)$"
)
_LATIN = re.compile(r"[A-Za-z][A-Za-z0-9&+./_-]*[A-Za-z0-9+]|[A-Za-z]")
_HANGUL_WORD = re.compile(r"[가-힣]{2,}")
# Words whose first syllables tell nothing: endings of verbs change them, or every text has them.
_VERB = re.compile(
    r"(?:니다|니까|세요|나요|까요|어요|아요|해요|는다|한다|된다|였다|했다|이다|있다|없다|하고|하며|하면|해서|하여|되고)$"
)
_COMMON = (
    "다음|가지|경우|때문|위해|통해|대해|따라|대한|위한|또한|그리|먼저|이후|이때|모두|함께|해당|필요|사항"
)
_LESS = re.compile(r"감소|하락|줄|축소|낮아|떨어|손실|적자|마이너스|영하|차감|감액|인하|결손")
_NEAR = 20


def without_markers(text: str) -> str:
    """The text without the numbers that only number its lines; as long as it was."""
    return _MARKER.sub(lambda found: " " * len(found[0]), text)


def squeezed(text: str) -> str:
    """The text in small letters, without blanks: as it is looked for."""
    return re.sub(r"\s+", "", text).casefold()


def latin_words(text: str, taken: Iterable[tuple[int, int]] = ()) -> Iterator[str]:
    """Latin words of a text in small letters, less those in the spans ``taken`` (units, labels)."""
    covered = list(taken)
    for found in _LATIN.finditer(text):
        if not any(start < found.end() and found.start() < end for start, end in covered):
            yield found[0].casefold().rstrip(".-/")


def stems(text: str) -> list[str]:
    """The first two syllables of each Hangul word: what endings and particles leave alone."""
    return [word[:2] for word in _HANGUL_WORD.findall(text)]


def listed(text: str) -> Iterator[tuple[Decimal, str]]:
    """How a list of three may be spoken of: 세 가지, 3개, 3단계. Marked lines in a row make a list."""
    size = 0
    for line in [*text.splitlines(), ""]:
        if line and (_BULLET.match(line) or _MARKER.match(line)):
            size += 1
            continue
        if size > 1:
            yield from ((Decimal(size), unit) for unit in _COUNT_UNITS)
        size = 0


def content_stems(text: str) -> list[str]:
    """The stems of the words that say what a text is about, as far as a rule can tell."""
    words = _HANGUL_WORD.findall(text)
    return [word[:2] for word in words if not _VERB.search(word) and word[:2] not in _COMMON.split("|")]


class Ground:
    """What one passage says. ``text`` holds its headings and title too; cells are parted by tabs."""

    def __init__(self, text: str) -> None:
        self.flat = squeezed(text)
        self.stems = set(stems(text))
        plain = without_markers(text)
        read = figures(plain)
        self.dates, self.clocks = read.dates, read.clocks
        self.labels = {label.name.casefold() for label in read.labels}
        self.latin = set(latin_words(text))
        self._units: dict[Decimal, set[str]] = {}
        for quantity in read.quantities:
            self._stands(quantity.value, quantity.unit)
        self._numbered(text)
        self._tables(plain)

    def has_quantity(self, quantity: Quantity, around: str = "") -> bool:
        """Whether a quantity stands in the passage; ``around`` it a decrease may be told in words."""
        if self._has(quantity.value, quantity.unit):
            return True
        if self._year(quantity):
            return True
        return bool(_LESS.search(around)) and self._has(-quantity.value, quantity.unit)

    def has_date(self, date: Date) -> bool:
        """Whether a date stands in the passage, if need be its year and its day apart."""
        if any(there.covers(date) for there in self.dates):
            return True
        day = date._replace(year=0)
        apart = date.month and any(not d.year and d.covers(day) for d in self.dates) and self._has_year(date)
        return bool(apart) or (not date.month and self._has_year(date))

    def has_clock(self, clock: Clock) -> bool:
        """Whether a time of day stands in the passage."""
        return any(there.same(clock) for there in self.clocks)

    def _stands(self, value: Decimal, unit: str) -> None:
        self._units.setdefault(value, set()).add(unit)

    def _has(self, value: Decimal, unit: str) -> bool:
        units = self._units.get(value)
        return units is not None and (not unit or unit in units)

    def _has_year(self, date: Date) -> bool:
        return any(there.year == date.year for there in self.dates) or self._has(Decimal(date.year), "")

    def _year(self, quantity: Quantity) -> bool:
        bare = quantity.unit in ("", "년") and quantity.value == quantity.value.to_integral_value()
        return bare and any(date.year == quantity.value for date in self.dates if date.year)

    def _numbered(self, text: str) -> None:
        """A list's third item is a third step, and a list of three is of three things."""
        for found in _MARKER.finditer(text):
            if found["number"]:
                for unit in _ORDER_UNITS:
                    self._stands(Decimal(found["number"]), unit)
        for size, unit in listed(text):
            self._stands(size, unit)

    def _tables(self, text: str) -> None:
        units: list[tuple[str, int]] = []
        for line in text.splitlines():
            said = unit_of(line.strip())
            if said is not None:
                units = list(_units(said.partition(":")[2] or said.partition("：")[2]))
            elif "\t" in line:
                cells = line.split("\t")
                units += [unit for cell in cells if cell_value(cell) is None for unit in _head_units(cell)]
                self._cells(cells, units)
            elif line.strip() and not line.endswith(":"):
                units = []

    def _cells(self, cells: list[str], units: list[tuple[str, int]]) -> None:
        for cell in cells:
            value = cell_value(cell)
            if value is None:
                continue
            self._stands(value, "")
            for unit, scale in units:
                self._stands(value, unit)
                self._stands(value * scale, unit)


def _units(said: str) -> Iterator[tuple[str, int]]:
    """The units of ``백만원, %`` with the number that each multiplies by."""
    for part in re.split(r"[,、/·]", said.strip("()[] ")):
        word = part.strip()
        scaled = _SCALED.search(word)
        if scaled and quantities(f"1{word}"):
            yield quantities(f"1{word}")[0].unit, int(quantities(f"1{word}")[0].value)
        elif found := unit_at(word, 0):
            yield found[0], 1


def _head_units(cell: str) -> Iterator[tuple[str, int]]:
    """Units that a head names: ``인원(명)``, ``매출액 (백만원)``, or the cell itself: ``분``."""
    for said in [*re.findall(r"[(\[]([^()\[\]]{1,12})[)\]]", cell), cell.strip()[:8]]:
        yield from ((unit, scale) for unit, scale in _units(said) if len(said) <= 12)


def near(text: str, start: int, end: int) -> str:
    """What stands around a place of a text."""
    return text[max(0, start - _NEAR) : end + _NEAR]


def figures_of(text: str) -> Figures:
    """The figures of an answer, less the numbers of its lines."""
    return figures(without_markers(text))
