"""From the client to a pod: what is new there is found out, sent, and put in place."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from millhand.errors import Finding
from millhand.pods.sync.compare import ASK, BLOCKED, META, SEND, verdict
from millhand.pods.sync.folders import Entry, Stamp, reason_of
from millhand.pods.sync.hashes import BLOCK, read_hash
from millhand.pods.sync.lanes import Answer, AnswerError, Opener
from millhand.pods.sync.names import RefusedError
from millhand.pods.sync.packing import from_row, pack, squeezed, to_row, unpack
from millhand.pods.sync.remote import ChangedError, read_small
from millhand.pods.sync.removing import Say
from millhand.pods.sync.report import Progress, Report
from millhand.pods.sync.sending import Larges
from millhand.pods.sync.transfer import Batch, Choice, Orders, Transfer, in_flight, pages
from millhand.pods.sync.tree import Tree, outermost, refused

_PAGE = 1000  # walking here and comparing there go on at the same time


def push(
    opener: Opener,
    root: Path,
    paths: Sequence[str],
    *,
    place: str,
    choice: Choice | None = None,
    progress: Progress | None = None,
) -> Report:
    """Bring files and folders below ``root`` to the same paths below ``place`` on the pod.

    Args:
        opener: Starts an agent there (``connection.open_agent(agent(), transport=…)``).
        root: The client's folder.
        paths: What of it, with forward slashes; ``.`` is everything. What is named is never ignored.
        place: The pod's folder; it is made where there is none.

    Raises:
        CutError: The connection broke; the same call again goes on from there.
        MillhandError: No agent, no folder or no room there.
    """
    with Transfer(opener, root, place, choice or Choice(), progress, writes_there=True) as transfer:
        tree = Tree(transfer.root, paths, transfer.report.findings, transfer.choice.skip)
        _Push(transfer, tree).run()
    transfer.report.planned.sort(key=lambda planned: planned.path)
    return transfer.report


class _Push:
    def __init__(self, transfer: Transfer, tree: Tree) -> None:
        self._transfer, self._tree = transfer, tree
        self._crew, self._report = transfer.crew, transfer.report
        self._batch, self._orders = Batch(), Orders()
        self._given: list[Future[Answer]] = []
        self._with_base: list[tuple[Entry, int, bool]] = []
        self._larges = Larges(transfer)
        self._say = Say(transfer.choice.leaves_out)

    def run(self) -> None:
        choice = self._transfer.choice
        for page, answer in in_flight(self._compared(), 8):
            rows = unpack(answer[1])
            self._transfer.expect(sum(page[row[0]].size for row in rows if row[1] == SEND))
            self._decide(page, rows)
        self._transfer.welcome()
        if not choice.dry_run:
            self._give_orders("folder", "meta")
            self._flush()
            for entry, old, parts in self._with_base:
                self._larges.send(entry, old, parts)
            self._crew.drain()
            self._larges.mend()
            self._give_orders("link")  # no link is there while files are written
            self._take_answers()
        if choice.delete:
            self._remove_extras()
        self._transfer.goodbye()

    def _compared(self) -> Iterator[tuple[list[Entry], Future[Answer]]]:
        """Ask about page after page of the tree."""
        for page in pages(self._walked(), _PAGE):
            known = self._transfer.store.hashes.known((e.path, stamp) for e, stamp in page if e.kind == "f")
            entries = [e._replace(digest=known.get(e.path)) for e, _ in page if e.path != "."]
            self._report.checked += sum(entry.kind == "f" for entry in entries)
            self._transfer.suspect(sum(entry.size for entry in entries if entry.digest is None))
            rows = pack([to_row(entry) for entry in entries])
            yield entries, self._crew.leader.ask({"do": "compare"}, rows)

    def _walked(self) -> Iterator[tuple[Entry, Stamp]]:
        if not self._transfer.choice.delete:
            yield from self._tree.walk()
            return
        for path in outermost(self._tree.named):
            for entry, stamp in dataclasses.replace(self._tree, named=[path]).walk():
                self._say.brings(path, entry)
                yield entry, stamp

    def _decide(self, page: list[Entry], rows: list[list[Any]]) -> None:
        for index, said, old_size, parts, more in rows:
            entry = page[index]
            if said == BLOCKED:
                why = more or "a folder and a file stand in each other's place there"
                self._transfer.found(refused(entry.path, why, "sync.blocked"))
                continue
            if said == ASK:
                entry, said = self._asked(entry, from_row(more))
            if said == META:
                self._order("meta", entry, to_row(entry))
            elif said == SEND:
                self._bring(entry, old_size, parts)

    def _asked(self, entry: Entry, old: Entry) -> tuple[Entry, str]:
        """Read a file whose digest is not known; what is to be done with it."""
        try:
            digest, stamp = read_hash(self._transfer.root, entry.path)
        except (OSError, RefusedError):
            return entry, SEND  # it is reported where it is read to be sent
        self._transfer.store.hashes.note(entry.path, stamp, digest)
        entry = entry._replace(digest=digest)
        return entry, verdict(entry, old)

    def _order(self, name: str, entry: Entry, *arguments: Any) -> None:
        self._transfer.add(name, entry.path)
        self._orders.add(name, *arguments)

    def _bring(self, entry: Entry, old_size: int | None, parts: bool) -> None:
        if entry.kind == "d":
            self._order("folder", entry, entry.path)
        elif entry.kind == "l":
            self._order("link", entry, entry.path, entry.link)
        else:
            self._transfer.add("new" if old_size is None else "changed", entry.path, entry.size)
            if not self._transfer.choice.dry_run:
                self._send(entry, old_size, parts)

    def _send(self, entry: Entry, old_size: int | None, parts: bool) -> None:
        if entry.size <= BLOCK:
            if self._batch.add(entry):
                self._flush()
        elif parts or (old_size or 0) > BLOCK:
            old = old_size or 0
            self._with_base.append((entry, old if old > BLOCK else 0, parts))
        else:
            self._larges.send(entry, old=0, parts=False)

    def _flush(self) -> None:
        """Send the small files that were gathered."""
        batch, self._batch = self._batch, Batch()
        entries, parts = [], []
        for entry in batch.entries:
            try:
                now, stamp, data = read_small(self._transfer.root, entry.path)
            except ChangedError:
                self._larges.send(entry, old=0, parts=False)  # it grew
                continue
            except (OSError, RefusedError) as error:
                self._transfer.found(
                    refused(entry.path, f"it cannot be read: {reason_of(error)}", "sync.unreadable")
                )
                continue
            self._transfer.store.hashes.note(entry.path, stamp, now.digest or "")
            entries.append(now)
            parts.append(data)
        if entries:
            self._put_small(entries, b"".join(parts))

    def _put_small(self, entries: list[Entry], data: bytes) -> None:
        rows = [to_row(entry) for entry in entries]
        header, sent = squeezed({"do": "small", "rows": rows}, data, self._transfer.squeeze())

        def done(answer: Answer | AnswerError) -> None:
            if isinstance(answer, AnswerError):
                return self._transfer.left_out(entries[0].path, answer)
            for path, fault in answer[0]["faults"]:
                self._transfer.left_out(path, fault)
            failed = {path for path, _ in answer[0]["faults"]}
            whole_ones = [entry for entry in entries if entry.path not in failed]
            size = sum(entry.size for entry in whole_ones)
            self._transfer.moved(size)
            self._transfer.brought(len(whole_ones), size)
            return None

        self._crew.put(header, sent, done)

    def _remove_extras(self) -> None:
        """Remove what the named folders have there and not here, as far as this side has a say."""
        extras: list[Entry] = []
        kept: list[Finding] = []
        for path in outermost(self._tree.named):
            there = filter(self._tree.keeper(path), self._there(path))
            extras += self._say.extras(path, there, kept)
        gone = [entry for entry in extras if self._missing_here(entry)]
        if self._transfer.may_remove(gone, kept):
            for entry in gone:
                self._orders.add("delete", entry.path)
            self._give_orders("delete")
            self._report.deleted = len(gone) - self._take_answers()

    def _there(self, path: str) -> Iterator[Entry]:
        header, rows = self._crew.call({"do": "list", "path": path})
        yield from (from_row(row) for row in unpack(rows))
        while header["more"]:
            header, rows = self._crew.call({"do": "list", "path": None})
            yield from (from_row(row) for row in unpack(rows))

    def _missing_here(self, entry: Entry) -> bool:
        try:
            return self._transfer.root.look(entry.path) is None
        except (OSError, RefusedError):
            return False

    def _give_orders(self, *names: str) -> None:
        self._given += [self._crew.leader.ask(*message) for message in self._orders.messages(*names)]

    def _take_answers(self) -> int:
        """Wait until the orders that were given are done; how many were not."""
        given, self._given = self._given, []
        faults = [fault for order in given for fault in order.result()[0]["faults"]]
        for path, fault in faults:
            self._transfer.left_out(path, fault)
        return len(faults)
