"""One large file on its way from a pod: fetched block by block; what the client has of it is not fetched."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from millhand.pods.sync import chunks, cutting
from millhand.pods.sync.folders import Entry
from millhand.pods.sync.hashes import BLOCK, whole
from millhand.pods.sync.lanes import Answer, AnswerError
from millhand.pods.sync.packing import inflate
from millhand.pods.sync.store import LITERAL, MismatchError, digests_of
from millhand.pods.sync.transfer import Transfer

_RUN_BLOCKS = 32


@dataclass
class _Run:
    """Blocks in a row; ``ranges`` of the pod's file are to be fetched for them."""

    first: int
    count: int = 0
    size: int = 0
    ops: list[chunks.Op] = field(default_factory=list)
    ranges: list[tuple[int, int]] = field(default_factory=list)

    @property
    def literal(self) -> int:
        return sum(size for _, size in self.ranges)


class Incoming:
    """Fetches one file. Asking is one thread's; answers come in others'.

    Args:
        transfer: The session.
        entry: The file, as the pod listed it.
        again: Told its path when it is another file meanwhile.
    """

    def __init__(self, transfer: Transfer, entry: Entry, again: Callable[[str], None]) -> None:
        self._transfer, self._entry, self._again = transfer, entry, again
        self._count = -(-entry.size // BLOCK)
        self._digests: list[bytes] = [b""] * self._count
        self._sums: list[bytes] | None = None
        self._lock = threading.Lock()
        self._open = 1  # the asking itself
        self._stale = self._failed = False
        self._about = {"path": entry.path, "size": entry.size, "mtime_ns": entry.mtime_ns}

    def fetch(self, old: bool) -> None:
        """Ask for all of it that is not here; ``old``: there is a file to copy from."""
        parts = self._transfer.store.parts_left(self._entry.path)
        held: list[bytes] = []
        if (old or parts) and not self._summed():
            return self._again(self._entry.path)
        if parts:
            held = self._transfer.store.prepare(self._entry.path)
        self._ask(held, self._plan() if old else None)
        self._settled(None)
        return None

    def _summed(self) -> bool:
        """Learn the digests of the pod's blocks; say whether it is still the file that was listed."""
        try:
            header, packed = self._transfer.crew.call({"do": "sums", "path": self._entry.path})
        except AnswerError:
            return False
        self._sums = [packed[at : at + 32] for at in range(0, len(packed), 32)]
        same = (header["size"], header["mtime_ns"]) == (self._entry.size, self._entry.mtime_ns)
        return same and len(self._sums) == self._count

    def _plan(self) -> Any:
        fd = self._transfer.root.open(self._entry.path)
        with open(fd, "rb", buffering=0) as file:  # noqa: PTH123 - a descriptor
            rule = cutting.rule_for(file, self._entry.size)
            about = {"path": self._entry.path, "rule": list(rule)}
            asked = self._transfer.crew.leader.ask({"do": "sign", **about})
            old = list(cutting.groups(file, rule))
        try:
            new = cutting.unpack_groups(asked.result()[1])
        except AnswerError:
            return None

        def there(ranges: chunks.Ranges) -> chunks.Pieces:
            return cutting.unpack_pieces(
                self._transfer.crew.call({"do": "pieces", **about, "ranges": ranges})[1]
            )

        def here(ranges: chunks.Ranges) -> chunks.Pieces:
            with open(self._transfer.root.open(self._entry.path), "rb", buffering=0) as file:  # noqa: PTH123
                return cutting.unpack_pieces(cutting.pack_pieces(file.fileno(), ranges, rule))

        return chunks.by_blocks(chunks.plan(new, old, there, here), self._entry.size)

    def _ask(self, held: list[bytes], plan: Any) -> None:
        run: _Run | None = None
        for index in range(self._count):
            size = min(BLOCK, self._entry.size - index * BLOCK)
            ops = next(plan, None) if plan else None
            if self._sums and held[index : index + 1] == [self._sums[index]]:
                self._digests[index] = self._sums[index]
                self._transfer.moved(size, reused=True)
                continue
            ops = ops or [(LITERAL, index * BLOCK, size)]
            if run and (run.first + run.count != index or run.literal >= BLOCK or run.count >= _RUN_BLOCKS):
                self._request(run)
                run = None
            run = run or _Run(index)
            run.count, run.size = run.count + 1, run.size + size
            run.ops += ops
            run.ranges += [(offset, length) for kind, offset, length in ops if kind == LITERAL]
        if run:
            self._request(run)

    def _request(self, run: _Run) -> None:
        with self._lock:
            self._open += 1
        if not run.ranges:
            return self._write(run, b"")
        squeeze = self._transfer.squeeze() or len(run.ranges) > 1
        header = {"do": "read", **self._about, "ranges": run.ranges, "squeeze": squeeze}
        self._transfer.crew.put(header, b"", lambda answer: self._arrived(run, answer), weight=run.literal)
        return None

    def _arrived(self, run: _Run, answer: Answer | AnswerError) -> None:
        if isinstance(answer, AnswerError):
            return self._settled(answer)
        header, data = answer
        if "zeros" in header:
            data = bytes(min(int(header["zeros"]), run.literal))
        elif "packed" in header:
            data = inflate(data, run.literal)
        if len(data) != run.literal or not self._is_right(header, data):
            return self._settled(AnswerError("changed", "it is cut short"))
        self._write(run, data)
        return None

    def _is_right(self, header: dict[str, Any], data: bytes) -> bool:
        if "tag" in header:
            return self._transfer.tagging.fits(data, str(header["tag"]))
        return hashlib.sha256(data).hexdigest() == str(header["digest"])

    def _write(self, run: _Run, data: bytes) -> None:
        path, store = self._entry.path, self._transfer.store
        ops = None if run.literal == run.size else run.ops
        found = digests_of(data) if ops is None else None
        digests = self._sums[run.first : run.first + run.count] if self._sums is not None else found or []
        self._digests[run.first : run.first + run.count] = digests
        try:
            written = self._transfer.tried(
                path,
                lambda: store.write_blocks(path, run.first, digests, ops, data, found),
                but=MismatchError,
            )
        except MismatchError:  # the file here, or there, is another meanwhile
            return self._settled(AnswerError("changed", ""))
        if written:
            self._transfer.moved(run.literal)
            self._transfer.moved(run.size - run.literal, reused=True)
        return self._settled(None if written else AnswerError("told", ""))

    def _settled(self, error: AnswerError | None) -> None:
        with self._lock:
            self._open -= 1
            first = error is not None and not self._failed
            self._failed = self._failed or error is not None
            last = not self._open
        if error is not None and first:
            self._explain(error)
        if last and not self._failed:
            self._finish()

    def _explain(self, error: AnswerError) -> None:
        if error.kind in ("changed", "gone"):
            self._again(self._entry.path)
        elif error.kind != "told":
            self._transfer.left_out(self._entry.path, error)

    def _finish(self) -> None:
        entry = self._entry._replace(digest=whole(self._digests))
        if self._entry.digest not in (None, entry.digest):
            return self._again(entry.path)
        if self._transfer.tried(entry.path, lambda: self._transfer.store.finish(entry)):
            self._transfer.brought(1, entry.size)
        return None
