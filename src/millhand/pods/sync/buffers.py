"""Blocks of a file as they are read: into memory that is used again and again, since fresh memory costs more.

A block is hashed and tagged as soon as it was read, while it is still in the processor's cache.
"""

from __future__ import annotations

import hashlib
from collections import deque
from typing import BinaryIO, NamedTuple

from millhand.pods.sync.hashes import BLOCK, fill
from millhand.pods.sync.tagging import Tagging


class Filled(NamedTuple):
    """What was read at once: its bytes, the SHA-256 of each block, the tag of all of it."""

    data: bytearray
    digests: list[bytes]
    tag: str


class Buffers:
    """Buffers of one size. One thread takes them, any may give them back.

    Args:
        size: Bytes of each.
        tagging: Takes the tags.
    """

    def __init__(self, size: int, tagging: Tagging) -> None:
        self._size, self._tagging = size, tagging
        self._spare: deque[bytearray] = deque()

    def filled(self, file: BinaryIO, offset: int) -> Filled:
        """What a file has from an offset on, a buffer full at most; nothing at its end.

        Raises:
            OSError: It cannot be read.
        """
        buffer = self._spare.pop() if self._spare else bytearray(self._size)
        view, size, digests, tag = memoryview(buffer), 0, list[bytes](), self._tagging.begin()
        file.seek(offset)
        while size % BLOCK == 0 and (count := fill(file, view[size : size + BLOCK])):
            block = view[size : size + count]
            digests.append(hashlib.sha256(block).digest())
            tag.update(block)
            size += count
        if size < self._size:
            self._spare.append(buffer)
            buffer = buffer[:size]
        return Filled(buffer, digests, tag.text())

    def give_back(self, data: bytes | bytearray) -> None:
        """Let a buffer be used again; what is none of them is left alone."""
        if isinstance(data, bytearray) and len(data) == self._size:
            self._spare.append(data)
