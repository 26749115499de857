"""What receives: files whole or not at all, below one root. Both sides use it; this file travels.

A file is written beside its place, once what arrived was checked, and renamed. Without ``durable`` nothing is
flushed to the disk: a cut, a kill or a full disk leaves the old file or the new one; a power failure may
leave what the file system leaves of a file just renamed: the next sync sees that by its bytes.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from millhand.pods.sync.folders import Entry, Folder, Root, stamp_of
from millhand.pods.sync.hashes import BLOCK, Hashes, fill
from millhand.pods.sync.names import WINDOWS, RefusedError, link_fault
from millhand.pods.sync.parts import Part, adopt, others, part_name, sweep, umask, write_whole

COPY, LITERAL, ZEROS = 0, 1, 2
if TYPE_CHECKING:
    Op = tuple[int, int, int]  # what, offset in the old file, length
FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EFBIG)
_OPEN = 32


class MismatchError(Exception):
    """What arrived is not what was sent."""


class Store:
    """Writes below a root. Every method may be called from any thread."""

    def __init__(self, root: Root, session: str, durable: bool = False) -> None:
        self.root, self.session, self._durable = root, session, durable
        self.hashes = Hashes(root)
        self._lock = threading.RLock()
        self._parts: dict[str, Part] = {}
        self._bases: dict[str, int] = {}
        self._given_up: set[str] = set()
        umask()

    def prepare(self, path: str) -> list[bytes]:
        """Take over what a broken session left of a file; the digests of its blocks."""
        with self._lock:
            folder, _ = self.root.place(path, make=True)
            return [] if path in self._parts else adopt(folder, path, self.session)

    def write_small(self, entry: Entry, data: bytes) -> None:
        """Write a file of at most one block.

        Raises:
            MismatchError: The bytes do not have the entry's digest.
        """
        if hashlib.sha256(data).hexdigest() != entry.digest:
            raise MismatchError(entry.path)
        with self._lock:
            folder, name = self.root.place(entry.path, make=True)
            mode = self._mode(entry, _file_at(folder, name, entry.path))
            part = part_name(entry.path, self.session)
            try:
                found = write_whole(folder, part, name, data, entry.mtime_ns, mode, self._durable)
            except OSError:
                with contextlib.suppress(OSError):
                    folder.remove(part)
                raise
            if found is not None:
                self.hashes.note(entry.path, stamp_of(found), entry.digest or "")

    def write_blocks(
        self,
        path: str,
        first: int,
        digests: list[bytes],
        ops: list[Op] | None,
        data: bytes | memoryview,
        found: list[bytes] | None = None,
    ) -> None:
        """Write consecutive blocks; with ``ops`` they are put together from the old file and ``data``.

        Args:
            found: The SHA-256 of each block of ``data`` as it is, where they are known already.

        Raises:
            MismatchError: A block does not have its digest; nothing was written.
        """
        if ops is not None:
            data, found = self._assembled(path, ops, data), None
        if (found or digests_of(data)) != digests:
            raise MismatchError(path)
        with self._lock:
            try:
                self._write(path, first, memoryview(data))
            except OSError as error:
                self._give_up(path, error)
                raise

    def copy_base(self, path: str, count: int) -> list[bytes]:
        """Begin a file with at most ``count`` whole blocks of the one it is to replace; their digests."""
        fd = self.root.open(path)
        try:
            with self._lock, open(fd, "rb", buffering=0, closefd=False) as file:
                return list(self._copied(path, file, count))
        except OSError as error:
            self._give_up(path, error)
            raise
        finally:
            os.close(fd)

    def _copied(self, path: str, file: Any, count: int) -> Iterator[bytes]:
        buffer = memoryview(bytearray(BLOCK))
        for index in range(count):
            if fill(file, buffer) < BLOCK:
                return
            self._write(path, index, buffer)
            yield hashlib.sha256(buffer).digest()

    def _write(self, path: str, first: int, view: memoryview) -> None:
        part = self._part(path)
        for start in range(0, len(view), BLOCK):
            part.write(first * BLOCK + start, view[start : start + BLOCK])

    def _part(self, path: str) -> Part:
        if path not in self._parts:
            folder, _ = self.root.place(path, make=True)
            if path in self._given_up:  # what is on the way yet must not begin it anew
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if len(self._parts) >= _OPEN:
                self._parts.pop(next(iter(self._parts))).close()
            self._parts[path] = Part(folder, path, self.session)
        return self._parts[path]

    def _give_up(self, path: str, error: OSError) -> None:
        """A full disk gets its room back: what was received there would only be in the way."""
        part = self._parts.pop(path, None)
        if part is not None and error.errno in FULL:
            self._given_up.add(path)
            part.drop()
        elif part is not None:
            part.close()

    def _assembled(self, path: str, ops: list[Op], data: bytes | memoryview) -> bytes:
        if sum(length for _, _, length in ops) > 64 * BLOCK or min((min(op) for op in ops), default=0) < 0:
            raise RefusedError(path, "too much in one piece")
        pieces: list[bytes | memoryview] = []
        used = 0
        for kind, offset, length in ops:
            if kind == COPY:
                pieces.append(self._from_old(path, offset, length))
            elif kind == LITERAL:
                pieces.append(data[used : used + length])
                used += length
            else:
                pieces.append(bytes(length))
        return b"".join(pieces)

    def _from_old(self, path: str, offset: int, length: int) -> bytes:
        with self._lock:
            fd = self._bases.get(path)
            if fd is None:
                fd = self._bases[path] = self.root.open(path)
            os.lseek(fd, offset, os.SEEK_SET)
            return os.read(fd, length)

    def finish(self, entry: Entry) -> None:
        """Let a file whose blocks are all here take its place, and remember its digest.

        Raises:
            RefusedError: A folder stands there.
        """
        with self._lock:
            folder, name = self.root.place(entry.path, make=True)
            mode = self._mode(entry, _file_at(folder, name, entry.path))
            self._close_base(entry.path)
            part = self._part(entry.path)
            del self._parts[entry.path]
            found = part.place(name, entry.size, entry.mtime_ns, mode, self._durable)
            self._sweep(folder, entry)
            if found is not None and entry.digest is not None:
                self.hashes.note(entry.path, stamp_of(found), entry.digest)

    def _mode(self, entry: Entry, old: os.stat_result | None) -> int:
        plain = old is not None and stat.S_ISREG(old.st_mode)
        mode = stat.S_IMODE(old.st_mode) & 0o777 if old is not None and plain else 0o666 & ~umask()
        return with_executable(mode, entry.executable)

    def _sweep(self, folder: Folder, entry: Entry) -> None:
        sweep(folder, others(folder, entry.path, self.session))

    def parts_left(self, path: str) -> bool:
        """Whether a broken session left something of a file."""
        try:
            folder, _ = self.root.place(path)
            return bool(others(folder, path, self.session))
        except (OSError, RefusedError):
            return False

    def make_folder(self, path: str) -> None:
        """Make a folder and those above it."""
        with self._lock:
            folder, name = self.root.place(path, make=True)
            folder.child(name, make=True).close()

    def make_link(self, path: str, target: str) -> None:
        """Make a symbolic link, in the place of a file or a link.

        Raises:
            RefusedError: It would lead outside, or a folder stands there.
        """
        fault = link_fault(path, target)
        if fault:
            raise RefusedError(path, fault)
        with self._lock:
            folder, name = self.root.place(path, make=True)
            old = folder.status(name)
            if old is not None and stat.S_ISDIR(old.st_mode):
                raise RefusedError(path, "a folder stands where the link is to be")
            folder.remove(name)
            folder.link(target, name)

    def set_meta(self, entry: Entry) -> None:
        """Set time and executable bit of a file whose bytes are right."""
        with self._lock:
            folder, name = self.root.place(entry.path)
            old = folder.status(name)
            if old is None or not stat.S_ISREG(old.st_mode):
                raise RefusedError(entry.path, "it is no plain file")
            mode = self._mode(entry, old)
            if not WINDOWS and mode != stat.S_IMODE(old.st_mode):
                os.chmod(folder.at(name), mode, dir_fd=folder.fd)
            folder.set_times(name, entry.mtime_ns)
            found = folder.status(name)
            if found is not None and entry.digest is not None and found.st_ino == old.st_ino:
                self.hashes.note(entry.path, stamp_of(found), entry.digest)

    def delete(self, path: str) -> None:
        """Remove a file or a link; what is not there is no fault.

        Raises:
            RefusedError: A folder stands there.
        """
        with self._lock:
            try:
                folder, name = self.root.place(path)
            except FileNotFoundError:
                return
            found = folder.status(name)
            if found is not None and stat.S_ISDIR(found.st_mode):
                raise RefusedError(path, "a folder stands there")
            folder.remove(name)

    def close(self, save: bool = True) -> None:
        """Let go of everything; parts stay for the next session."""
        with self._lock:
            for path in list(self._bases):
                self._close_base(path)
            for part in self._parts.values():
                part.close()
            self._parts.clear()
            if save:
                self.hashes.save()
            self.root.forget()

    def _close_base(self, path: str) -> None:
        fd = self._bases.pop(path, None)
        if fd is not None:
            os.close(fd)


def with_executable(mode: int, executable: bool | None) -> int:
    """A mode with the executable bits where it may be read, without them, or as it was."""
    if executable is None:
        return mode
    return mode | (mode & 0o444) >> 2 if executable else mode & ~0o111


def digests_of(data: bytes | memoryview) -> list[bytes]:
    """The SHA-256 of each block."""
    view = memoryview(data)
    return [hashlib.sha256(view[at : at + BLOCK]).digest() for at in range(0, len(view), BLOCK)]


def _file_at(folder: Folder, name: str, path: str) -> os.stat_result | None:
    """What is to be replaced.

    Raises:
        RefusedError: It is a folder.
    """
    old = folder.status(name)
    if old is not None and stat.S_ISDIR(old.st_mode):
        raise RefusedError(path, "a folder stands where the file is to be")
    return old
