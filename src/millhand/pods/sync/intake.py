"""Payloads as they arrive at an agent. This file travels.

Blocks that are to be written as they are go to one place in memory, again and again, and are checked piece by
piece, while each is still in the processor's cache: by their tag, or by SHA-256.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from millhand.pods import wire
from millhand.pods.sync.hashes import BLOCK, STRIDE, fill
from millhand.pods.sync.tags import NONCE, TAG, Tags

if TYPE_CHECKING:
    Payload = bytes | memoryview
_PIECE = 1 << 18


class Intake:
    """Reads payloads; each is good until the next one is read."""

    def __init__(self) -> None:
        self._buffer = memoryview(bytearray(STRIDE))
        self._blocks = self._buffer[:0]
        self._digests: list[bytes] | None = None
        self._tagged = False
        self._able, self._key = True, b""
        self._tags: Tags | None = None

    def use(self, key: bytes) -> None:
        """Tags are taken with this key from now on; with none there are none."""
        self._key = key
        if self._tags is not None and key:
            self._tags.use(key)

    def read(self, reader: Any, header: dict[str, Any], size: int) -> Payload:
        """Read the payload that follows a header, whose ``tag`` is taken away.

        Raises:
            wire.WireError: The stream ended.
        """
        told = _bytes(header.pop("tag", ""))
        blocks = header.get("do") == "blocks" and size % BLOCK == 0 and size <= STRIDE
        if not blocks or header.get("packed") or header.get("ops"):
            return wire.read_exactly(reader, size)
        self._blocks, self._digests = self._buffer[:size], None
        tags = self.tags() if len(told) == NONCE + TAG else None
        self._tagged = (
            tags is not None and tags.of(told[:NONCE], self._pieces(reader, 0, size)) == told[NONCE:]
        )
        if tags is None:
            starts = range(0, size, BLOCK)
            self._digests = [_sha256(self._pieces(reader, start, start + BLOCK)) for start in starts]
        return self._blocks

    def tags(self) -> Tags | None:
        """What takes tags; None where this Python cannot, or there is no key."""
        if self._tags is None and self._able and self._key:
            try:
                self._tags = Tags(self._key)
            except Exception:  # noqa: BLE001 - whatever this Python lacks for it, SHA-256 does it
                self._able = False
        return self._tags if self._key else None

    def _pieces(self, reader: Any, start: int, end: int) -> Iterator[memoryview]:
        for at in range(start, end, _PIECE):
            piece = self._buffer[at : at + _PIECE]
            if fill(reader, piece) < _PIECE:
                raise wire.WireError("the connection ended in the middle of a message")
            yield piece

    def digests(self, payload: Payload, told: list[bytes]) -> list[bytes] | None:
        """The SHA-256 of each block that was just read, as told where the tag is right; None if not known."""
        if payload is not self._blocks:
            return None
        return told if self._tagged and len(told) * BLOCK == len(payload) else self._digests


def _sha256(pieces: Iterable[memoryview]) -> bytes:
    found = hashlib.sha256()
    for piece in pieces:
        found.update(piece)
    return found.digest()


def _bytes(text: object) -> bytes:
    try:
        return bytes.fromhex(str(text))
    except ValueError:
        return b""
