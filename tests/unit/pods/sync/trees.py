"""Folders for the tests of syncing: what is written into them, and what is in them then."""

from __future__ import annotations

import os
from pathlib import Path

OLD = 1_600_000_000_000_000_000


def write(path: Path, data: bytes, mtime_ns: int = OLD) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.utime(path, ns=(mtime_ns, mtime_ns))
    return path


def tree(root: Path) -> dict[str, object]:
    """All below a folder: bytes of files with time and x bit, targets of links; Millhand's notes not."""
    found: dict[str, object] = {}
    for folder, folders, files in os.walk(root):
        if Path(folder).name == ".millhand":
            folders.clear()
            continue
        for name in folders + files:
            path = Path(folder, name)
            key = str(path.relative_to(root))
            if path.is_symlink():
                found[key] = path.readlink()
            elif path.is_dir():
                found[key] = "folder"
            else:
                status = path.stat()
                found[key] = (path.read_bytes(), status.st_mtime_ns, bool(status.st_mode & 0o100))
    found.pop(".millhand", None)
    return found
