"""One large file on its way to a pod: sent as blocks, or as what blocks are made of there."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import BinaryIO

from millhand.pods.sync import chunks, cutting
from millhand.pods.sync.base import Base, laid
from millhand.pods.sync.buffers import Buffers, Filled
from millhand.pods.sync.folders import Entry, Stamp, entry_of, stamp_of
from millhand.pods.sync.hashes import BLOCK, whole
from millhand.pods.sync.lanes import Answer, AnswerError
from millhand.pods.sync.packing import squeezed, to_row
from millhand.pods.sync.parts import ZERO
from millhand.pods.sync.store import LITERAL, ZEROS
from millhand.pods.sync.transfer import Transfer

_RUN_BLOCKS = 32
_ZERO_DIGEST = hashlib.sha256(ZERO).digest()
_LITTLE = 8 << 20  # bytes that are sent sooner than a search would spare them
Plan = Iterator[list[chunks.Op]]


@dataclass
class _Run:
    """Blocks in a row that are put together there; ``literal`` is what has to be sent for it."""

    first: int
    digests: list[bytes] = field(default_factory=list)
    ops: list[chunks.Op] = field(default_factory=list)
    literal: list[bytes] = field(default_factory=list)
    size: int = 0

    @property
    def full(self) -> bool:
        return len(self.digests) >= _RUN_BLOCKS or sum(map(len, self.literal)) >= BLOCK


class Large:
    """Sends one file. Reading is one thread's; answers come in others'.

    Args:
        transfer: The session.
        entry: The file.
        buffers: What its blocks are read into.
        broken: Told when blocks did not come out right there and have to be sent once more.
    """

    def __init__(
        self, transfer: Transfer, entry: Entry, buffers: Buffers, broken: Callable[[Large], None]
    ) -> None:
        self.path, self.digests, self._buffers = entry.path, list[bytes](), buffers
        self._transfer, self._broken = transfer, broken
        self._lock = threading.Lock()
        self._open = 0
        self._sealed = self._failed = False
        self._bad: set[int] = set()
        self._stamp: Stamp | None = None
        self._entry = entry
        self._run: _Run | None = None
        self._passes = self._planned = 0
        self._little = False

    @contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """The file, as it is now."""
        with open(self._transfer.root.open(self.path), "rb", buffering=0) as file:  # noqa: PTH123 - a descriptor
            yield file

    def base(self, file: BinaryIO, old: int) -> Base:
        """What of the old file, of ``old`` bytes, is already at its place in the new one."""
        return laid(self._transfer, self.path, file.fileno(), old)

    def plan(self, file: BinaryIO, first: int) -> Plan | None:
        """What each block from the ``first`` on is made of, beside the file that the pod has."""
        size = os.fstat(file.fileno()).st_size
        start = first * BLOCK
        self._planned, self._little = first, start > 0 and size - start <= _LITTLE
        if self._little:
            return None
        rule = cutting.rule_for(file, size)
        ask, fd = self._transfer.crew.call, file.fileno()
        about = {"path": self.path, "rule": list(rule)}
        asked = self._transfer.crew.leader.ask({"do": "sign", **about, "start": start})
        new = list(cutting.groups(file, rule, start))
        try:
            old = cutting.unpack_groups(asked.result()[1], start)
        except AnswerError:
            return iter(())

        def there(ranges: chunks.Ranges) -> chunks.Pieces:
            return cutting.unpack_pieces(ask({"do": "pieces", **about, "ranges": ranges})[1])

        def here(ranges: chunks.Ranges) -> chunks.Pieces:
            return cutting.unpack_pieces(cutting.pack_pieces(fd, ranges, rule))

        return chunks.by_blocks(chunks.plan(new, old, here, there), size - start)

    def pass_over(self, file: BinaryIO, held: list[bytes], plan: Plan | None, base: Base) -> bool:
        """Send all blocks but those that are held; say whether the file stayed as it was meanwhile."""
        status = os.fstat(file.fileno())
        self._stamp, self._entry = stamp_of(status), entry_of(self.path, status)
        self.digests, self._bad, self._sealed = [], set(), False
        self._passes += 1
        if base.stamp == self._stamp:
            self.digests = base.here[: base.first]  # they are not read twice
            self._counted(len(self.digests) * BLOCK, reused=True)
        while (filled := self._buffers.filled(file, len(self.digests) * BLOCK)).data:
            self._take(filled, held, plan)
        self._put_run()
        now = self._transfer.root.look(self.path)
        return now is not None and now[1] == self._stamp and len(self.digests) == -(-status.st_size // BLOCK)

    def _take(self, filled: Filled, held: list[bytes], plan: Plan | None) -> None:
        data, found, tag = filled
        first, view = len(self.digests), memoryview(data)
        self.digests += found
        if plan or held or self._squeezes() or _ZERO_DIGEST in found:
            for number, digest in enumerate(found):
                block = view[number * BLOCK : (number + 1) * BLOCK]
                self._take_one(first + number, block, digest, held, plan)
            self._buffers.give_back(data)
        else:
            self._put_run()
            self._put(first, found, None, data, len(data), squeeze=False, tag=tag)

    def _take_one(
        self, index: int, block: memoryview, digest: bytes, held: list[bytes], plan: Plan | None
    ) -> None:
        ops = next(plan, None) if plan and index >= self._planned else None
        if held[index : index + 1] == [digest]:
            self._counted(len(block), reused=True)
        else:
            self._add(index, bytes(block), digest, ops)

    def _squeezes(self) -> bool:
        return self._little or self._transfer.squeeze()

    def _add(self, index: int, data: bytes, digest: bytes, ops: list[chunks.Op] | None) -> None:
        if digest == _ZERO_DIGEST:
            ops = [(ZEROS, 0, BLOCK)]
        run = self._run
        if run and (ops is None or run.full or run.first + len(run.digests) != index):
            self._put_run()
        if not ops or all(kind == LITERAL for kind, _, _ in ops):
            self._put_run()
            self._put(index, [digest], None, data, len(data), squeeze=self._squeezes())
            return
        run = self._run = self._run or _Run(index)
        run.digests.append(digest)
        run.ops += ops
        run.size += len(data)
        start = index * BLOCK
        run.literal += [data[at - start : at - start + size] for kind, at, size in ops if kind == LITERAL]

    def _put_run(self) -> None:
        run, self._run = self._run, None
        if run:
            data = b"".join(run.literal)
            self._put(run.first, run.digests, run.ops, data, run.size, squeeze=True)

    def _put(
        self,
        first: int,
        digests: list[bytes],
        ops: list[chunks.Op] | None,
        data: bytes | bytearray,
        size: int,
        squeeze: bool,
        tag: str | None = None,
    ) -> None:
        known = [digest.hex() for digest in digests]
        blocks = {"do": "blocks", "path": self.path, "first": first, "digests": known, "ops": ops}
        blocks |= {"tag": tag} if tag else {}
        header, sent = squeezed(blocks, data, squeeze)

        def done(answer: Answer | AnswerError) -> None:
            self._answered(answer, range(first, first + len(digests)), size, size - len(data))

        with self._lock:
            self._open += 1
        self._transfer.crew.put(header, sent, done, sent=lambda: self._buffers.give_back(data))

    def _answered(self, answer: Answer | AnswerError, blocks: range, size: int, reused: int) -> None:
        if isinstance(answer, AnswerError):
            self._refused(answer, blocks)
        else:
            self._counted(size - reused)
            self._counted(reused, reused=True)
        with self._lock:
            self._open -= 1
            last = self._sealed and not self._open
        if last:
            self._finish()

    def _counted(self, size: int, reused: bool = False) -> None:
        if self._passes == 1:
            self._transfer.moved(size, reused)

    def _refused(self, error: AnswerError, blocks: range) -> None:
        with self._lock:
            repeatable = error.kind in ("mismatch", "gone")  # its old file is another now
            first = not self._failed and not repeatable
            self._failed = self._failed or not repeatable
            self._bad.update(blocks)
        if first:
            self._transfer.left_out(self.path, error)

    def seal(self) -> None:
        """All that is to be sent was sent: let the file take its place when it has arrived."""
        with self._lock:
            self._sealed = True
            last = not self._open
        if last:
            self._finish()

    def _finish(self) -> None:
        if self._failed:
            return
        if self._bad:
            self._broken(self)
            return
        entry = self._entry._replace(digest=whole(self.digests))
        self._transfer.crew.put_first({"do": "finish", "row": to_row(entry)}, self._finished)

    def _finished(self, answer: Answer | AnswerError) -> None:
        if isinstance(answer, AnswerError):
            self._transfer.left_out(self.path, answer)
            return
        self._transfer.brought(1, self._entry.size)
        if self._stamp is not None:
            self._transfer.store.hashes.note(self.path, self._stamp, whole(self.digests))

    def arrived(self) -> list[bytes]:
        """The digests of the blocks that are right there; nothing in the place of the others."""
        return [b"" if index in self._bad else digest for index, digest in enumerate(self.digests)]
