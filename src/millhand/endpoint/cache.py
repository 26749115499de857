"""Answers that were paid for, by request: SQLite, one file; and what was sent, so that it can be counted.

That a request goes out is written before it does, its answer before it is used. So a process may end at
any point: what was answered is never asked again. A request that has neither an answer nor a refusal
may have been paid for: those are counted as lost.
"""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec

from millhand.endpoint.order import Reply, Request
from millhand.errors import MillhandError

Outcome: TypeAlias = Literal["answered", "refused", "lost"]
FILE = "answers.sqlite"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS answer (
    key TEXT PRIMARY KEY, model TEXT NOT NULL, characters INTEGER NOT NULL, text TEXT NOT NULL,
    finish TEXT NOT NULL, tokens_in INTEGER NOT NULL, tokens_out INTEGER NOT NULL, at_s REAL NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS sending (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL, at_s REAL NOT NULL, outcome TEXT
) STRICT;
"""


class Totals(NamedTuple):
    """Requests over all builds: ``sent`` = answered + refused + lost."""

    sent: int
    answered: int
    refused: int
    lost: int


class Usage(NamedTuple):
    """What a model's answers have cost, where its server counts."""

    characters_in: int
    tokens_in: int
    characters_out: int
    tokens_out: int


class AnswerCache:
    """One file of answers, held open; each call is a transaction of its own.

    Raises:
        MillhandError: The file cannot be used.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / FILE
        try:
            self._db = sqlite3.connect(self.path, timeout=30, isolation_level=None)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.executescript(_SCHEMA)
            self._db.execute("SELECT count(*) FROM answer").fetchone()
        except sqlite3.DatabaseError as error:
            raise self._broken(error) from error

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def get(self, key: str) -> Reply | None:
        """The answer to the request of that key; None where none has come yet."""
        row = self._query("SELECT text, finish, tokens_in, tokens_out FROM answer WHERE key = ?", key)
        return Reply(row[0], row[1], row[2], row[3], cached=True) if row else None

    def sending(self, key: str) -> int:
        """Note that a request goes out now; the number is for :meth:`ended` or :meth:`put`.

        It outlives the process, not a power failure: it is for counting.
        """
        self._write("PRAGMA synchronous = NORMAL")
        return self._write("INSERT INTO sending (key, at_s) VALUES (?, ?)", key, time.time())

    def ended(self, number: int, outcome: Outcome) -> None:
        """Note what became of a request that got no answer."""
        self._write("UPDATE sending SET outcome = ? WHERE id = ?", outcome, number)

    def put(self, number: int, request: Request, reply: Reply) -> None:
        """Write an answer, and that it came: both or neither, and on the disk when this returns."""
        values = (request.model, request.characters, *msgspec.structs.astuple(reply)[:4], time.time())
        self._write("PRAGMA synchronous = FULL")
        self._write("BEGIN IMMEDIATE")
        try:
            self._write("INSERT OR REPLACE INTO answer VALUES (?, ?, ?, ?, ?, ?, ?, ?)", request.key, *values)
            self.ended(number, "answered")
        except BaseException:
            self._db.rollback()
            raise
        self._write("COMMIT")

    def totals(self) -> Totals:
        """How many requests were sent in all builds, and what became of them."""
        query = (
            "SELECT count(*), coalesce(sum(outcome = 'answered'), 0), coalesce(sum(outcome = 'refused'), 0), "
            "coalesce(sum(outcome IS NULL OR outcome = 'lost'), 0) FROM sending"
        )
        return Totals(*self._query(query))

    def usage(self, model: str) -> Usage:
        """Characters and tokens of the model's answers, of those whose tokens the server counted."""
        query = (
            "SELECT coalesce(sum(characters), 0), coalesce(sum(tokens_in), 0), "
            "coalesce(sum(length(text)), 0), coalesce(sum(tokens_out), 0) "
            "FROM answer WHERE model = ? AND tokens_in > 0 AND tokens_out > 0"
        )
        return Usage(*self._query(query, model))

    def _query(self, query: str, *values: object) -> tuple[Any, ...]:
        try:
            return self._db.execute(query, values).fetchone() or ()
        except sqlite3.DatabaseError as error:
            raise self._broken(error) from error

    def _write(self, query: str, *values: object) -> int:
        try:
            return self._db.execute(query, values).lastrowid or 0
        except sqlite3.DatabaseError as error:
            raise self._broken(error) from error

    def _broken(self, error: sqlite3.DatabaseError) -> MillhandError:
        mend = (
            "Free space where it lies. If it is damaged, move it aside: its answers are then paid for again."
        )
        return MillhandError(f"The answers in {self.path} cannot be used: {error}.", mend=mend)
