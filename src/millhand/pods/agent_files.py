"""The agent's files: reading from an offset, and few ways to change the workspace. No path leaves it.

It travels: standard library only, any Python >= 3.8.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import Any

from millhand.pods.agent_io import Answer, Client, RefusedError, inside

CHUNK = 8 << 20


def read_from(path: Path, offset: int, size: int = CHUNK) -> bytes:
    """At most ``size`` bytes of a file from ``offset`` on, which counts from the end if it is negative."""
    try:
        with path.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(offset if offset >= 0 else max(0, end + offset))
            return file.read(min(size, CHUNK))
    except FileNotFoundError:
        return b""


def read(_client: Client, root: Path, order: dict[str, Any], _payload: bytes) -> Answer:
    """``path``, ``offset`` -> the bytes, a chunk at most; ``start``, where they begin."""
    path, offset = inside(root, order["path"]), int(order["offset"])
    if offset < 0:
        offset = max(0, (path.stat().st_size if path.exists() else 0) + offset)
    return {"start": offset}, read_from(path, offset)


def describe(_client: Client, root: Path, order: dict[str, Any], _payload: bytes) -> Answer:
    """``path``, ``hashed`` -> ``kind`` (absent, file, folder, link, other), ``size``, ``sha256``."""
    path = inside(root, order["path"], link=True)
    answer: dict[str, Any] = {"kind": _kind(path), "size": None, "sha256": None}
    if answer["kind"] == "file":
        answer["size"] = path.stat().st_size
        answer["sha256"] = _sha256(path) if order.get("hashed") else None
    return answer, b""


def _kind(path: Path) -> str:
    if path.is_symlink():
        return "link"
    if not path.exists():
        return "absent"
    return "file" if path.is_file() else "folder" if path.is_dir() else "other"


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for part in iter(lambda: file.read(1 << 20), b""):
            digest.update(part)
    return digest.hexdigest()


def make_folder(_client: Client, root: Path, order: dict[str, Any], _payload: bytes) -> Answer:
    """``path``: there afterwards, with those above it."""
    inside(root, order["path"]).mkdir(parents=True, exist_ok=True)
    return {}, b""


def remove(_client: Client, root: Path, order: dict[str, Any], _payload: bytes) -> Answer:
    """``path``: gone afterwards, a folder with all that is in it, a link without what it points to."""
    path = inside(root, order["path"], link=True)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(str(path))
    elif path.is_symlink() or path.exists():
        path.unlink()
    return {}, b""


def rename(_client: Client, root: Path, order: dict[str, Any], _payload: bytes) -> Answer:
    """``path`` becomes ``to``, which must not be there; done already is done."""
    path, to = inside(root, order["path"], link=True), inside(root, order["to"], link=True)
    there, taken = _kind(path) != "absent", _kind(to) != "absent"
    if there and taken:
        raise RefusedError("taken", f"{order['to']} is there already")
    if not there and not taken:
        raise RefusedError("absent", f"{order['path']} is not there")
    if there:
        to.parent.mkdir(parents=True, exist_ok=True)
        path.rename(to)
    return {}, b""
