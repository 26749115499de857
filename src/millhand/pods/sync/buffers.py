"""Memory that blocks are read into, used again and again: fresh memory for each would cost more."""

from __future__ import annotations

from collections import deque
from typing import BinaryIO

from millhand.pods.sync.hashes import fill


class Buffers:
    """Buffers of one size. One thread takes them, any may give them back.

    Args:
        size: Bytes of each.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._spare: deque[bytearray] = deque()

    def filled(self, file: BinaryIO, offset: int) -> bytearray:
        """What a file has from an offset on, a buffer full at most; nothing at its end.

        Raises:
            OSError: It cannot be read.
        """
        buffer = self._spare.pop() if self._spare else bytearray(self._size)
        file.seek(offset)
        size = fill(file, memoryview(buffer))
        if size == self._size:
            return buffer
        self._spare.append(buffer)
        return buffer[:size]

    def give_back(self, data: bytes | bytearray) -> None:
        """Let a buffer be used again; what is none of them is left alone."""
        if isinstance(data, bytearray) and len(data) == self._size:
            self._spare.append(data)
