"""From a pod to the client: what is new here is found out, fetched, and put in place."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from millhand.errors import Finding
from millhand.pods.sync.compare import BLOCKED, META, SAME, SEND, verdict
from millhand.pods.sync.folders import Entry, Stamp, reason_of
from millhand.pods.sync.hashes import BLOCK, read_hash
from millhand.pods.sync.incoming import Incoming
from millhand.pods.sync.lanes import Answer, AnswerError, CutError, Opener
from millhand.pods.sync.names import WINDOWS, RefusedError, split
from millhand.pods.sync.packing import from_row, inflate, unpack
from millhand.pods.sync.remote import PAGE
from millhand.pods.sync.removing import Say
from millhand.pods.sync.report import Progress, Report
from millhand.pods.sync.transfer import TRIES, Batch, Choice, Transfer, pages
from millhand.pods.sync.tree import MAC, Arrivals, Tree, fault_of_name, outermost, refused


def pull(
    opener: Opener,
    root: Path,
    paths: Sequence[str],
    *,
    place: str,
    choice: Choice | None = None,
    progress: Progress | None = None,
) -> Report:
    """Bring files and folders below ``place`` on the pod to the same paths below ``root``.

    Args:
        opener: Starts an agent there (``connection.open_agent(agent(), transport=…)``).
        root: The client's folder; it is made where there is none. Its ignore files are asked, not the pod's.
        paths: What of it, with forward slashes; ``.`` is everything. What is named is never ignored.
        place: The pod's folder.

    Raises:
        CutError: The connection broke; the same call again goes on from there.
        MillhandError: No agent or no folder there, no room here.
    """
    if choice is None or not choice.dry_run:
        root.mkdir(parents=True, exist_ok=True)
    with Transfer(opener, root, place, choice or Choice(), progress, writes_there=False) as transfer:
        _Pull(transfer, paths).run()
    transfer.report.planned.sort(key=lambda planned: planned.path)
    return transfer.report


class _Pull:
    def __init__(self, transfer: Transfer, paths: Sequence[str]) -> None:
        self._transfer, self._paths = transfer, paths
        self._crew, self._store, self._report = transfer.crew, transfer.store, transfer.report
        self._tree = Tree(transfer.root, paths, transfer.report.findings)
        self._arrivals = Arrivals(transfer.report.findings, windows=WINDOWS, folds=WINDOWS or MAC)
        self._say = Say(transfer.choice.leaves_out)
        self._batch = Batch()
        self._links: list[Entry] = []
        self._again: list[str] = []

    def run(self) -> None:
        try:
            self._run()
        except ValueError as error:
            raise CutError(f"What the other side says makes no sense: {error}.") from error

    def _run(self) -> None:
        self._transfer.welcome()
        named = [path for path in outermost(self._paths) if self._allowed(path)]
        for path in named:
            self._bring_all(path, must=True)
        self._flush()
        self._repeat()
        self._make_links()
        if self._transfer.choice.delete:
            self._remove_extras(named)
        self._transfer.goodbye()

    def _allowed(self, path: str) -> bool:
        try:
            split(path)
        except RefusedError as error:
            self._transfer.found(refused(path, error.reason))
            return False
        fault = fault_of_name(path)
        if fault:
            self._transfer.found(refused(path, fault))
        return fault is None

    def _bring_all(self, path: str, must: bool) -> None:
        keep, some = self._tree.keeper(path), False
        for page in self._listed(path):
            some = some or bool(page)
            taken = [entry for entry in page if keep(entry) and self._wanted(path, entry)]
            self._heard(path, page, taken)
            self._report.checked += sum(entry.kind == "f" for entry in taken) if must else 0
            decided = self._decided(taken)
            wanted = [entry.size for entry, _, said in decided if said == SEND and entry.kind == "f"]
            self._transfer.expect(sum(wanted))
            for entry, ours, said in decided:
                self._act(entry, ours, said)
        if must and not some:
            why = "there is no such file or folder on the other side"
            self._transfer.found(refused(path, why, "sync.missing"))

    def _wanted(self, path: str, entry: Entry) -> bool:
        return not self._transfer.choice.leaves_out(path, entry.path) and self._arrivals.take(entry)

    def _heard(self, path: str, page: list[Entry], taken: list[Entry]) -> None:
        for entry in page if self._transfer.choice.delete else ():
            self._say.has(entry.path)
        for entry in taken if self._transfer.choice.delete else ():
            self._say.brings(path, entry)

    def _listed(self, path: str) -> Iterator[list[Entry]]:
        start = "" if path == "." else f"{path}/"
        asked = deque(self._crew.leader.ask({"do": "list", "path": where}) for where in (path, None))
        more = True
        while more:
            header, rows = asked.popleft().result()
            page = [from_row(row) for row in unpack(rows)]
            if not all(entry.path == path or entry.path.startswith(start) for entry in page):
                raise ValueError("it offers what was not asked for")
            more = bool(header.get("more"))
            if more:  # the page after the next is asked for before this one is worked on
                asked.append(self._crew.leader.ask({"do": "list", "path": None}))
            yield page
        for where, why in header.get("problems", ()):
            self._transfer.found(refused(str(where), f"it cannot be read there: {why}", "sync.unreadable"))

    def _decided(self, page: list[Entry]) -> list[tuple[Entry, Entry | None, str]]:
        looked = [(entry, self._look(entry)) for entry in page if entry.path != "."]
        alike = [(e, old) for e, old in looked if isinstance(old, tuple) and _alike(e, old[0])]
        known = self._store.hashes.known((old.path, stamp) for _, (old, stamp) in alike)
        theirs = self._their_digests([entry.path for entry, _ in alike if entry.digest is None])
        decided: list[tuple[Entry, Entry | None, str]] = []
        for entry, old in looked:
            if old == "refused":
                continue
            ours = old[0] if isinstance(old, tuple) else None
            if ours is not None and _alike(entry, ours):
                entry = entry._replace(digest=entry.digest or theirs.get(entry.path))
                ours = ours._replace(digest=known.get(entry.path) or self._digest(entry.path))
            decided.append((entry, ours, verdict(entry, ours)))
        return decided

    def _look(self, entry: Entry) -> tuple[Entry, Stamp] | str | None:
        try:
            return self._transfer.root.look(entry.path)
        except (OSError, RefusedError) as error:
            self._transfer.found(refused(entry.path, reason_of(error), "sync.blocked"))
            return "refused"

    def _their_digests(self, paths: list[str]) -> dict[str, str | None]:
        found: dict[str, str | None] = {}
        for some in pages(iter(paths), 1000):
            digests = self._crew.call({"do": "digests", "paths": some})[0]["digests"]
            found.update(zip(some, digests, strict=True))
        return found

    def _digest(self, path: str) -> str | None:
        try:
            digest, stamp = read_hash(self._transfer.root, path)
        except (OSError, RefusedError):
            return None
        self._store.hashes.note(path, stamp, digest)
        return digest

    def _act(self, entry: Entry, ours: Entry | None, said: str) -> None:
        if said == SAME:
            return
        if said == BLOCKED:
            why = "a folder and a file stand in each other's place here"
            self._transfer.found(refused(entry.path, why, "sync.blocked"))
        elif said == META:
            self._do("meta", entry)
        elif entry.kind == "d":
            self._do("folder", entry)
        elif entry.kind == "l":
            self._transfer.add("link", entry.path)
            self._links.append(entry)
        else:
            self._transfer.add("new" if ours is None else "changed", entry.path, entry.size)
            if not self._transfer.choice.dry_run:
                self._fetch(entry, ours is not None and ours.kind == "f" and ours.size > BLOCK)

    def _do(self, action: str, entry: Entry) -> None:
        self._transfer.add(action, entry.path)
        if self._transfer.choice.dry_run:
            return
        if action == "meta":
            self._tried(entry.path, lambda: self._store.set_meta(entry))
        else:
            self._tried(entry.path, lambda: self._store.make_folder(entry.path))

    def _tried(self, path: str, act: Any) -> bool:
        return self._transfer.tried(path, act)

    def _fetch(self, entry: Entry, old: bool) -> None:
        if entry.size > BLOCK:
            Incoming(self._transfer, entry, self._again.append).fetch(old)
        elif self._batch.add(entry):
            self._flush()

    def _flush(self) -> None:
        batch, self._batch = self._batch, Batch()
        if not batch.entries:
            return
        paths = [entry.path for entry in batch.entries]
        header = {"do": "fetch", "paths": paths, "squeeze": self._transfer.squeeze()}
        self._crew.put(header, b"", lambda answer: self._arrived(paths, answer), weight=batch.size)

    def _arrived(self, paths: list[str], answer: Answer | AnswerError) -> None:
        if isinstance(answer, AnswerError):
            return self._transfer.left_out(paths[0], answer)
        header, data = answer
        data = inflate(data, int(header["packed"])) if "packed" in header else data
        start = 0
        for path, row in zip(paths, header["rows"], strict=True):
            if len(row) == 2:
                self._not_fetched(path, row[1])
                continue
            entry = from_row(row)
            if entry.path != path or entry.size > BLOCK:
                raise ValueError("it sends what was not asked for")
            self._write(entry, data[start : start + entry.size])
            start += entry.size
        return None

    def _not_fetched(self, path: str, fault: dict[str, Any]) -> None:
        if fault.get("kind") == "changed":
            self._again.append(path)
        elif fault.get("kind") != "gone":
            self._transfer.left_out(path, fault)

    def _write(self, entry: Entry, data: bytes) -> None:
        if self._tried(entry.path, lambda: self._store.write_small(entry, data)):
            self._transfer.moved(len(data))
            self._transfer.brought(1, len(data))

    def _repeat(self) -> None:
        """Look again at what changed while it was fetched."""
        for _ in range(TRIES):
            self._crew.drain()
            paths, self._again[:] = list(self._again), []
            self._report.again += len(paths)
            for path in paths:
                self._bring_all(path, must=False)
            self._flush()
        self._crew.drain()
        for path in self._again:
            why = "it changes faster than it can be fetched"
            self._transfer.found(refused(path, why, "sync.changing"))

    def _make_links(self) -> None:
        """Links come last: none is there while files are written."""
        for entry in self._links if not self._transfer.choice.dry_run else ():
            self._tried(entry.path, lambda entry=entry: self._store.make_link(entry.path, entry.link or ""))

    def _remove_extras(self, named: list[str]) -> None:
        """Remove what the named folders have here and the pod has not, as far as the pod has a say."""
        extras: list[Entry] = []
        kept: list[Finding] = []
        for path in named:
            here = (entry for entry, _ in Tree(self._transfer.root, [path]).walk())
            extras += self._say.extras(path, here, kept)
        gone = [entry for page in pages(iter(extras), PAGE) for entry in self._missing_there(page)]
        if self._transfer.may_remove(gone, kept):
            for entry in gone:
                self._report.deleted += self._tried(
                    entry.path, lambda entry=entry: self._store.delete(entry.path)
                )

    def _missing_there(self, entries: list[Entry]) -> list[Entry]:
        answer = self._crew.call({"do": "missing", "paths": [entry.path for entry in entries]})[0]
        gone = set(answer["missing"])
        return [entry for entry in entries if entry.path in gone]


def _alike(new: Entry, old: Entry) -> bool:
    return new.kind == old.kind == "f" and new.size == old.size
