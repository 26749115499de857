"""Files written whole or not at all, and their hashes."""

from __future__ import annotations

import hashlib
import os
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def atomic_writer(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file beside ``path``; it takes the place of ``path`` when the block ends well.

    When the block raises, the temporary file is removed and ``path`` is as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8 with line feeds, whole or not at all."""
    with atomic_writer(path) as file:
        file.write(text.encode("utf-8"))


@contextmanager
def locked(path: Path, tell: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Hold the lock that the file ``path`` stands for, waiting for whoever holds it.

    Args:
        path: A file of its own; it is made, and stays.
        tell: Is called once where it has to wait.

    The system lets go of it when the process ends, however it ends.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        if sys.platform == "win32":
            import msvcrt

            if not _taken(lambda: msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)):
                tell()
                while not _taken(lambda: msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)):
                    pass  # LK_LOCK itself waits 10 seconds
        else:
            import fcntl

            if not _taken(lambda: fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)):
                tell()
                fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _taken(take: Callable[[], None]) -> bool:
    try:
        take()
    except OSError:
        return False
    return True


def sha256_file(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
