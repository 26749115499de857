"""What lies in a folder, by size and hash: one standard-library file that also runs alone on a pod.

::

    python -I -S - FOLDER [NAME ...] < inventory.py

It prints a JSON array, one object a file of the folder itself: ``path`` and ``size`` in bytes. Of files that
are named also ``mtime_ns``, ``sha256`` and ``blob_id``, git's SHA-1 of it as a blob; that is empty above
64 MiB, where the Hub keeps none. A folder that is not there is empty.
"""

from __future__ import annotations

import hashlib
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

BLOB_AT_MOST = 64 << 20
_BLOCK = 1 << 20
_HASHING = 4  # hashing lets go of the interpreter's lock


def names(folder: Path) -> list[dict[str, Any]]:
    """Every file of the folder, by name."""
    files = sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
    return [{"path": path.name, "size": path.stat().st_size} for path in files]


def described(path: Path) -> dict[str, Any]:
    """One file with its hashes.

    Raises:
        OSError: It cannot be read, or changed while it was.
    """
    stat = path.stat()
    sha256, blob = hashlib.sha256(), hashlib.sha1(b"blob %d\0" % stat.st_size, usedforsecurity=False)
    small = stat.st_size <= BLOB_AT_MOST
    with path.open("rb") as file:
        for block in iter(lambda: file.read(_BLOCK), b""):
            sha256.update(block)
            if small:
                blob.update(block)
        if file.tell() != stat.st_size:
            raise OSError(f"{path} changed while it was read")
    hashes = {"sha256": sha256.hexdigest(), "blob_id": blob.hexdigest() if small else ""}
    return {"path": path.name, "size": stat.st_size, "mtime_ns": stat.st_mtime_ns, **hashes}


def main(arguments: list[str]) -> int:
    """Print the inventory."""
    folder, *wanted = arguments
    with ThreadPoolExecutor(_HASHING) as pool:
        found = list(pool.map(described, [Path(folder) / name for name in wanted]))
    print(json.dumps(found if wanted else names(Path(folder))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
