"""A pod on this machine with a workspace of its own: what a rented machine is, less the network."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path

from millhand.pods.local import LocalPod


class MirrorPod(LocalPod):
    """Works in ``root`` and has of the client's workspace only what was put there."""

    name = "mirror"
    shared = False

    def __init__(self, root: Path, client: Path) -> None:
        super().__init__(root)
        self.client = client
        self.put_paths: list[str] = []

    def put(self, paths: Iterable[str]) -> None:
        for path in paths:
            self.put_paths.append(path)
            _copy(self.client / path, self.root / path)

    def get(self, paths: Iterable[str], *, exclude: Iterable[str] = ()) -> None:
        for path in paths:
            _copy(self.root / path, self.client / path, tuple(exclude))


def _copy(source: Path, target: Path, exclude: tuple[str, ...] = ()) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_file():
        shutil.copy2(source, target)
        return
    left_out = {path.name for path in source.rglob("*") if any(fnmatch(path.name, p) for p in exclude)}
    shutil.copytree(source, target, dirs_exist_ok=True, ignore=lambda _folder, _names: left_out)
