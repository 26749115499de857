"""Questions on tables: a cell by its row and column, a whole row, a whole column."""

from __future__ import annotations

import re
from collections.abc import Iterator

from millhand.datasets.synthesize.outline_grid import PERIOD, Grid, grid_of
from millhand.datasets.synthesize.outline_section import Section
from millhand.datasets.synthesize.outline_templates import choose, number_of
from millhand.datasets.synthesize.outline_verbs import formal, is_nominal, is_sentence
from millhand.datasets.synthesize.outline_whole import Pair
from millhand.datasets.synthesize.outline_words import Word

_SHORT = 4  # characters below which a row's name says nothing by itself
_ANY = re.compile(r"(?:구분|항목|종류|분류|내용|과목|이름|명칭)\Z")
_NOT_DUE = ("해당 없음", "해당없음", "N/A")
_VERBAL = re.compile(r"\S*(?:[는한된할될]|[가-힣]릴) \S")
_PLAIN_NUMBER = re.compile(r"[△▲(-]?\d[\d,.]*\)?\Z")
_COUNTED = re.compile(r"\d[\d,.]*(?P<unit>명|개|대|장|분|시간|초|m|kg|회|곳|건|권|층|부)\Z")
_CLOCK = re.compile(r"\d{1,2}:\d{2}\Z")
# The question word that a column's name asks for.
_HOW = (
    (re.compile(r"(?:담당자?|책임자|승인권자|사람|동행|작성자|관리자|결재자)\Z"), "누구입니까?"),
    (re.compile(r"(?:장소|위치|구역|경로|곳|부서)\Z"), "어디입니까?"),
    (
        re.compile(
            r"(?:주기|시간|기간|시한|여부|기준|방법|범위|운행|순서|금액|가격|요금|비율|비용|액|율|점검)\Z"
        ),
        "어떻게 됩니까?",
    ),
)


def table_pairs(section: Section) -> Iterator[Pair]:
    """What the section's tables answer."""
    for table in section.tables:
        grid = grid_of(section, table)
        if grid:
            yield from _column(section, grid)
            for row in grid.rows:
                yield from _row(section, grid, row)
                yield from _cells(section, grid, row)


def _cells(section: Section, grid: Grid, row: tuple[str, ...]) -> Iterator[Pair]:
    name = grid.named(row)
    says_enough = grid.has_name and len(name) >= _SHORT and not row[grid.key][:1].isdigit()
    kind = "cell" if says_enough else "cell_of"
    for column, cell in grid.told(row):
        if cell in _NOT_DUE:
            continue
        what = _what(name, column)
        question = choose(kind, grid.name, name, column).format(
            what=what, how=_how(column, cell), topic=section.topic, name=grid.name
        )
        yield Pair("cell", question, _said(what, cell, grid))


def _what(name: str, column: str) -> Word:
    """``소화기의 점검 주기``, ``제55기 매출액``, ``사무 가구에 필요한 서류``."""
    if PERIOD.match(column):
        return Word(f"{column} {name}")
    return Word(f"{name}의 경우 {column}" if _VERBAL.match(column) else f"{name}의 {column}")


def _how(column: str, cell: str) -> str:
    counted = _COUNTED.fullmatch(cell)
    if counted:
        return f"몇 {counted['unit']}입니까?"
    if _CLOCK.fullmatch(cell):
        return "몇 시입니까?"
    if _PLAIN_NUMBER.fullmatch(cell):
        return "얼마입니까?"
    if column.endswith("인원"):
        return "누구입니까?" if cell.endswith("사람") or "," in cell else "어떻게 됩니까?"
    return next((how for pattern, how in _HOW if pattern.search(column)), "무엇입니까?")


def _said(what: Word, cell: str, grid: Grid) -> str:
    if cell == "없음":
        return f"{what:은는} 없습니다."
    if is_sentence(cell):
        return f"{what:은는} 다음과 같습니다. {formal(cell)}"
    value = f"'{cell}'" if is_nominal(cell) else cell
    if _PLAIN_NUMBER.fullmatch(cell):
        value += grid.unit
    return f"{what:은는} {value}입니다."


def _remark(grid: Grid) -> str:
    unit = f"단위: {grid.unit}" if grid.unit else grid.remark
    return f" ({unit})" if unit else ""


def _row(section: Section, grid: Grid, row: tuple[str, ...]) -> Iterator[Pair]:
    told = grid.told(row)
    if len(told) < 2 or any(is_sentence(cell) for _, cell in told):
        return
    name = grid.named(row)
    columns = Word("·".join(column for column, _ in told))
    question = choose("row", grid.name, name).format(
        row=name, what=_what(name, columns), name=grid.name, topic=section.topic
    )
    lines = "\n".join(f"- {column}: {cell}" for column, cell in told)
    yield Pair("row", question, f"{name}에 관한 내용은 다음과 같습니다.{_remark(grid)}\n{lines}")


def _column(section: Section, grid: Grid) -> Iterator[Pair]:
    """One of the columns, for all of the rows; which, a hash says."""
    told = {column: _down(grid, column) for column in grid.columns[grid.key + 1 :]}
    filled = [column for column, cells in told.items() if len(cells) > 1]
    if not filled or not grid.is_whole:
        return
    column = filled[number_of(grid.name) % len(filled)]
    key = grid.columns[grid.key]
    kind = "column_of" if _ANY.match(key) or not grid.has_name else "column"
    question = choose(kind, grid.name, column).format(
        key=key, column=column, topic=section.topic, name=grid.name
    )
    subject = column if _ANY.match(key) else Word(f"{key}별 {column}")
    lines = "\n".join(f"- {name}: {cell}" for name, cell in told[column])
    yield Pair("column", question, f"{subject:은는} 다음과 같습니다.{_remark(grid)}\n{lines}")


def _down(grid: Grid, column: Word) -> list[tuple[Word, str]]:
    """A column's cells that say something, with the names of their rows."""
    cells = ((grid.named(row), dict(grid.told(row)).get(column)) for row in grid.rows)
    return [(name, cell) for name, cell in cells if cell]
