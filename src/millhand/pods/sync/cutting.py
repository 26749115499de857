"""Cutting a file where its content says, so that an insertion moves no other cut. This file travels.

A file is cut into *pieces* behind each separator (of a JSONL: its lines), and pieces are gathered into
groups that end with a piece whose CRC says so. Two files that share most pieces share most of their
groups: the digests of the groups are compared first, those of the pieces only in groups that differ.
"""

from __future__ import annotations

import hashlib
import os
import struct
import zlib
from collections import Counter
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

GROUP_DIGEST = 8
PIECE_DIGEST = 6
_WINDOW = 1 << 20
_SAMPLE = 1 << 16
_MOST_GROUPS = 1 << 17
_SHORTEST = 2 << 10  # bytes of a group at least
_LENGTH = struct.Struct(">I")


class Rule(NamedTuple):
    """How a file is cut: both sides need the same."""

    separator: str  # hex
    mask: int  # a group ends with a piece whose CRC has none of these bits
    longest: int  # bytes of a group at most


class Group(NamedTuple):
    """Consecutive pieces: where they lie, how many bytes, what identifies them."""

    start: int
    size: int
    digest: bytes


def rule_for(file: BinaryIO, size: int) -> Rule:
    """How to cut a file of ``size`` bytes, and others like it: by a look at three samples of it."""
    samples = [_sample(file, max(0, size * part // 2 - _SAMPLE)) for part in (0, 1, 2)]
    separator, average = _separator(b"".join(samples))
    group = max(16 << 10, size // _MOST_GROUPS)
    mask = (1 << max(0, (group // average).bit_length() - 1)) - 1
    return Rule(separator.hex(), mask, 8 * group)


def _sample(file: BinaryIO, start: int) -> bytes:
    file.seek(start)
    return file.read(_SAMPLE)


def _separator(sample: bytes) -> tuple[bytes, int]:
    """A short string, or none, and the average size of the pieces it cuts; lines where there are lines."""
    lines = sample.count(b"\n")
    if lines and 32 <= len(sample) // lines <= 8192:
        return b"\n", len(sample) // lines
    pairs = Counter(zip(sample, sample[1:]))
    counts = {bytes(pair): count for pair, count in pairs.items()}
    counts.update({bytes([byte]): count for byte, count in Counter(sample).items()})
    wanted = max(1, len(sample) // 1024)
    best = min(counts, key=lambda text: (abs(counts[text] - wanted), text), default=b"\n")
    average = len(sample) // max(1, counts.get(best, 1))
    return (best, average) if average >= 32 else (b"", 1024)  # one byte over and over: cut by length


def groups(file: Any, rule: Rule, start: int = 0) -> Iterator[Group]:
    """Cut a file, from ``start`` to its end, into groups."""
    separator, held = bytes.fromhex(rule.separator), b""
    looked = 0  # so much of what is held was looked at: no group ends in it
    file.seek(start)
    while True:
        more = file.read(_WINDOW) or b""
        held += more
        ends, looked = _ends(held, looked, separator, rule, not more)
        begin = 0
        for end in ends:
            yield Group(start + begin, end - begin, digest(memoryview(held)[begin:end], GROUP_DIGEST))
            begin = end
        held, start, looked = held[begin:], start + begin, looked - begin
        if not more:
            return


def _ends(held: bytes, looked: int, separator: bytes, rule: Rule, last: bool) -> tuple[list[int], int]:
    """Where groups end in what is held, and how far it was looked at."""
    ends, begin, at = [], 0, looked
    mask, longest, width, crc = rule.mask, rule.longest, len(separator), zlib.crc32
    *pieces, rest = _split(held[looked:], separator)
    for piece in pieces:
        at += len(piece) + width
        while at - begin > longest:
            begin += longest
            ends.append(begin)
        if not crc(piece) & mask and at - begin >= _SHORTEST:
            begin = at
            ends.append(at)
    while at + len(rest) - begin > longest:  # no separator for long: cut by length
        begin += longest
        ends.append(begin)
    if last and len(held) > begin:
        ends.append(len(held))
        at = len(held)
    return ends, max(at, begin)


def pieces(data: bytes, rule: Rule) -> list[int]:
    """The sizes of the pieces of one group or of several in a row."""
    separator = bytes.fromhex(rule.separator)
    *whole, rest = _split(data, separator)
    sizes = [len(piece) + len(separator) for piece in whole]
    return [*sizes, len(rest)] if rest else sizes


def _split(data: bytes, separator: bytes) -> list[bytes]:
    return data.split(separator) if separator else [data]


def digest(data: bytes | memoryview, size: int) -> bytes:
    """The first bytes of the SHA-256: enough to find a match, which a block's whole digest then proves."""
    return hashlib.sha256(data).digest()[:size]


def pack_groups(found: list[Group]) -> bytes:
    """Groups of a whole file, as they travel."""
    sizes = b"".join(_LENGTH.pack(group.size) for group in found)
    return zlib.compress(sizes, 6) + b"".join(group.digest for group in found)


def unpack_groups(packed: bytes, start: int = 0) -> list[Group]:
    """The same, unpacked; the first begins at ``start``.

    Raises:
        ValueError: This is nothing that was packed.
    """
    sizes, digests = _unpack(packed, GROUP_DIGEST)
    found = []
    for size, one in zip(sizes, digests):
        found.append(Group(start, size, one))
        start += size
    return found


def pack_pieces(fd: int, ranges: list[tuple[int, int]], rule: Rule) -> bytes:
    """Sizes and digests of the pieces in some ranges (offset, size) of an open file, as they travel."""
    sizes: list[int] = []
    digests: list[bytes] = []
    for start, size in ranges:
        data = read_at(fd, start, size)
        at = 0
        for length in pieces(data, rule):
            digests.append(digest(memoryview(data)[at : at + length], PIECE_DIGEST))
            sizes.append(length)
            at += length
    return zlib.compress(b"".join(map(_LENGTH.pack, sizes)), 6) + b"".join(digests)


def unpack_pieces(packed: bytes) -> list[tuple[int, bytes]]:
    """Sizes and digests of pieces.

    Raises:
        ValueError: This is nothing that was packed.
    """
    sizes, digests = _unpack(packed, PIECE_DIGEST)
    return list(zip(sizes, digests))


def _unpack(packed: bytes, width: int) -> tuple[list[int], list[bytes]]:
    inflate = zlib.decompressobj()
    try:
        raw = inflate.decompress(packed, 1 << 28)
    except zlib.error as error:
        raise ValueError("this is no list of pieces") from error
    rest = inflate.unused_data
    if len(raw) % 4 or len(raw) // 4 * width != len(rest):
        raise ValueError("this is no list of pieces")
    sizes = [size for (size,) in _LENGTH.iter_unpack(raw)]
    return sizes, [rest[at : at + width] for at in range(0, len(rest), width)]


def read_at(fd: int, offset: int, size: int) -> bytes:
    """Read from an offset; less at the end of the file."""
    os.lseek(fd, offset, os.SEEK_SET)
    parts = []
    while size:
        part = os.read(fd, size)
        if not part:
            break
        parts.append(part)
        size -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)
