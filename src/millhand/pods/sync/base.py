"""What of a large file lies at the same place in its older version on the pod: it is copied there at once.

A look at a few blocks says how far the two go together; up to there the pod copies its old file into the new
one and says what it has copied, while the same blocks are hashed here. A file that was appended to, or
changed in a few places, costs one reading on each side that way, and no search.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field

from millhand.pods.sync import cutting
from millhand.pods.sync.folders import Stamp, stamp_of
from millhand.pods.sync.hashes import BLOCK
from millhand.pods.sync.lanes import AnswerError
from millhand.pods.sync.transfer import Transfer, full_disk

_SAMPLES = 8


@dataclass(frozen=True)
class Base:
    """The first blocks of a file: their SHA-256s here, and there those of what was copied in their place."""

    stamp: Stamp | None = None
    here: list[bytes] = field(default_factory=list)
    there: list[bytes] = field(default_factory=list)

    @property
    def first(self) -> int:
        """The first block that is not there."""
        pairs = enumerate(zip(self.here, self.there, strict=False))
        return next(
            (index for index, (new, old) in pairs if new != old), min(len(self.here), len(self.there))
        )


def laid(transfer: Transfer, path: str, fd: int, old_size: int) -> Base:
    """Let the pod copy as much of its old file as is alike.

    Raises:
        MillhandError: Its disk is full.
    """
    stamp = stamp_of(os.fstat(fd))
    count = _alike(transfer, path, fd, min(old_size, stamp.size) // BLOCK)
    if not count:
        return Base()
    asked = transfer.crew.leader.ask({"do": "base", "path": path, "count": count})
    here = [_digest(fd, index) for index in range(count)]
    try:
        packed = asked.result()[1]
    except AnswerError as error:
        if error.kind == "full":
            raise full_disk(path) from error
        return Base()
    return Base(stamp, here, [packed[at : at + 32] for at in range(0, len(packed), 32)])


def _alike(transfer: Transfer, path: str, fd: int, blocks: int) -> int:
    """How many blocks from the start are worth copying: up to the sample after the last one that is alike."""
    if blocks < _SAMPLES:
        return 0
    samples = [blocks * number // _SAMPLES for number in range(_SAMPLES)]
    asked = transfer.crew.leader.ask({"do": "probe", "path": path, "blocks": samples})
    here = [_digest(fd, index) for index in samples]
    try:
        packed = asked.result()[1]
    except AnswerError:
        return 0
    alike = [number for number in range(_SAMPLES) if packed[32 * number : 32 * number + 32] == here[number]]
    return blocks * (alike[-1] + 1) // _SAMPLES if alike else 0


def _digest(fd: int, index: int) -> bytes:
    return hashlib.sha256(cutting.read_at(fd, index * BLOCK, BLOCK)).digest()
