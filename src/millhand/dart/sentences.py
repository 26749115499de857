"""Korean sentences out of financial tables: account, period, value with its unit, change against before.

``가나전자의 연결 재무상태표에서 매출채권은 제55기(2023.12.31 현재) 36,647백만원(366억 4,700만원)으로,
제54기(2022.12.31 현재)의 35,721백만원보다 926백만원(2.6%) 증가하였습니다.``
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal

import msgspec

from millhand.dart.amounts import in_words, percent, shown, units_of
from millhand.dart.entries import Entries, Entry, caption_period, clean_label, close_up, read_entries
from millhand.dart.korean import by, together, topic
from millhand.dart.notes import HEADINGS, is_note
from millhand.dart.periods import dates_of
from millhand.documents.document import Block, Document, Section, Table

_STATEMENT = re.compile(
    r"(?:요약\s*)?(?:반기|분기|중간)?\s*(?:연결|별도|개별)?\s*(?:반기|분기|중간)?\s*"
    r"(?:재무상태표|포괄손익계산서|손익계산서|현금흐름표|자본변동표)"
)
_UNIT_CELL = re.compile(r"[(（]\s*단위\s*[:：][^()（）]{1,40}[)）]")
_CONSOLIDATED, _SEPARATE = ("D-0-3-2-", "D-0-3-3-"), ("D-0-3-4-", "D-0-3-5-")
_LONGEST_SOURCE = 60  # characters
_TITLE_ROWS = 8  # of a little table that holds only a title, the periods and the unit


class Fact(msgspec.Struct, frozen=True, omit_defaults=True):
    """A number of a table as a sentence, and the parts that it is made of.

    ``value``, ``before`` and ``change`` are decimals in ``unit``; the last two are empty where nothing
    stands to compare with. ``place`` is the table's position, ``row`` the row in it from 0.
    """

    sentence: str
    source: str
    account: str
    period: str
    value: str
    unit: str
    place: int
    row: int
    dated: str = ""
    before_period: str = ""
    before: str = ""
    change: str = ""


class TableFacts(msgspec.Struct, frozen=True):
    """The facts of one table; ``section`` and ``block`` say where it stands in the document."""

    section: int
    block: int
    facts: tuple[Fact, ...]


def facts_of(document: Document) -> tuple[list[TableFacts], Counter[str]]:
    """The facts of a document, table by table, and how many numbers were left out, by reason.

    Section 0 are the blocks before the first heading, then the sections in the document's order. Tables
    in which no period is sure count as ``table``, numbers of a table that nothing names as ``source``.
    """
    found: list[TableFacts] = []
    left_out: Counter[str] = Counter()
    years, is_group = _years(document), _is_group(document)
    sections: list[tuple[tuple[Section, ...], tuple[Block, ...]]] = [((), document.blocks)]
    sections += [(path, path[-1].blocks) for path in document.paths()]
    for index, (path, blocks) in enumerate(sections):
        for block, table, entries, others in _tables(document, blocks):
            left_out += entries.left_out if entries else Counter(table=1)
            if entries and entries.entries:
                source = _source(document, path, table, is_group=is_group)
                if not source:
                    left_out["source"] += len(entries.entries)
                    continue
                facts = _facts(document, source, table, entries.entries, others, years)
                found.append(TableFacts(index, block, tuple(facts)))
    return found, left_out


def _tables(
    document: Document, blocks: Sequence[Block]
) -> Iterator[tuple[int, Table, Entries | None, tuple[Entry, ...]]]:
    """Each table with a unit, its place among the blocks, its entries, and those it is compared with."""
    last_year = str(document.facts.get("period_to", ""))[:4]
    year = int(last_year) if last_year.isdigit() else None
    units = [_with_unit(blocks, index) for index in range(len(blocks))]
    read = [read_entries(table, last_year=year) if table else None for table in units]
    tables = [index for index, table in enumerate(units) if table]
    for order, index in enumerate(tables):
        table, entries = units[index], read[index]
        if table is None:
            continue
        following = tables[order + 1] if order + 1 < len(tables) else None
        others = entries.entries if entries else ()
        if following is not None and _are_pair(table, units[following]):
            next_read = read[following]
            others += next_read.entries if next_read else ()
        yield index, table, entries, others


def _with_unit(blocks: Sequence[Block], index: int) -> Table | None:
    """A table that has a unit; the little table before it may hold it, as in audit reports."""
    table = blocks[index]
    if not isinstance(table, Table):
        return None
    if units_of(table.unit):
        return table
    title = blocks[index - 1] if index else None
    if not isinstance(title, Table) or len(title.rows) > _TITLE_ROWS or not table.header_rows:
        return None
    cells = [cell for row in title.rows for cell in row]
    named = [found[0] for cell in cells if (found := _UNIT_CELL.search(cell))]
    if len(set(named)) != 1:
        return None
    words = " ".join(dict.fromkeys(close_up(cell) for cell in cells if cell))
    return msgspec.structs.replace(table, unit=named[0].strip("()（）"), caption=words)


def _are_pair(table: Table, other: Table | None) -> bool:
    """Whether two tables tell the same of one period and of the one before."""
    if other is None or table.rows[: table.header_rows] != other.rows[: other.header_rows]:
        return False
    here, there = caption_period(table), caption_period(other)
    return here is not None and there is not None and here.follows(there)


def _years(document: Document) -> dict[str, str]:
    """The years of periods, by their style and order, that the document's captions state and none denies.

    In an annual report 당기 is the year that its cover states, 전기 the term before that one.
    """
    found: dict[int, set[str]] = {}
    for table in document.tables():
        text = table.caption
        if len(table.rows) <= _TITLE_ROWS and not table.header_rows:
            text += " ".join(cell for row in table.rows for cell in row)
        for term, dated in dates_of(text).items():
            found.setdefault(term, set()).add((dated[-10:] if "~" in dated else dated)[:4])
    terms = {term: next(iter(years)) for term, years in found.items() if len(years) == 1}
    named = {f"term{term}": f"{year}년" for term, year in terms.items()}
    now = _business_year(document)
    last = next((term for term, year in terms.items() if year == now), None)
    if now and last:
        named["role0"] = f"{now}년"
        named |= {f"role-{back}": f"{terms[last - back]}년" for back in (1, 2) if last - back in terms}
    return named


def _business_year(document: Document) -> str:
    """The year in which the period of twelve months ends that the cover states; empty for another period."""
    begin, end = (str(document.facts.get(name, "")) for name in ("period_from", "period_to"))
    if not (len(begin) == len(end) == 8 and (begin + end).isdigit()):
        return ""
    months = (int(end[:4]) - int(begin[:4])) * 12 + int(end[4:6]) - int(begin[4:6]) + 1
    return end[:4] if months == 12 else ""


def _is_group(document: Document) -> bool:
    """Whether the report holds consolidated statements: only beside these are others called separate."""
    return any(
        isinstance(block, Table) and block.unit and any(s.key.startswith(_CONSOLIDATED) for s in path)
        for path, block in document.walk()
    )


def _source(document: Document, path: tuple[Section, ...], table: Table, *, is_group: bool) -> str:
    """What a table is called: the statement that its caption names, else the heading above it.

    Empty under the one heading that all notes of an audit report share.
    """
    named = _STATEMENT.search(close_up(table.caption)) or _STATEMENT.search(table.caption)
    heading = clean_label(path[-1].heading) if path else document.title
    if named is None and heading in HEADINGS:
        return ""
    name = " ".join(named[0].split()) if named else heading[:_LONGEST_SOURCE]
    if document.kind != "dart":
        return f"{_report(document)}의 {f'주석 {path[-1].heading}' if is_note(path) else name}"
    keys = [section.key for section in path]
    if is_group and any(key.startswith(_SEPARATE) for key in keys):
        return name if name.startswith("별도") else f"별도 {name}"
    if any(key.startswith(_CONSOLIDATED) for key in keys):
        return name if "연결" in name else f"연결 {name}"
    return name


def _report(document: Document) -> str:
    return close_up(str(document.facts.get("report", "감사보고서")))


def _facts(
    document: Document,
    source: str,
    table: Table,
    entries: Sequence[Entry],
    others: Sequence[Entry],
    years: dict[str, str],
) -> Iterator[Fact]:
    dates = dates_of(table.caption)
    company = str(document.facts.get("company", "")) or document.title
    by_account: dict[tuple[str, str, str], list[Entry]] = {}
    for entry in others:
        by_account.setdefault((entry.label, entry.measure, entry.unit), []).append(entry)
    for entry in entries:
        same = by_account.get((entry.label, entry.measure, entry.unit), [])
        before = next((other for other in same if entry.period.follows(other.period)), None)
        account = _account(entry)
        yield _fact(company, source, account, table, entry, before, dates, years)


def _account(entry: Entry) -> str:
    """The row's name and the column's: ``매출액 비중``, ``기초(기계장치)``."""
    parting = "" if entry.measure.startswith("(") else " "
    return f"{entry.label}{parting}{entry.measure}".strip()


def _fact(
    company: str,
    source: str,
    account: str,
    table: Table,
    entry: Entry,
    before: Entry | None,
    dates: dict[int, str],
    years: dict[str, str],
) -> Fact:
    when = _when(entry, dates, years)
    head = f"{company}의 {source}에서 {account}{topic(account)} {when} "
    value = amount(entry.number.value, entry.unit)
    told = head + (
        f"{value}{by(value)}, {_when(before, dates, years)}{_compared(entry, before)}"
        if before
        else f"{value}입니다."
    )
    change = str(entry.number.value - before.number.value) if before else ""
    return Fact(
        told,
        source,
        account,
        entry.period.text,
        str(entry.number.value),
        entry.unit,
        table.place.number,
        entry.row,
        _dates(entry, dates, years),
        before.period.text if before else "",
        str(before.number.value) if before else "",
        change,
    )


def _when(entry: Entry, dates: dict[int, str], years: dict[str, str]) -> str:
    dated = _dates(entry, dates, years)
    return f"{entry.period.text}({dated})" if dated else entry.period.text


def _dates(entry: Entry, dates: dict[int, str], years: dict[str, str]) -> str:
    """The dates of an entry's period, or at least its year, where these are known.

    A caption dates the whole time from the year's start: not a column of three months.
    """
    style, order = entry.period.style[:4], entry.period.order
    if entry.dated or style == "year" or "3개월" in entry.period.style:
        return entry.dated
    if style == "term" and order in dates:
        return dates[order]
    is_whole = entry.period.style in ("term", "term말", "role기", "role기말", "role기초")
    return years.get(f"{style}{order}", "") if is_whole else ""


def amount(value: Decimal, unit: str) -> str:
    """A value with its unit, and in words where that helps: ``1,234백만원(12억 3,400만원)``."""
    words = in_words(value, unit)
    return f"{shown(value)}{unit}({words})" if words else f"{shown(value)}{unit}"


def _compared(entry: Entry, before: Entry) -> str:
    """The end of the sentence, behind the name of the period before: what stood there, and the change."""
    now, then, unit = entry.number.value, before.number.value, entry.unit
    was = f"{shown(then)}{unit}"
    if now == then:
        return f"의 {was}{together(was)} 같습니다."
    size = f"{shown(abs(now - then))}{'%p' if unit == '%' else unit}"
    if then > 0 and now >= 0:
        share = "" if unit in ("%", "%p") else f"({percent(now - then, then)})"
        return f"의 {was}보다 {size}{share} {'증가' if now > then else '감소'}하였습니다."
    if then < 0 and now < 0:
        return f"의 {was}에서 음(-)의 크기가 {size} {'줄었' if now > then else '늘었'}습니다."
    return f"의 {was}에서 {size} {'증가' if now > then else '감소'}하였습니다."
