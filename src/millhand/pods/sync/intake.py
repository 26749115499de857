"""Payloads as they arrive at an agent. This file travels.

Blocks that are to be written as they are go to one place in memory, again and again, and are hashed piece by
piece, while each is still in the processor's cache.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from millhand.pods import wire
from millhand.pods.sync.hashes import BLOCK, STRIDE, fill

if TYPE_CHECKING:
    Payload = bytes | memoryview
_PIECE = 1 << 18


class Intake:
    """Reads payloads; each is good until the next one is read."""

    def __init__(self) -> None:
        self._buffer = memoryview(bytearray(STRIDE))
        self._blocks = self._buffer[:0]
        self._digests: list[bytes] = []

    def read(self, reader: Any, header: dict[str, Any], size: int) -> Payload:
        """Read the payload that follows a header.

        Raises:
            wire.WireError: The stream ended.
        """
        blocks = header.get("do") == "blocks" and size % BLOCK == 0 and size <= STRIDE
        if not blocks or header.get("packed") or header.get("ops"):
            return wire.read_exactly(reader, size)
        self._blocks = self._buffer[:size]
        self._digests = [self._hashed(reader, start) for start in range(0, size, BLOCK)]
        return self._blocks

    def _hashed(self, reader: Any, start: int) -> bytes:
        found = hashlib.sha256()
        for at in range(start, start + BLOCK, _PIECE):
            piece = self._buffer[at : at + _PIECE]
            if fill(reader, piece) < _PIECE:
                raise wire.WireError("the connection ended in the middle of a message")
            found.update(piece)
        return found.digest()

    def digests(self, payload: Payload) -> list[bytes] | None:
        """The SHA-256 of each block of what was just read; None where they were not taken."""
        return self._digests if payload is self._blocks else None
