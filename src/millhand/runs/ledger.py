"""The ledger: which runs there are and which of their steps are done. SQLite, one file a workspace.

A step's marker is written last, after what the step made is in its place; so a step that is not marked
is safe to do again, and one that is marked is never done twice.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from millhand.errors import MillhandError
from millhand.files import sha256_file

_SCHEMA = """
CREATE TABLE IF NOT EXISTS run (
    name TEXT PRIMARY KEY, project TEXT NOT NULL, config TEXT NOT NULL, fingerprint TEXT NOT NULL,
    pod TEXT NOT NULL, output_dir TEXT NOT NULL, created_s REAL NOT NULL, facts TEXT NOT NULL,
    exports INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE IF NOT EXISTS step (
    run TEXT NOT NULL REFERENCES run (name), name TEXT NOT NULL, began_s REAL NOT NULL,
    done_s REAL, facts TEXT NOT NULL DEFAULT '{}', PRIMARY KEY (run, name)
) STRICT;
CREATE TABLE IF NOT EXISTS hash (
    path TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, sha256 TEXT NOT NULL
) STRICT;
"""
_LATER = "ALTER TABLE run ADD COLUMN exports INTEGER NOT NULL DEFAULT 0"


@dataclass(frozen=True, slots=True)
class Run:
    """One training run: ``project``'s config as it was at the time.

    ``facts`` holds what the fingerprint was made from, so that a change can be named. ``pod`` is what
    ``--pod`` takes to mean where it is. ``exports``: it is to be merged too, as whoever began it said.
    """

    name: str
    project: str
    config: str
    fingerprint: str
    pod: str
    output_dir: str
    created_s: float
    facts: dict[str, Any]
    exports: bool = False


@dataclass(frozen=True, slots=True)
class StepMark:
    """A step that began; ``done_s`` is None until it is done."""

    name: str
    began_s: float
    done_s: float | None
    facts: dict[str, Any]


class Ledger:
    """Reads and writes one ledger file; each call is a transaction of its own, so clients may share it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with closing(sqlite3.connect(self._path, timeout=30)) as connection:
                connection.executescript(_SCHEMA)
                _add_later(connection)
                with connection:
                    yield connection
        except sqlite3.DatabaseError as error:
            mend = "If it is damaged, move it aside: runs are then unknown, what they made stays."
            raise MillhandError(f"The ledger {self._path} cannot be used: {error}.", mend=mend) from error

    def add(self, run: Run) -> None:
        """Enter a run. The name must be new."""
        with self._open() as db:
            row = (run.name, run.project, run.config, run.fingerprint, run.pod, run.output_dir, run.created_s)
            db.execute(
                "INSERT INTO run VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", (*row, _dump(run.facts), run.exports)
            )

    def move(self, run: Run, pod: str) -> Run:
        """Enter that a run goes on on another pod."""
        with self._open() as db:
            db.execute("UPDATE run SET pod = ? WHERE name = ?", (pod, run.name))
        return replace(run, pod=pod)

    def export_too(self, run: Run) -> Run:
        """Enter that a run is to be merged once it is trained, whoever goes on with it."""
        with self._open() as db:
            db.execute("UPDATE run SET exports = 1 WHERE name = ?", (run.name,))
        return replace(run, exports=True)

    def runs(self, project: str | None = None) -> list[Run]:
        """All runs, or a project's, oldest first."""
        with self._open() as db:
            rows = db.execute("SELECT * FROM run ORDER BY created_s, name").fetchall()
        runs = [_run(row) for row in rows]
        return [run for run in runs if project is None or run.project == project]

    def steps(self, run: str) -> list[StepMark]:
        """The steps of a run in the order in which they began."""
        query = "SELECT name, began_s, done_s, facts FROM step WHERE run = ? ORDER BY began_s, name"
        with self._open() as db:
            rows = db.execute(query, (run,)).fetchall()
        return [StepMark(name, began, done, json.loads(facts)) for name, began, done, facts in rows]

    def done(self, run: str, step: str) -> StepMark | None:
        """The mark of a step that is done, else None."""
        return next((m for m in self.steps(run) if m.name == step and m.done_s is not None), None)

    def begin(self, run: str, step: str) -> None:
        """Note that a step begins; its earlier mark, if any, is void."""
        with self._open() as db:
            db.execute(
                "INSERT INTO step (run, name, began_s) VALUES (?, ?, ?) ON CONFLICT (run, name) "
                "DO UPDATE SET began_s = excluded.began_s, done_s = NULL, facts = '{}'",
                (run, step, time.time()),
            )

    def finish(self, run: str, step: str, facts: dict[str, Any]) -> None:
        """Mark a step as done."""
        with self._open() as db:
            db.execute(
                "UPDATE step SET done_s = ?, facts = ? WHERE run = ? AND name = ?",
                (time.time(), _dump(facts), run, step),
            )

    def forget(self, project: str) -> None:
        """Strike a project's runs and their steps."""
        with self._open() as db:
            db.execute("DELETE FROM step WHERE run IN (SELECT name FROM run WHERE project = ?)", (project,))
            db.execute("DELETE FROM run WHERE project = ?", (project,))

    def sha256(self, path: Path) -> str:
        """The hash of a file, remembered as long as its size and time of change stay: weights are large."""
        stat = path.stat()
        key = (str(path.absolute()), stat.st_size, stat.st_mtime_ns)
        with self._open() as db:
            query = "SELECT sha256 FROM hash WHERE path = ? AND size = ? AND mtime_ns = ?"
            known = db.execute(query, key).fetchone()
        if known:
            return str(known[0])
        digest = sha256_file(path)
        with self._open() as db:
            db.execute("INSERT OR REPLACE INTO hash VALUES (?, ?, ?, ?)", (*key, digest))
        return digest


def _add_later(connection: sqlite3.Connection) -> None:
    """Add the column that a ledger of an earlier Millhand lacks."""
    columns = {row[1] for row in connection.execute("PRAGMA table_info(run)")}
    if "exports" in columns:
        return
    try:
        connection.execute(_LATER)
    except sqlite3.OperationalError as error:
        if "duplicate column" not in str(error):  # another client has added it by now
            raise


def _run(row: tuple[Any, ...]) -> Run:
    name, project, config, fingerprint, pod, output_dir, created_s, facts, exports = row
    known = json.loads(facts)
    return Run(name, project, config, fingerprint, pod, output_dir, created_s, known, bool(exports))


def _dump(value: dict[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
