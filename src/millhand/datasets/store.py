"""Puts a dataset's folder in place, whole or not at all, and takes it away.

A folder is built beside its place as ``.NAME.<hex>.new``. The one that it replaces steps aside as
``.NAME.<hex>.old`` for the moment between two renames; whoever comes next after a crash in that moment
puts it back. A lock on the registry's folder keeps two commands from doing this at once; a lock on a
folder that is being built tells it from one that a killed command left.
"""

from __future__ import annotations

import os
import secrets
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from millhand.datasets.definition import FILE as DEFINITION
from millhand.datasets.definition import ROWS

REJECTED = "rejected.jsonl"
OURS = (DEFINITION, ROWS, REJECTED)


@contextmanager
def staging(registry: Path, name: str) -> Iterator[Path]:
    """A new folder beside the place of ``name``; gone when the block ends, unless it was put in place."""
    with locked(registry):
        sweep(registry)
        stage = registry / f".{name}.{secrets.token_hex(4)}.new"
        stage.mkdir()
        guard = _lock(stage, wait=False)
    try:
        yield stage
    finally:
        shutil.rmtree(stage, ignore_errors=True)
        _unlock(guard)


def put_in_place(stage: Path, target: Path, ours: Sequence[str] = OURS) -> None:
    """Make ``stage`` the folder ``target``; what is in it and none of ``ours`` stays. Lock held."""
    if not target.exists():
        stage.rename(target)
        return
    _carry_over(target, stage, ours)
    aside = target.with_name(f".{target.name}.{secrets.token_hex(4)}.old")
    target.rename(aside)
    try:
        stage.rename(target)
    except OSError:
        aside.rename(target)
        raise
    shutil.rmtree(aside)


def take_away(target: Path, ours: Sequence[str] = OURS) -> list[str]:
    """Remove the files ``ours`` of a dataset, and its folder if nothing is left; say what is. Lock held."""
    for name in ours:
        (target / name).unlink(missing_ok=True)
    left = sorted(path.name for path in target.iterdir())
    if not left:
        target.rmdir()
    return left


def sweep(registry: Path) -> None:
    """Clear up after commands that were killed: put back what stood aside, remove what was half built."""
    for path in list(registry.glob(".*.old")):
        target = registry / _name_of(path)
        if target.exists():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.rename(target)
    for path in list(registry.glob(".*.new")):
        guard = _lock(path, wait=False)
        if guard is not None:
            shutil.rmtree(path, ignore_errors=True)
            _unlock(guard)


@contextmanager
def locked(registry: Path) -> Iterator[None]:
    """Hold the registry: one command at a time changes what is in it."""
    guard = _lock(registry, wait=True)
    try:
        yield
    finally:
        _unlock(guard)


def _name_of(path: Path) -> str:
    return path.name.removeprefix(".").rsplit(".", 2)[0]


def _carry_over(old: Path, new: Path, ours: Sequence[str]) -> None:
    for path in old.iterdir():
        if path.name in ours:
            continue
        if path.is_dir():
            shutil.copytree(path, new / path.name, symlinks=True, copy_function=_link)
        else:
            _link(str(path), str(new / path.name))


def _link(source: str, target: str) -> str:
    """A second name for the file where the disk knows such, else a copy."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, target, follow_symlinks=False)
    return target


def _lock(folder: Path, *, wait: bool) -> int | None:
    """Lock a folder; the system lets go of it when the process ends, however it ends. None if it is held."""
    if sys.platform == "win32":  # a folder cannot be locked there
        return None
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _unlock(descriptor: int | None) -> None:
    if descriptor is not None:
        os.close(descriptor)
