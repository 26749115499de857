"""Finds the numbers of financial tables: which account, which period, what unit. Only what is sure.

Two shapes are read: a column a period (``과목 | 제55기 | 제54기``), and a table a period, which its caption
names (``당기``) above columns that are something else. What is left out is counted by its reason.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from millhand.dart.amounts import (
    Cell,
    Number,
    is_won,
    read_number,
    unit_in_label,
    units_of,
    without_unit,
)
from millhand.dart.periods import Period, read_period
from millhand.documents.document import Table
from millhand.text.numbering import split_marker, split_number

_NOTES = frozenset(("주석", "주석번호", "주"))
_HEADS = frozenset(("", "구분", "과목", "항목", "계정과목", "계정", "내용"))
_PLAIN_MEASURES = frozenset(("금액", "공시금액"))
# In a table counted in won these are counted in something else, unless they name it.
_NOT_MONEY = re.compile(
    r"주당|비율|비중|구성비|점유|배당성향|주식\s?수|주식의\s?수|수량|인원|명수|회사\s?수|개수|건수|대수|직원|종업원|근속"
    r"|액면|단가|가격|주가|공모가|행사가|배수|일수|횟수|개월|면적|용량|배출량|사용량|가입자|EPS|PER|PBR|ROE|ROA|[율률](?:$|[\s()])"
)
# And these are not counted in shares, heads or pieces.
_NOT_PIECES = re.compile(r"비율|비중|금액|가액|매출|[율률](?:$|[\s()])")
_FOOTNOTE = re.compile(r"\s*[(（]\s*(?:\*\s*\d{0,2}|주석?\s*\d[\d,.\s~]*)\s*[)）]|\s*\*\d{0,2}$")
_FRAME = re.compile(r"^[\[【<〈](.+)[\]】>〉]$")
_SPANS = ("3개월", "누적")
_MOST_COLUMNS = 12  # of a table whose caption names the period: wider ones are lists of companies
_MOST_LABEL = 80  # characters


class Entry(NamedTuple):
    """A number: its account (``label``, with the column's name as ``measure``), period, unit, and row.

    ``dated`` are the period's dates, where a row of the table says them. ``row`` counts from 0.
    """

    label: str
    measure: str
    period: Period
    number: Number
    unit: str
    row: int
    dated: str = ""


class Entries(NamedTuple):
    """The numbers of a table, and how many were left out, by reason.

    Reasons: ``unit`` (not sure in what it is counted), ``number`` (not sure which number), ``label`` (no
    account, or one that stands twice).
    """

    entries: tuple[Entry, ...]
    left_out: Counter[str]


class _Column(NamedTuple):
    period: Period
    measure: str
    cells: tuple[int, ...]
    dated: str = ""


class _Layout(NamedTuple):
    head: int
    labels: tuple[int, ...]
    columns: tuple[_Column, ...]
    heads: frozenset[str]


def read_entries(table: Table, *, last_year: int | None = None) -> Entries | None:
    """The numbers of a table; None where it is no financial table that can be read.

    A table with a period after ``last_year``, the year of the report, tells plans or maturities: None.
    """
    units = units_of(table.unit)
    layout = _by_columns(table) or _by_caption(table)
    if layout is None or not units or not _is_past(layout, last_year):
        return None
    left_out: Counter[str] = Counter()
    found = list(_rows(table, layout, units, left_out))
    counts = Counter((entry.label, entry.measure, entry.period, entry.dated) for entry in found)
    sure = [e for e in found if counts[e.label, e.measure, e.period, e.dated] == 1]
    left_out["label"] += len(found) - len(sure)
    return Entries(tuple(sure), +left_out)


def caption_period(table: Table) -> Period | None:
    """The period that the last word of a table's caption names."""
    words = table.caption.split()
    period = read_period(words[-1].strip("[]<>〈〉()")) if words else None
    return period if period and period.style.startswith("role") else None


def clean_label(text: str) -> str:
    """An account's name without list marks, numbers in front, footnotes and frames, its blanks mended.

    ``Ⅰ. 유 동 자 산`` -> ``유동자산``; ``ㆍ매출채권 (주4,28)`` -> ``매출채권``.
    """
    text = _FOOTNOTE.sub("", " ".join(text.split()))
    marked = split_marker(text)
    text = marked.rest if marked else text
    text = text.lstrip("ㆍ·-÷×+ ")
    numbered = split_number(text)
    text = numbered.rest if numbered and numbered.rest else text
    framed = _FRAME.match(text)
    return close_up(framed[1] if framed else text).strip()


def close_up(text: str) -> str:
    """Words that were spaced out for looks, closed up: ``재 무 상 태 표`` -> ``재무상태표``."""
    words = text.split()
    spaced = len(words) > 1 and all(len(word) == 1 or not word[0].isalpha() for word in words)
    return "".join(words) if spaced else " ".join(words)


def _by_columns(table: Table) -> _Layout | None:
    head = table.header_rows or 1
    if len(table.rows) <= head:
        return None
    stacks = [_stack(table.rows[:head], column) for column in range(len(table.rows[0]))]
    grouped: dict[tuple[Period, str, str], list[int]] = {}
    for index, names in enumerate(stacks):
        column = _period_column(names)
        if column:
            grouped.setdefault(column, []).append(index)
    if not grouped:
        return None
    first = min(index for cells in grouped.values() for index in cells)
    labels = tuple(i for i in range(first) if "".join("".join(stacks[i]).split()) not in _NOTES)
    if not labels:
        return None
    columns = tuple(_Column(period, m, tuple(cells), dated) for (period, m, dated), cells in grouped.items())
    heads = frozenset("".join(name.split()) for i in labels for name in stacks[i]) | _HEADS
    return _Layout(head, labels, columns, heads)


def _by_caption(table: Table) -> _Layout | None:
    period = caption_period(table)
    head = table.header_rows
    if period is None or not 1 <= head <= 3 or len(table.rows) <= head:
        return None
    stacks = [_stack(table.rows[:head], column) for column in range(len(table.rows[0]))]
    labels = tuple(index for index, names in enumerate(stacks) if not names)
    values = [index for index, names in enumerate(stacks) if names]
    measures = [stacks[index][-1] for index in values]
    if not labels or labels != tuple(range(len(labels))) or not 1 <= len(values) <= _MOST_COLUMNS:
        return None
    if len(set(measures)) != len(measures):
        return None
    named = ["" if close_up(m) in _PLAIN_MEASURES else f"({m})" for m in measures]
    columns = tuple(_Column(period, m, (i,)) for i, m in zip(values, named, strict=True))
    return _Layout(head, labels, columns, _HEADS)


def _stack(rows: Sequence[Sequence[str]], column: int) -> list[str]:
    """The names above a column, from the top, each once."""
    names: list[str] = []
    for row in rows:
        name = " ".join(row[column].split())
        if name and name not in names:
            names.append(name)
    return names


def _period_column(names: Sequence[str]) -> tuple[Period, str, str] | None:
    """A column's period, what else stands above it, and the dates if two names say when it is."""
    periods = [period for name in names if (period := read_period(name))]
    if not periods or len(periods) > 2:
        return None
    others = [name for name in names if read_period(name) is None]
    spans = [name for name in others if name in _SPANS]
    measure = " ".join(name for name in others if name not in _SPANS)
    dated = periods[1].text if len(periods) == 2 else ""
    return periods[0].spanning(" ".join(spans)), measure, dated


def _is_past(layout: _Layout, last_year: int | None) -> bool:
    years = [column.period.year for column in layout.columns if column.period.year]
    return last_year is None or all(year <= last_year for year in years)


def _rows(table: Table, layout: _Layout, units: Sequence[str], left_out: Counter[str]) -> Iterator[Entry]:
    columns = layout.columns
    for number, row in enumerate(table.rows[layout.head :], layout.head):
        label = _label(row, layout.labels)
        dates = _dates(row, columns)
        if dates:
            columns = dates
            continue
        if _is_new_head(row, layout, label):
            left_out["number"] += sum(len(columns) for _ in table.rows[number + 1 :])
            return
        for column in columns:
            entry = _entry(row, number, label, column, units)
            if isinstance(entry, str):
                left_out[entry] += bool(entry)
            else:
                yield entry


def _label(row: Sequence[str], labels: Sequence[int]) -> str:
    names: list[str] = []
    for index in labels:
        name = clean_label(row[index])
        if name and name not in names and read_number(row[index]) is None:
            names.append(name)
    return "의 ".join(names)


def _dates(row: Sequence[str], columns: tuple[_Column, ...]) -> tuple[_Column, ...] | None:
    """The columns with the dates that this row gives them, if it gives every one of them its own."""
    texts = [{row[index] for index in column.cells} for column in columns]
    if not all(len(text) == 1 and read_period(next(iter(text))) for text in texts):
        return None
    return tuple(
        column._replace(dated=" ".join(next(iter(text)).split()))
        for column, text in zip(columns, texts, strict=True)
    )


def _is_new_head(row: Sequence[str], layout: _Layout, label: str) -> bool:
    """Whether a row begins another table in the same frame: then the columns may mean anything."""
    texts = [row[index] for column in layout.columns for index in column.cells]
    words = [text for text in texts if text and read_number(text) is None]
    return bool(words) and len(words) == len(texts) and "".join(label.split()) in layout.heads


def _entry(row: Sequence[str], number: int, label: str, column: _Column, units: Sequence[str]) -> Entry | str:
    """The entry of a cell; else why there is none, empty where the cell is."""
    texts = {row[index] for index in column.cells}
    cells: list[Cell] = [cell for cell in map(read_number, texts) if cell != "absent"]
    if not cells:
        return ""
    if len(cells) > 1 or not isinstance(cells[0], Number):
        return "number" if any(isinstance(cell, Number) for cell in cells) else ""
    if not label or len(label) > _MOST_LABEL:
        return "label"
    unit = _unit(cells[0], label, column.measure, units)
    if not unit or _is_share(cells[0], unit):
        return "unit"
    measure = without_unit(column.measure)
    plain = "" if "".join(measure.split()) in _PLAIN_MEASURES else measure
    return Entry(without_unit(label) or label, plain, column.period, cells[0], unit, number, column.dated)


def _unit(number: Number, label: str, measure: str, units: Sequence[str]) -> str:
    """In what a number is counted: its own unit, its account's, its column's, then the table's; or empty."""
    named = number.unit or unit_in_label(label) or unit_in_label(measure)
    if named:
        return named
    if len(units) == 1:
        return "" if _is_odd(units[0], label, measure) else units[0]
    money = [unit for unit in units if is_won(unit)]
    if len(money) != 1 or "".join(measure.split()) not in _PLAIN_MEASURES:
        return ""
    return "" if _is_odd(money[0], label, measure) else money[0]


def _is_share(number: Number, unit: str) -> bool:
    """Whether a number said to be percent may be a share of 1: tables made from XBRL write 1.000 for 100%."""
    decimals = str(number.value).partition(".")[2]
    return unit == "%" and not number.unit and (0 < abs(number.value) <= 1 or len(decimals) > 2)


def _is_odd(unit: str, label: str, measure: str) -> bool:
    """Whether a name sounds as if it were not counted in the table's unit."""
    if unit in ("%", "%p"):
        return False
    pattern = _NOT_MONEY if is_won(unit) else _NOT_PIECES
    return bool(pattern.search(label) or pattern.search(measure))
