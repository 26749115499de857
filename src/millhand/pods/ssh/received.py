"""What a channel has received and nobody has read yet, kept as it came."""

from __future__ import annotations

from collections import deque
from typing import Any


class Pieces:
    """Bytes in the pieces in which they came. paramiko's own buffer copies each byte three times more.

    It takes the place of the ``array`` in a :class:`paramiko.buffered_pipe.BufferedPipe`, which locks it, and
    can do what that one asks of it: ``frombytes``, ``len``, ``[:n]`` and ``del [:n]``.
    """

    def __init__(self) -> None:
        self._pieces: deque[bytes] = deque()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def frombytes(self, data: bytes) -> None:
        """Add bytes at the end."""
        if data:
            self._pieces.append(data)
        self._size += len(data)

    def __getitem__(self, part: slice) -> Pieces:
        """The first so many."""
        found, left = Pieces(), self._upto(part)
        for piece in self._pieces:
            if left <= 0:
                break
            found.frombytes(piece if len(piece) <= left else piece[:left])
            left -= len(piece)
        return found

    def __delitem__(self, part: slice) -> None:
        """Forget the first so many."""
        left = self._upto(part)
        self._size -= left
        while left:
            piece = self._pieces.popleft()
            if len(piece) > left:
                self._pieces.appendleft(piece[left:])
            left = max(0, left - len(piece))

    def _upto(self, part: slice) -> int:
        return len(range(*part.indices(self._size)))

    def tobytes(self) -> bytes:
        """All of it."""
        return b"".join(self._pieces)


def keep_pieces(channel: Any) -> None:
    """Let a ``paramiko.Channel``, on which nothing has come yet, keep what it receives in this way."""
    channel.in_buffer._buffer = Pieces()
