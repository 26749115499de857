"""A file that is being received: its blocks, beside where it will be. This file travels.

``.millhand-<16 hex of the path's hash>-<8 hex of the session>.part`` is a file in the target's folder, so it
takes the target's place in one rename. It is locked by all who write to it. What a broken session left is
taken over by the next one; its blocks are known again by their digests.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import sys
import time
from functools import lru_cache

from millhand.pods.sync.folders import Folder
from millhand.pods.sync.hashes import BLOCK, blocks_of, key
from millhand.pods.sync.names import WINDOWS

SESSION = re.compile(r"[0-9a-f]{8}")
ZERO = bytes(BLOCK)
_WRITE = os.O_RDWR | os.O_CREAT
_FAR = 1 << 62  # Windows locks bytes, also such as are not there
# Written at once. For a longer write Linux looks for as long a piece of memory, and that may take two to five
# times as long in all (1 MiB on ext4, Linux 6.18).
_STEP = 1 << 18


def part_prefix(path: str) -> str:
    """How the names of all parts of a path begin."""
    return f".millhand-{hashlib.sha256(key(path)).hexdigest()[:16]}-"


def part_name(path: str, session: str) -> str:
    """The name of a session's part of a path."""
    if not SESSION.fullmatch(session):
        raise ValueError("a session is 8 hex digits")
    return f"{part_prefix(path)}{session}.part"


def hold(fd: int, exclusive: bool) -> bool:
    """Lock an open file until it is closed; say whether nobody else held it."""
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(fd, _FAR, os.SEEK_SET)
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(fd, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


class Part:
    """One file that is being received. Not for two threads at once."""

    def __init__(self, folder: Folder, path: str, session: str) -> None:
        self.name = part_name(path, session)
        self._folder = folder.again()
        self.fd = folder.open(self.name, _WRITE, 0o600)
        hold(self.fd, exclusive=False)
        while not WINDOWS and not self._is_there():  # somebody swept it away before it was locked
            os.close(self.fd)
            self.fd = folder.open(self.name, _WRITE, 0o600)
            hold(self.fd, exclusive=False)

    def _is_there(self) -> bool:
        found = self._folder.status(self.name)
        return found is not None and found.st_ino == os.fstat(self.fd).st_ino

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """Write at an offset; blocks of zeros where there is nothing yet are left as a hole."""
        if len(data) == BLOCK and not data[0] and bytes(data) == ZERO and self._is_hole(offset):
            return
        os.lseek(self.fd, offset, os.SEEK_SET)
        view = memoryview(data)
        while view:
            view = view[os.write(self.fd, view[:_STEP]) :]

    def _is_hole(self, offset: int) -> bool:
        if offset >= os.fstat(self.fd).st_size:
            return True
        seek_data = getattr(os, "SEEK_DATA", None)
        if seek_data is None:
            return False
        try:
            return os.lseek(self.fd, offset, seek_data) >= offset + BLOCK
        except OSError as error:
            return error.errno == errno.ENXIO  # nothing but a hole from here on

    def place(self, target: str, size: int, mtime_ns: int, mode: int, durable: bool) -> os.stat_result | None:
        """Give it its size, time and mode and let it take the target's place.

        Returns what lies there then; None where somebody else was faster.
        """
        os.ftruncate(self.fd, size)
        if not WINDOWS:
            os.chmod(self._folder.at(self.name), mode, dir_fd=self._folder.fd)
        if durable:
            os.fsync(self.fd)
        inode = os.fstat(self.fd).st_ino
        self._folder.set_times(self.name, mtime_ns)
        if WINDOWS:  # there an open file keeps its name; elsewhere its lock is kept until it has the new one
            self.close(keep_folder=True)
        self._folder.replace(self.name, target)
        found = self._folder.status(target)
        self.close(keep_folder=True)
        self._folder.close()
        return found if found is not None and found.st_ino == inode else None

    def drop(self) -> None:
        """Remove it."""
        self.close(keep_folder=True)
        with contextlib.suppress(OSError):
            self._folder.remove(self.name)
        self._folder.close()

    def close(self, keep_folder: bool = False) -> None:
        """Let go of it; it stays for the next session."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
            if not keep_folder:
                self._folder.close()


def write_whole(
    folder: Folder, part: str, target: str, data: bytes, mtime_ns: int, mode: int, durable: bool
) -> os.stat_result | None:
    """Write a small file in one go: beside its place, then into it. Calls are the cost: there are few.

    Returns what lies there then; None where somebody else was faster.
    """
    fd = folder.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
        if durable:
            os.fsync(fd)
        if not WINDOWS:
            _finish(fd, mtime_ns, mode)
            folder.replace(part, target)
            return os.fstat(fd)
    finally:
        os.close(fd)
    folder.set_times(part, mtime_ns)
    folder.replace(part, target)
    return folder.status(target)


def _finish(fd: int, mtime_ns: int, mode: int) -> None:
    if sys.platform != "win32" and mode & umask():
        os.fchmod(fd, mode)
    os.utime(fd, ns=(mtime_ns, mtime_ns))


@lru_cache(maxsize=1)
def umask() -> int:
    """What is taken from the mode of each new file; asking changes it for a moment, so it is asked once."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def adopt(folder: Folder, path: str, session: str, wait_s: float = 2.0) -> list[bytes]:
    """Take over the largest part that a broken session left of a path; the digests of its blocks.

    Its owner may be about to find out that its client is gone: so long is waited.
    """
    deadline = time.monotonic() + wait_s
    for name in _by_size(folder, others(folder, path, session)):
        while not (blocks := _taken(folder, name, part_name(path, session))):
            if blocks is not None or time.monotonic() > deadline:
                break
            time.sleep(0.05)
        if blocks:
            return blocks
    return []


def others(folder: Folder, path: str, session: str) -> list[str]:
    """The names of the parts of a path that other sessions made."""
    prefix, own = part_prefix(path), part_name(path, session)
    return [
        name for name in folder.names() if name.startswith(prefix) and name.endswith(".part") and name != own
    ]


def sweep(folder: Folder, names: list[str]) -> None:
    """Remove those parts that nobody is writing to."""
    for name in names:
        with contextlib.suppress(OSError):
            fd = folder.open(name, os.O_RDWR)
            free = hold(fd, exclusive=True)
            os.close(fd)
            if free:
                folder.remove(name)


def _by_size(folder: Folder, names: list[str]) -> list[str]:
    sizes = {name: found.st_size for name in names for found in [folder.status(name)] if found is not None}
    return sorted(sizes, key=lambda name: -sizes[name])


def _taken(folder: Folder, name: str, own: str) -> list[bytes] | None:
    """The blocks of a part that is now ours; None where somebody holds it; none where it is gone."""
    try:
        fd = folder.open(name, os.O_RDWR)
    except OSError:
        return []
    try:
        if not hold(fd, exclusive=True):
            return None
        found = folder.status(name)
        if found is None or found.st_ino != os.fstat(fd).st_ino:
            return []
        blocks = list(blocks_of(fd))
    finally:
        os.close(fd)
    folder.replace(name, own)
    return blocks
