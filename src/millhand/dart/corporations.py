"""The table of corporations on disk, and finding one in it by its name, code or stock code.

Names repeat: eleven corporations are called 에스엠, and one of them is listed. A listed one is preferred,
then the one whose row was changed last; a tie is asked back.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

import msgspec

from millhand.dart.answers import Corporation
from millhand.errors import Finding
from millhand.files import atomic_writer
from millhand.text.normal import nfc

FILE = "corporations.json"
OLD_AFTER = timedelta(days=30)
_FORM = re.compile(r"주식회사|\(주\)|（주）|㈜|\(유\)|유한회사")
_SHOWN = 5


class Table(msgspec.Struct, frozen=True):
    """The corporations, and the day on which they were fetched."""

    fetched: date
    corporations: tuple[Corporation, ...]


class Match(NamedTuple):
    """The corporation that a query means, if it is sure, and what is to be said about it."""

    query: str
    corporation: Corporation | None
    finding: Finding | None = None


@dataclass
class Directory:
    """The table, from ``folder`` where it is younger than a month, else fetched.

    Args:
        fetch: Gets the corporations from the API.
        today: For the age of the table.
    """

    folder: Path
    fetch: Callable[[], tuple[Corporation, ...]]
    today: date
    _table: Table | None = None

    def find(self, queries: Sequence[str]) -> list[Match]:
        """Each query's corporation; where one is not known, the table is fetched anew, once a day."""
        table = self._current()
        matches = [find_corporation(query, table.corporations) for query in queries]
        if all(match.corporation for match in matches) or table.fetched >= self.today:
            return matches
        table = self._fetched()
        return [find_corporation(query, table.corporations) for query in queries]

    def _current(self) -> Table:
        table = self._table or read_table(self.folder / FILE)
        if table is None or self.today - table.fetched > OLD_AFTER:
            return self._fetched()
        self._table = table
        return table

    def _fetched(self) -> Table:
        self._table = Table(self.today, self.fetch())
        with atomic_writer(self.folder / FILE) as file:
            file.write(msgspec.json.encode(self._table))
        return self._table


def read_table(path: Path) -> Table | None:
    """The table that was written to ``path``; None where there is none, or a broken one."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Table)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def find_corporation(query: str, corporations: Sequence[Corporation]) -> Match:
    """The corporation that ``query`` (name, corp_code of 8 digits, stock code of 6 characters) means."""
    asked = nfc(query).strip()
    if re.fullmatch(r"\d{8}", asked):
        found = [row for row in corporations if row.corp_code == asked]
    elif re.fullmatch(r"[0-9A-Za-z]{6}", asked) and any(c.isdigit() for c in asked):
        found = [row for row in corporations if row.stock_code == asked.upper()]
        found = found or _named(asked, corporations)
    else:
        found = _named(asked, corporations)
    return _chosen(query, found) if found else Match(query, None, _unknown(query, asked, corporations))


def name_key(name: str) -> str:
    """What two spellings of a corporation's name share: ``(주)가나 전자`` and ``가나전자``."""
    return "".join(_FORM.sub("", nfc(name)).casefold().split())


def _named(name: str, corporations: Sequence[Corporation]) -> list[Corporation]:
    exact = [row for row in corporations if row.corp_name == name]
    if exact:
        return exact
    key = name_key(name)
    return [row for row in corporations if name_key(row.corp_name) == key] if key else []


def _chosen(query: str, found: Sequence[Corporation]) -> Match:
    ranked = sorted(found, key=_rank, reverse=True)
    if len(ranked) == 1:
        return Match(query, ranked[0])
    if _rank(ranked[0]) == _rank(ranked[1]):
        return Match(query, None, _ambiguous(query, ranked))
    note = Finding(
        id="dart.name-repeats",
        severity="note" if ranked[0].stock_code and not ranked[1].stock_code else "warning",
        message=f"{query}: {_shown(ranked[0])} was taken; {len(ranked) - 1} more have this name",
        why="Names of corporations repeat; a listed one is preferred, then the one changed last.",
        mend=f"Name another by its code, as {_shown(ranked[1])}.",
    )
    return Match(query, ranked[0], note)


def _rank(row: Corporation) -> tuple[bool, str]:
    return bool(row.stock_code), row.modify_date


def _ambiguous(query: str, found: Sequence[Corporation]) -> Finding:
    return Finding(
        id="dart.ambiguous-name",
        severity="error",
        message=f"{query}: {len(found)} corporations have this name, none more likely than the others",
        why="Nothing of it was fetched.",
        mend=f"Name it by its code: {', '.join(map(_shown, found[:_SHOWN]))}.",
    )


def _unknown(query: str, asked: str, corporations: Sequence[Corporation]) -> Finding:
    near = nearest_names(asked, corporations)
    mend = (
        f"Did you mean {', '.join(map(_shown, near))}?" if near else "Look it up at https://dart.fss.or.kr."
    )
    return Finding(
        id="dart.unknown-corporation",
        severity="error",
        message=f"{query}: no corporation has this name or code",
        why="Nothing of it was fetched.",
        mend=mend,
    )


def nearest_names(asked: str, corporations: Sequence[Corporation]) -> list[Corporation]:
    """The corporations whose names are most like ``asked``, at most five, listed ones first among equals.

    Only names that share two neighbouring letters are compared: there are 110,000.
    """
    key = name_key(asked)
    pairs = {key[i : i + 2] for i in range(len(key) - 1)}
    scored: list[tuple[float, bool, str, Corporation]] = []
    for row in corporations:
        if any(pair in row.corp_name for pair in pairs) and len(row.corp_name) <= 2 * len(key) + 4:
            ratio = difflib.SequenceMatcher(None, key, name_key(row.corp_name)).ratio()
            scored.append((ratio, bool(row.stock_code), row.modify_date, row))
    scored.sort(key=lambda item: item[:3], reverse=True)
    return [row for ratio, _, _, row in scored[:_SHOWN] if ratio >= 0.4]


def _shown(row: Corporation) -> str:
    stock = f", stock {row.stock_code}" if row.stock_code else ""
    return f"{row.corp_name} ({row.corp_code}{stock})"
