"""Lists of entries and runs of bytes as they travel, compressed. This file travels."""

from __future__ import annotations

import json
import zlib
from typing import Any

from millhand.pods.sync.folders import Entry

_MOST = 1 << 28


def pack(value: Any) -> bytes:
    """Anything that JSON holds, compressed."""
    return zlib.compress(json.dumps(value, separators=(",", ":")).encode("ascii"), 1)


def unpack(data: bytes) -> Any:
    """The same again.

    Raises:
        ValueError: It is nothing that was packed, or far too large.
    """
    return json.loads(inflate(data, _MOST))


def squeezed(
    header: dict[str, Any], data: bytes | bytearray, squeeze: bool
) -> tuple[dict[str, Any], bytes | bytearray]:
    """A message with its payload compressed, if that is wanted and pays; ``packed`` tells its size before."""
    sent = deflate(data) if squeeze else data
    return (header, data) if sent is data else ({**header, "packed": len(data)}, sent)


def deflate(data: bytes | bytearray) -> bytes | bytearray:
    """Compress quickly, if a look at the beginning shows that it pays; else the same bytes."""
    if len(data) < 64 or len(zlib.compress(data[:16384], 1)) > 0.9 * min(len(data), 16384):
        return data
    return zlib.compress(data, 1)


def inflate(data: bytes, most: int) -> bytes:
    """Decompress to at most so many bytes.

    Raises:
        ValueError: It is not compressed, or there are more.
    """
    stream = zlib.decompressobj()
    try:
        found = stream.decompress(data, most)
    except zlib.error as error:
        raise ValueError("this is not compressed") from error
    if stream.unconsumed_tail or not stream.eof:
        raise ValueError("there is more or less of it than was said")
    return found


def to_row(entry: Entry) -> list[Any]:
    """An entry as a list."""
    return list(entry)


def from_row(row: Any) -> Entry:
    """An entry from what the other side sent.

    Raises:
        ValueError: It is none.
    """
    try:
        path, kind, size, mtime_ns, executable, digest, link = row
    except (TypeError, ValueError) as error:
        raise ValueError("this is no entry") from error
    texts = isinstance(path, str) and kind in ("f", "d", "l", "o")
    numbers = type(size) is int and size >= 0 and type(mtime_ns) is int and abs(mtime_ns) < 1 << 63
    rest = executable in (None, True, False) and all(
        item is None or isinstance(item, str) for item in (digest, link)
    )
    if not (texts and numbers and rest and (kind != "l" or isinstance(link, str))):
        raise ValueError("this is no entry")
    return Entry(path, kind, size, mtime_ns, executable, digest, link)
