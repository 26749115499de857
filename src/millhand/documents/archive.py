"""Reads the members of a ZIP from anywhere: in memory, under limits, never to a path that the ZIP names."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile, ZipFile, ZipInfo

from millhand.errors import Finding

MAGIC = b"PK"
# A real filing's XML shrinks 14-fold. Zlib's most is 1,032-fold, which only a bomb comes near.
_MOST_RATIO, _RATIO_COUNTS_FROM_BYTES = 200, 1 << 20
_MOST_MEMBER_BYTES, _MOST_BYTES, _MOST_MEMBERS = 256 << 20, 512 << 20, 10_000
_ENCRYPTED = 0x1


class Member(NamedTuple):
    """A member's name without any folder, and its bytes."""

    name: str
    content: bytes


def members(path: Path) -> Iterator[Member | Finding]:
    """The files in a ZIP, in its order; a finding in the place of each that cannot be had.

    Names may be absolute, hold ``..`` or another system's separators: only the last part is kept, and a
    name met twice is a finding.
    """
    try:
        with ZipFile(path) as archive:
            yield from _read_all(path.name, archive)
    except (BadZipFile, EOFError, OSError, ValueError, NotImplementedError) as error:
        yield _broken(path.name, f"is no whole ZIP: {error}")


def _read_all(file: str, archive: ZipFile) -> Iterator[Member | Finding]:
    infos = [info for info in archive.infolist() if not info.is_dir()]
    if len(infos) > _MOST_MEMBERS:
        yield _broken(file, f"holds {len(infos):,} files; {_MOST_MEMBERS:,} are the most that are read")
        return
    seen: set[str] = set()
    total = 0
    for info in infos:
        name = base_name(info.filename)
        total += info.file_size
        fault = "holds it twice" if name in seen else _fault(info, total)
        yield _broken(file, f"{name}: {fault}") if fault else _read(file, archive, info, name)
        seen.add(name)


def base_name(name: str) -> str:
    """The last part of a member's name, whatever separators it has: safe to make a file's name of.

    ``member`` where nothing is left.
    """
    last = re.split(r"[/\\:]", name)[-1]
    last = re.sub(r"[\x00-\x1f\x7f]", "", last).strip()
    return "member" if last in ("", ".", "..") else last


def _fault(info: ZipInfo, total: int) -> str:
    if info.flag_bits & _ENCRYPTED:
        return "is locked by a password"
    if info.file_size > _MOST_MEMBER_BYTES or total > _MOST_BYTES:
        return f"would unpack to {info.file_size:,} bytes ({total:,} with those before it): too many"
    ratio = info.file_size / max(1, info.compress_size)
    if info.file_size > _RATIO_COUNTS_FROM_BYTES and ratio > _MOST_RATIO:
        return f"would unpack to {ratio:,.0f} times its size, as only a bomb does"
    return ""


def _read(file: str, archive: ZipFile, info: ZipInfo, name: str) -> Member | Finding:
    try:
        with archive.open(info) as member:  # stops at the size that the ZIP's list says
            return Member(name, member.read())
    except (BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError) as error:
        return _broken(file, f"{name}: is damaged: {error}")


def _broken(file: str, message: str) -> Finding:
    return Finding(
        id="documents.broken-zip",
        severity="error",
        message=message,
        file=file,
        why="What it holds is missing from the documents.",
        mend="Fetch the file again.",
    )
