"""What git ignores, and ``.millhandignore`` beside it: the same rules, read after ``.gitignore``.

https://git-scm.com/docs/gitignore: the last pattern that matches decides, that of a deeper folder over
that of one above it, and nothing below an ignored folder comes back.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from pathspec import GitIgnoreSpec

FILES = (".gitignore", ".millhandignore")


class Ignored:
    """Asks the ignore files of a tree; to be asked from above, since a folder that is ignored is not entered.

    Args:
        root: The top of the tree.
        top: A folder below it (``a/b``); ignore files above it are not asked.
    """

    def __init__(self, root: Path, top: str = "") -> None:
        self._root, self._top = root, top
        self._patterns = lru_cache(maxsize=1024)(self._read)

    def __call__(self, path: str, folder: bool) -> bool:
        """Whether the file or folder at ``path`` is ignored by a pattern that means it itself."""
        above = path
        while above not in ("", self._top):
            above = above.rpartition("/")[0]
            name = path[len(above) + 1 :] if above else path
            said = _said(self._patterns(above), f"{name}/" if folder else name)
            if said is not None:
                return said
        return False

    def with_parents(self, path: str, folder: bool) -> bool:
        """Whether ``path`` or a folder above it is ignored."""
        names = path.split("/")
        above = ("/".join(names[:count]) for count in range(1, len(names)))
        return any(self(one, folder=True) for one in above) or self(path, folder)

    def _read(self, folder: str) -> tuple[Any, ...]:
        lines: list[str] = []
        for name in FILES:
            try:
                text = (self._root / folder / name).read_bytes()
            except OSError:
                continue
            lines += text.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape").split("\n")
        return tuple(pattern for line in lines for pattern in _parsed(line.removesuffix("\r")))


def _parsed(line: str) -> list[Any]:
    if line.endswith("/**/"):  # the folders below, not the folder itself, which pathspec takes it for as well
        line += "*/"
    try:
        return list(GitIgnoreSpec.from_lines([line]).patterns)
    except ValueError:  # no pattern: git passes over it, too
        return []


def _said(patterns: tuple[Any, ...], name: str) -> bool | None:
    """What the last of the patterns says that means the name itself and not only a folder above it."""
    for pattern in reversed(patterns):
        if pattern.regex is not None and _means(pattern.regex, name):
            return bool(pattern.include)
    return None


def _means(regex: re.Pattern[str], name: str) -> bool:
    """Whether a pattern of pathspec's means a name; its group ``ps_d`` is the slash behind a folder."""
    if "ps_d" not in regex.groupindex:
        return regex.search(name.removesuffix("/")) is not None
    for start in (0, len(name) - 1):  # a pattern for any folder is a slash alone
        match = regex.search(name, start)
        if match and (match.start("ps_d") < 0 or match.end("ps_d") == len(name)):
            return True
    return False
