"""Whether the sector chains of an old Office file end.

The spreadsheet library follows them without looking, so a broken .xls whose chain comes back to itself
would take all of the machine's memory before it fails.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Sequence
from pathlib import Path

MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_HEADER_BYTES, _LISTED_AT, _LISTED = 512, 76, 109
_LAST_SECTOR = 0xFFFFFFF9  # greater numbers are signs: end of chain, free, table


def chains_end(path: Path) -> bool:
    """Say whether every chain of sectors in the file comes to an end; True for other kinds of files."""
    content = path.read_bytes()
    if not content.startswith(MAGIC):
        return True
    if len(content) < _HEADER_BYTES:
        return False
    size = 1 << struct.unpack_from("<H", content, 30)[0]
    if size not in (512, 4096):
        return False
    table = _table(content, size)
    if table is None or not _ends(table):
        return False
    small = _chain(content, table, struct.unpack_from("<I", content, 60)[0], size)
    return _ends(small)


def _table(content: bytes, size: int) -> array[int] | None:
    """The next sector of each; None where the list of the table's own sectors does not end."""
    sectors = list(struct.unpack_from(f"<{_LISTED}I", content, _LISTED_AT))
    more, seen = struct.unpack_from("<I", content, 68)[0], set()
    while more <= _LAST_SECTOR:
        numbers = _numbers(content, more, size)
        if more in seen or not numbers:
            return None
        seen.add(more)
        sectors += numbers[:-1]
        more = numbers[-1]
    table = array("Q")
    for sector in sectors:
        if sector <= _LAST_SECTOR:
            table.extend(_numbers(content, sector, size))
    return table


def _chain(content: bytes, table: Sequence[int], sector: int, size: int) -> list[int]:
    numbers: list[int] = []
    while sector < len(table):
        numbers += _numbers(content, sector, size)
        sector = table[sector]
    return numbers


def _numbers(content: bytes, sector: int, size: int) -> list[int]:
    part = content[(sector + 1) * size : (sector + 2) * size]
    return list(struct.unpack(f"<{len(part) // 4}I", part[: len(part) // 4 * 4]))


def _ends(table: Sequence[int]) -> bool:
    """Whether one comes out of the table from every sector: each is walked over once, in all."""
    state = bytearray(len(table))  # 1: on the walk that goes on now, 2: known to end
    for start in range(len(table)):
        walk, here = [], start
        while here < len(table) and not state[here]:
            state[here] = 1
            walk.append(here)
            here = table[here]
        if here < len(table) and state[here] == 1:
            return False
        for sector in walk:
            state[sector] = 2
    return True
