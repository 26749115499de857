"""Folders below one root, opened so that nothing can lead out of it. This file travels.

On POSIX each folder is held by its descriptor and each name on the way is opened without following a link, so
a folder that somebody exchanges for a link meanwhile leads nowhere. Windows has no such calls: there each
name on the way is looked at first, and whoever may write to the root at that very moment must be trusted.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable, Iterator
from typing import NamedTuple

from millhand.pods.sync.names import WINDOWS, RefusedError, is_part, split

BINARY = getattr(os, "O_BINARY", 0)
_PLAIN = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | BINARY
_FOLDER = os.O_RDONLY | _PLAIN | getattr(os, "O_DIRECTORY", 0)
_HELD = 12  # in each thread: a Mac lets a process open 256 files


class Entry(NamedTuple):
    """What lies at a path: ``f`` a file, ``d`` a folder, ``l`` a link, ``o`` something else.

    ``executable`` is None where the system does not know; ``digest`` (hex) and ``link`` where they are known.
    """

    path: str
    kind: str
    size: int = 0
    mtime_ns: int = 0
    executable: bool | None = None
    digest: str | None = None
    link: str | None = None


class Stamp(NamedTuple):
    """What changes when a file's bytes do."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int


def stamp_of(status: os.stat_result) -> Stamp:
    """The stamp in what the system says of a file."""
    return Stamp(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


def entry_of(path: str, status: os.stat_result) -> Entry:
    """What the system says of a path; a link's target is not looked up."""
    mode = status.st_mode
    if stat.S_ISDIR(mode):
        return Entry(path, "d")
    if stat.S_ISLNK(mode) or _is_junction(status):
        return Entry(path, "l")
    executable = None if WINDOWS else bool(mode & 0o100)
    kind = "f" if stat.S_ISREG(mode) else "o"
    return Entry(path, kind, status.st_size, status.st_mtime_ns, executable)


def _is_junction(status: os.stat_result) -> bool:
    return bool(
        getattr(status, "st_file_attributes", 0) & getattr(stat, "FILE_ATTRIBUTE_REPARSE_POINT", 0x400)
    )


class Folder:
    """One folder. ``fd`` is its descriptor, None on Windows, where names are joined to ``path``."""

    def __init__(self, path: str, fd: int | None) -> None:
        self.path, self.fd = path, fd
        self._open = fd is not None

    def __del__(self) -> None:
        self.close()

    def at(self, name: str) -> str:
        """What to hand to a call that takes ``dir_fd``."""
        return name if self.fd is not None else os.path.join(self.path, name)

    def status(self, name: str) -> os.stat_result | None:
        """What lies at a name, links not followed; None where nothing does."""
        try:
            return os.stat(self.at(name), dir_fd=self.fd, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def open(self, name: str, flags: int, mode: int = 0o666) -> int:
        """Open a file; a link is not followed."""
        if self.fd is None:
            found = self.status(name)
            if found is not None and (stat.S_ISLNK(found.st_mode) or _is_junction(found)):
                raise RefusedError(name, "it is a link")
        return os.open(self.at(name), flags | _PLAIN, mode, dir_fd=self.fd)

    def replace(self, name: str, target: str) -> None:
        """Rename within the folder; what was there is gone at once."""
        os.replace(self.at(name), self.at(target), src_dir_fd=self.fd, dst_dir_fd=self.fd)

    def remove(self, name: str) -> None:
        """Remove a file or a link, if it is there."""
        try:
            os.unlink(self.at(name), dir_fd=self.fd)
        except FileNotFoundError:
            return

    def link(self, target: str, name: str) -> None:
        """Make a symbolic link."""
        os.symlink(target, self.at(name), dir_fd=self.fd)

    def link_target(self, name: str) -> str:
        """Where a link points to."""
        return os.readlink(self.at(name), dir_fd=self.fd)

    def set_times(self, name: str, mtime_ns: int) -> None:
        """Set when a file was last changed."""
        follow = self.fd is None  # Windows cannot do it without following; it was looked at before
        os.utime(self.at(name), ns=(mtime_ns, mtime_ns), dir_fd=self.fd, follow_symlinks=follow)

    def names(self) -> list[str]:
        """The names in it."""
        return os.listdir(self.path if self.fd is None else self.fd)

    def child(self, name: str, make: bool) -> Folder:
        """Open a folder in it.

        Raises:
            RefusedError: A link or a file has that name.
            FileNotFoundError: There is none and none is to be made.
        """
        found = self.status(name)
        if found is None:
            if not make:
                raise FileNotFoundError(name)
            self._make(name)
            found = self.status(name)
        if found is None or entry_of(name, found).kind != "d":
            raise RefusedError(name, "a link or a file is where a folder should be")
        return Folder(os.path.join(self.path, name), self._opened(name))

    def _make(self, name: str) -> None:
        try:
            os.mkdir(self.at(name), dir_fd=self.fd)
        except FileExistsError:  # another client was faster
            return

    def _opened(self, name: str) -> int | None:
        if self.fd is None:
            return None
        return os.open(name, _FOLDER, dir_fd=self.fd)

    def again(self) -> Folder:
        """The same folder, to be closed by itself."""
        return Folder(self.path, None if self.fd is None else os.dup(self.fd))

    def close(self) -> None:
        """Let go of the descriptor."""
        if self._open and self.fd is not None:
            self._open = False
            os.close(self.fd)


class Root:
    """The folder that no path leaves. A link at the root itself is followed once, here.

    Any thread may use it. What it hands out is good for the thread that asked, until that asks for another.
    """

    def __init__(self, path: str) -> None:
        self.path = os.path.realpath(path)
        # Of each thread its own: a descriptor that another thread closes may soon be another folder's.
        self._own = threading.local()

    @property
    def _folders(self) -> dict[tuple[str, ...], Folder]:
        folders: dict[tuple[str, ...], Folder] = self._own.__dict__.setdefault("folders", {})
        return folders

    def make(self) -> None:
        """Make the root where there is none."""
        os.makedirs(self.path, exist_ok=True)

    def folder(self, names: tuple[str, ...], make: bool = False) -> Folder:
        """The folder at a path; it is kept open for the next file of it.

        Raises:
            RefusedError: A link or a file is in the way.
            FileNotFoundError: There is none and none is to be made.
        """
        if names not in self._folders and len(self._folders) >= _HELD:
            self.forget()
        return self._folder(names, make)

    def _folder(self, names: tuple[str, ...], make: bool) -> Folder:
        held = self._folders.get(names)
        if held is None:
            held = self._folder(names[:-1], make).child(names[-1], make) if names else self._top()
            self._folders[names] = held
        return held

    def _top(self) -> Folder:
        fd = None if os.open not in os.supports_dir_fd else os.open(self.path, _FOLDER)
        return Folder(self.path, fd)

    def place(self, path: str, make: bool = False) -> tuple[Folder, str]:
        """The folder that a path lies in, and its name there.

        Raises:
            RefusedError: The path leaves the root, is the root, or a link is in the way.
            FileNotFoundError: The folder is not there and is not to be made.
        """
        names = split(path)
        if not names:
            raise RefusedError(path, "it is the root itself")
        try:
            return self.folder(names[:-1], make), names[-1]
        except RefusedError as error:
            raise RefusedError(path, error.reason) from error

    def look(self, path: str) -> tuple[Entry, Stamp] | None:
        """What lies at a path, with a link's target; None where nothing does.

        Raises:
            RefusedError: The path leaves the root, or a link is in the way.
        """
        if path == ".":
            return (Entry(".", "d"), stamp_of(os.stat(self.path))) if os.path.isdir(self.path) else None
        try:
            folder, name = self.place(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        found = folder.status(name)
        if found is None:
            return None
        entry = entry_of(path, found)
        return (entry._replace(link=folder.link_target(name)) if entry.kind == "l" else entry), stamp_of(
            found
        )

    def open(self, path: str) -> int:
        """Open a file to read.

        Raises:
            RefusedError: A link is in the way, or it is no plain file.
        """
        folder, name = self.place(path)
        found = folder.status(name)
        if found is not None and not stat.S_ISREG(found.st_mode):
            raise RefusedError(path, "it is no plain file")
        return folder.open(name, os.O_RDONLY)

    def forget(self) -> None:
        """Close the folders that this thread keeps open; those of others are closed when they end."""
        for folder in self._folders.values():
            folder.close()
        self._folders.clear()


def walk(
    root: Root, path: str, keep: Callable[[Entry], bool], problems: list[tuple[str, str]]
) -> Iterator[tuple[Entry, Stamp]]:
    """All below a path that ``keep`` takes, itself first, a folder before what is in it.

    A folder that is not kept is not entered. What cannot be looked at goes to ``problems``: path and reason.
    Files of unfinished syncs are left out.
    """
    found = root.look(path)
    if found is None or not keep(found[0]):
        return
    yield found
    pending = [path] if found[0].kind == "d" else []
    while pending:
        path = pending.pop()
        try:
            for entry, stamp in _listed(root, path):
                if keep(entry):
                    yield entry, stamp
                    if entry.kind == "d":
                        pending.append(entry.path)
        except (OSError, RefusedError) as error:
            problems.append((path, reason_of(error)))


def _listed(root: Root, path: str) -> Iterator[tuple[Entry, Stamp]]:
    start = "" if path == "." else f"{path}/"
    folder = root.folder(split(path)).again()
    try:
        with os.scandir(folder.path if folder.fd is None else folder.fd) as found:
            for item in found:
                if not is_part(item.name):
                    yield _looked_at(folder, start, item)
    finally:
        folder.close()


def _looked_at(folder: Folder, start: str, item: os.DirEntry[str]) -> tuple[Entry, Stamp]:
    # Windows: what a listing says of a file lacks its number
    status = os.lstat(item.path) if folder.fd is None else item.stat(follow_symlinks=False)
    entry = entry_of(start + item.name, status)
    if entry.kind == "l":
        entry = entry._replace(link=folder.link_target(item.name))
    return entry, stamp_of(status)


def reason_of(error: Exception) -> str:
    """An error in half a sentence, without the path."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return getattr(error, "reason", str(error))
