"""What identifies a file's bytes, and the note of it that spares reading them again. This file travels.

A file of at most one block is known by the SHA-256 of its bytes; a larger one by that of the SHA-256s of its
blocks, so that blocks can be checked one by one, in any order, as they come.

The note is a SQLite file below the root. A file is read again when its size, either of its times or its inode
has changed; a file changed within two seconds before it was read is not noted, since a clock's tick might
hide a later change.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Iterable, Iterator
from typing import Any

from millhand.pods.sync.folders import Root, Stamp, stamp_of
from millhand.pods.sync.names import RefusedError

BLOCK = 1 << 20
STRIDE = 2 * BLOCK  # what is read at once, and travels in a message where all of it is new
NOTE = ".millhand/sync"
_FRESH_NS = 2_000_000_000
_DOMAIN = b"millhand blocks\0"
_TABLE = (
    "CREATE TABLE IF NOT EXISTS hashes (path BLOB PRIMARY KEY, size INTEGER, mtime_ns INTEGER,"
    " ctime_ns INTEGER, inode TEXT, digest BLOB) WITHOUT ROWID"
)


def whole(blocks: list[bytes]) -> str:
    """The digest (hex) of a file whose blocks have these SHA-256s."""
    if len(blocks) == 1:
        return blocks[0].hex()
    return hashlib.sha256(_DOMAIN + b"".join(blocks) if blocks else b"").hexdigest()


def blocks_of(fd: int) -> Iterator[bytes]:
    """The SHA-256 of each block of an open file, from its start."""
    with open(fd, "rb", buffering=0, closefd=False) as file:
        file.seek(0)
        buffer = memoryview(bytearray(BLOCK))
        size = fill(file, buffer)
        while size:
            yield hashlib.sha256(buffer[:size]).digest()
            size = fill(file, buffer)


def fill(file: Any, buffer: memoryview) -> int:
    """Read until a buffer is full or the file at its end; returns the bytes read."""
    size = 0
    while size < len(buffer):
        count = file.readinto(buffer[size:])
        if not count:
            break
        size += count
    return size


def read_hash(root: Root, path: str) -> tuple[str, Stamp]:
    """A file's digest by reading it, and its stamp before.

    Raises:
        OSError, RefusedError: It cannot be read.
    """
    fd = root.open(path)
    try:
        stamp = stamp_of(os.fstat(fd))  # before: what changes meanwhile then shows
        return whole(list(blocks_of(fd))), stamp
    finally:
        os.close(fd)


class Hashes:
    """The note of one root. What cannot be read or written is done without: a note is never needed."""

    def __init__(self, root: Root) -> None:
        self._root = root
        self._new: dict[str, tuple[Stamp, str]] = {}
        self._file = os.path.join(root.path, *NOTE.split("/"), "hashes.sqlite")

    def known(self, files: Iterable[tuple[str, Stamp]]) -> dict[str, str]:
        """The digests (hex) of those files that have not changed since they were noted."""
        wanted = {key(path): (path, stamp) for path, stamp in files}
        found: dict[str, str] = {}
        for row in self._rows(list(wanted)):
            path, stamp = wanted[bytes(row[0])]
            if stamp == (row[1], row[2], row[3], int(row[4])):
                found[path] = bytes(row[5]).hex()
        new = ((path, self._new.get(path)) for path, _ in wanted.values())
        stamps = dict(wanted.values())
        found.update({path: note[1] for path, note in new if note and note[0] == stamps[path]})
        return found

    def _rows(self, keys: list[bytes]) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = []
        with self._opened(make=False) as base:
            for start in range(0, len(keys) if base else 0, 500):
                some = keys[start : start + 500]
                marks = ",".join("?" * len(some))
                rows += base.execute(f"SELECT * FROM hashes WHERE path IN ({marks})", some)  # noqa: S608
        return rows

    def note(self, path: str, stamp: Stamp, digest: str) -> None:
        """Remember a digest, unless the file is so fresh that a change might not show."""
        if time.time_ns() - stamp.mtime_ns > _FRESH_NS:
            self._new[path] = stamp, digest
            if len(self._new) >= 10_000:
                self.save()

    def save(self) -> None:
        """Write what was noted."""
        new, self._new = self._new, {}
        if not new:
            return
        rows = [
            (key(path), *stamp[:3], str(stamp[3]), bytes.fromhex(digest))
            for path, (stamp, digest) in new.items()
        ]
        with self._opened(make=True) as base:
            if base:
                base.execute(_TABLE)
                base.executemany("REPLACE INTO hashes VALUES (?,?,?,?,?,?)", rows)
                base.commit()

    @contextlib.contextmanager
    def _opened(self, make: bool) -> Iterator[Any]:
        """Yield the open note or None; a fault of it removes it."""
        sqlite3 = _sqlite() if make or os.path.exists(self._file) else None
        if sqlite3 is None:
            yield None
            return
        base = None
        try:
            base = self._connect(sqlite3)
            yield base
        except (sqlite3.OperationalError, OSError, RefusedError):  # locked, read-only, no room: go on without
            return
        except sqlite3.DatabaseError:  # it is damaged
            with contextlib.suppress(OSError):
                os.unlink(self._file)
        finally:
            if base is not None:
                base.close()

    def _connect(self, sqlite3: Any) -> Any:
        if not os.path.exists(self._file):
            self._root.folder(tuple(NOTE.split("/")), make=True)
        return sqlite3.connect(self._file, timeout=2)


def _sqlite() -> Any:
    """The module, imported when it is first needed; None in a Python that was built without it."""
    try:
        import sqlite3
    except ImportError:  # files are read each time
        return None
    return sqlite3


def key(path: str) -> bytes:
    """A path as bytes, whatever it holds."""
    return path.encode("utf-8", "surrogatepass")
