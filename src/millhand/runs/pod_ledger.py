"""The ledger of pods: what was asked for, what is there, what it costs and whether it may end.

A pod stands here under its name before it is asked for. Nothing of Millhand touches a pod of the account
whose whole name is not in here. It lies in the same SQLite file as the runs; each call is a transaction.
"""

from __future__ import annotations

import math
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from millhand.errors import MillhandError
from millhand.pods.lease import Terms
from millhand.pods.runpod.candidates import Candidate
from millhand.pods.runpod.models import PodState
from millhand.workspace import Workspace

State: TypeAlias = Literal["intended", "rented", "ready", "ending", "stopped", "refused", "ended"]
Spans: TypeAlias = tuple[tuple[float, float | None], ...]
OVER = ("refused", "ended")
GONE = "it was gone"
_STEP_S = 30.0  # a clock that is set right by so much is no clock that was set back
_SCHEMA = """
CREATE TABLE IF NOT EXISTS pod (
    name TEXT PRIMARY KEY, owner TEXT NOT NULL, state TEXT NOT NULL, intended_s REAL NOT NULL,
    entry TEXT NOT NULL
) STRICT;
"""


class PodEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One pod. Times are seconds since the epoch by the API's clock; ``touched_s`` is by this machine's.

    ``owner`` is the run it is for, or the pod file (``pod:l4``). ``usd_per_hour`` is what was shown,
    ``billed_usd_per_hour`` what the API says. ``spans`` are the times in which it ran. ``armed``: its keeper
    was once seen to hold its lease. ``safe``: what it made is verified elsewhere. ``why`` says why it was
    refused or ended. ``estimate_usd`` is what the plan expected of the whole run, ``bill_usd`` what was
    billed when last asked. ``key_mark`` tells the key that it was rented with from others. ``vanished``:
    nobody ended it that is known of, the API just did not have it any more.
    """

    name: str
    owner: str
    state: State
    pod_file: str
    gpu: str
    cloud: str
    data_center: str | None
    usd_per_hour: float
    terms: Terms
    touched_s: float
    run: str = ""
    key_mark: str = ""
    pod_id: str = ""
    volume_id: str = ""
    billed_usd_per_hour: float = 0.0
    bill_usd: float | None = None
    estimate_usd: float | None = None
    rented_s: float | None = None
    ready_s: float | None = None
    ended_s: float | None = None
    spans: Spans = ()
    armed: bool = False
    safe: bool = False
    why: str = ""
    vanished: bool = False

    @property
    def over(self) -> bool:
        """Whether there is no such pod any more, or never was."""
        return self.state in OVER

    @property
    def lost(self) -> bool:
        """Whether it just was not there any more: known again, it is used again.

        Older entries have it in ``why`` alone.
        """
        return self.vanished or (self.state == "ended" and self.why == GONE)

    @property
    def keeps(self) -> bool:
        """Whether terminating it loses nothing: a network volume, verified elsewhere, or it never ran."""
        return self.terms.storage == "network" or self.safe or self.ready_s is None

    @property
    def hourly_usd(self) -> float:
        """What it costs an hour: the API's word, before it came ours."""
        return self.billed_usd_per_hour or self.usd_per_hour

    @property
    def asked_s(self) -> float | None:
        """When it was asked for, by the API's clock."""
        deadline = self.terms.deadline_epoch_s
        return None if deadline is None else deadline - self.terms.hours * 3600

    @property
    def begun_s(self) -> float:
        """When it was last asked for or started, by the API's clock."""
        return self.spans[-1][0] if self.spans else self.asked_s or 0.0

    def may_run(self, now_s: float) -> bool:
        """Whether its lease is not over yet, by the API's clock."""
        deadline = self.terms.deadline_epoch_s
        return deadline is None or now_s <= deadline

    @property
    def quiet_s(self) -> float:
        """How long no client has worked on it, by this machine's clock: endless if that was set back."""
        age_s = time.time() - self.touched_s
        return age_s if age_s > -_STEP_S else math.inf


