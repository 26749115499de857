"""Folders written whole or not at all."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Give an empty folder to fill; it takes the place of ``folder`` when the block ends well.

    When the block raises, ``folder`` is as it was.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    mark = secrets.token_hex(4)
    unfinished, old = (folder.with_name(f".{folder.name}.{mark}.{end}") for end in ("tmp", "old"))
    unfinished.mkdir()
    try:
        yield unfinished
        if folder.exists():
            folder.replace(old)
        unfinished.replace(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
        if old.exists() and not folder.exists():
            old.replace(folder)
        shutil.rmtree(old, ignore_errors=True)


def free_name(folder: Path) -> Path:
    """The first of ``NAME-2``, ``NAME-3``, … beside ``folder`` that is not taken."""
    number = 2
    while (path := folder.with_name(f"{folder.name}-{number}")).exists():
        number += 1
    return path