class PodLedger:
    """Reads and writes the pods of one workspace's ledger file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with closing(sqlite3.connect(self._path, timeout=30, isolation_level=None)) as db:
                db.execute("PRAGMA synchronous = FULL")
                db.execute(_SCHEMA)
                yield db
        except sqlite3.DatabaseError as error:
            mend = "Pods may be running: look at https://console.runpod.io before it is moved aside."
            raise MillhandError(f"The ledger {self._path} cannot be used: {error}.", mend=mend) from error

    def entries(self, *, alive: bool = False) -> list[PodEntry]:
        """All pods, oldest first; ``alive`` leaves out those that are over."""
        with self._open() as db:
            rows = db.execute("SELECT entry FROM pod ORDER BY intended_s, name").fetchall()
        found = [msgspec.json.decode(row[0], type=PodEntry) for row in rows]
        return [entry for entry in found if not (alive and entry.over)]

    def find(self, name: str) -> PodEntry | None:
        """The pod of that name."""
        return next((entry for entry in self.entries() if entry.name == name), None)

    def add(self, entry: PodEntry) -> None:
        """Write a new pod down. On disk when this returns."""
        with self._open() as db:
            row = (entry.name, entry.owner, entry.state, entry.touched_s, _dump(entry))
            db.execute("INSERT INTO pod VALUES (?, ?, ?, ?, ?)", row)

    def change(self, name: str, change: Callable[[PodEntry], PodEntry], *, touch: bool = True) -> PodEntry:
        """Replace an entry by what ``change`` makes of it; two clients do so one after the other.

        Args:
            touch: Whether that shows that a client works on the pod.

        Raises:
            KeyError: There is none.
        """
        with self._open() as db:
            db.execute("BEGIN IMMEDIATE")
            row = db.execute("SELECT entry FROM pod WHERE name = ?", (name,)).fetchone()
            if row is None:
                raise KeyError(name)
            entry = change(msgspec.json.decode(row[0], type=PodEntry))
            if touch:
                entry = msgspec.structs.replace(entry, touched_s=time.time())
            values = (entry.state, _dump(entry), name)
            db.execute("UPDATE pod SET state = ?, entry = ? WHERE name = ?", values)
            db.execute("COMMIT")
        return entry

    def set(self, name: str, **fields: object) -> PodEntry:
        """Replace fields of an entry; without any, note that a client works on it."""
        return self.change(name, lambda entry: msgspec.structs.replace(entry, **fields))

    def ready(self, name: str, pod: PodState, now_s: float) -> PodEntry:
        """It can be connected to."""

        def change(entry: PodEntry) -> PodEntry:
            fresh = _adopted(entry, pod, now_s)
            return msgspec.structs.replace(fresh, state="ready", ready_s=fresh.ready_s or now_s)

        return self.change(name, change)

    def rented(self, name: str, pod: PodState, now_s: float, *, touch: bool = True) -> PodEntry:
        """It is there."""
        return self.change(name, lambda entry: _adopted(entry, pod, now_s), touch=touch)

    def paused(self, name: str, now_s: float) -> PodEntry:
        """It was stopped: its disk is kept and billed. One that is to be ended still is."""

        def change(entry: PodEntry) -> PodEntry:
            return _closed(entry, "ending" if entry.state == "ending" else "stopped", now_s)

        return self.change(name, change, touch=False)

    def ended(self, name: str, now_s: float, why: str = "", *, vanished: bool = False) -> PodEntry:
        """It is gone. One that was to be ended, or was, has not vanished: known again, it is ended again."""

        def change(entry: PodEntry) -> PodEntry:
            lost = vanished and (entry.vanished if entry.over else entry.state != "ending")
            closed = _closed(entry, "ended", now_s)
            return msgspec.structs.replace(closed, why=entry.why or why, vanished=lost)

        return self.change(name, change)

    def back(self, name: str, pod: PodState, now_s: float) -> PodEntry:
        """It was held to be gone and is there: it ran, and was billed, all the time."""

        def change(entry: PodEntry) -> PodEntry:
            alive = msgspec.structs.replace(entry, ended_s=None, why="", vanished=False)
            if pod.status == "EXITED":
                return msgspec.structs.replace(alive, state="stopped")
            spans = _reopened(entry.spans, entry.ended_s)
            state: State = "rented" if entry.ready_s is None else "ready"
            return _adopted(msgspec.structs.replace(alive, state=state, spans=spans), pod, now_s)

        return self.change(name, change, touch=False)

    def spent(self, name: str, usd: float) -> PodEntry:
        """What it cost until it was stopped, by its keeper: where that is less, it was stopped earlier."""
        return self.change(name, lambda entry: _shortened(entry, usd))


class OwnersBook:
    """What a renter writes down for one owner (:class:`millhand.pods.runpod.rent.Book`)."""

    def __init__(
        self,
        ledger: PodLedger,
        owner: str,
        *,
        run: str,
        pod_file: str,
        now_s: Callable[[], float],
        key_mark: str = "",
        estimate_usd: float | None = None,
    ) -> None:
        self._ledger, self._owner, self._now_s, self._key_mark = ledger, owner, now_s, key_mark
        self._run, self._pod_file, self._estimate_usd = run, pod_file, estimate_usd

    def intend(self, name: str, candidate: Candidate, terms: Terms) -> None:
        """Write the pod down before it is asked for."""
        self._ledger.add(
            PodEntry(
                name=name,
                owner=self._owner,
                state="intended",
                pod_file=self._pod_file,
                gpu=candidate.gpu,
                cloud=candidate.cloud,
                data_center=candidate.data_center,
                usd_per_hour=candidate.usd_per_hour,
                terms=terms,
                touched_s=time.time(),
                run=self._run,
                key_mark=self._key_mark,
                volume_id=candidate.volume.id if candidate.volume else "",
                estimate_usd=self._estimate_usd,
            )
        )

    def rented(self, name: str, pod: PodState) -> None:
        """It is there."""
        self._ledger.rented(name, pod, self._now_s())

    def refused(self, name: str, why: str) -> None:
        """There is none."""
        self._ledger.set(name, state="refused", why=why)

    def ending(self, name: str, why: str) -> None:
        """It must end."""
        self._ledger.set(name, state="ending", why=why)

    def ended(self, name: str) -> None:
        """It is gone."""
        self._ledger.ended(name, self._now_s())


def open_pod_ledger(workspace: Workspace) -> PodLedger:
    """The pods of a workspace."""
    return PodLedger(workspace.state / "ledger.sqlite")


def _adopted(entry: PodEntry, pod: PodState, now_s: float) -> PodEntry:
    """The entry with what the API says of the pod; a span of use begins if none is open.

    The first began when it was asked for, however late the answer was seen. Why it was stopped, or held to be
    gone, is not why it ends later.
    """
    running = bool(entry.spans) and entry.spans[-1][1] is None
    again = entry.state == "stopped" or entry.lost
    begun_s = now_s if entry.spans else min(now_s, entry.asked_s or now_s)
    return msgspec.structs.replace(
        entry,
        state=entry.state if entry.state in ("ready", "ending") else "rented",
        pod_id=pod.id,
        data_center=pod.data_center_id or entry.data_center,
        billed_usd_per_hour=pod.cost or entry.billed_usd_per_hour,
        rented_s=entry.rented_s or begun_s,
        spans=entry.spans if running else (*entry.spans, (begun_s, None)),
        ended_s=None,
        why="" if again else entry.why,
        vanished=False,
    )


def _closed(entry: PodEntry, state: State, now_s: float) -> PodEntry:
    spans = tuple((began, now_s if end is None else end) for began, end in entry.spans)
    ended_s = (entry.ended_s or now_s) if state == "ended" else None
    return msgspec.structs.replace(entry, state=state, spans=spans, ended_s=ended_s)


def _reopened(spans: Spans, ended_s: float | None) -> Spans:
    """The spans without the end that the last one was given when the pod was held to be gone."""
    if not spans or spans[-1][1] is None or spans[-1][1] != ended_s:
        return spans
    return (*spans[:-1], (spans[-1][0], None))


def _shortened(entry: PodEntry, usd: float) -> PodEntry:
    """The entry with its last closed span cut so that all closed ones cost no more than ``usd``."""
    closed = [index for index, (_, end) in enumerate(entry.spans) if end is not None]
    if not closed or not entry.hourly_usd:
        return entry
    ran_s = sum((entry.spans[index][1] or 0.0) - entry.spans[index][0] for index in closed)
    begin, end = entry.spans[closed[-1]]
    cut_s = ran_s - usd / entry.hourly_usd * 3600
    spans = list(entry.spans)
    spans[closed[-1]] = (begin, max(begin, (end or begin) - max(0.0, cut_s)))
    return msgspec.structs.replace(entry, spans=tuple(spans))


def _dump(entry: PodEntry) -> str:
    return msgspec.json.encode(entry).decode("utf-8")
