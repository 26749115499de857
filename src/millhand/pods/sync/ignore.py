"""What git ignores, and ``.millhandignore`` beside it: the same rules, read after ``.gitignore``.

https://git-scm.com/docs/gitignore: the last pattern that matches decides, that of a deeper folder over
that of one above it, and nothing below an ignored folder comes back.
"""

from __future__ import annotations

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
        return (
            tuple(GitIgnoreSpec.from_lines(line.removesuffix("\r") for line in lines).patterns)
            if lines
            else ()
        )


def _said(patterns: tuple[Any, ...], name: str) -> bool | None:
    """What the last of the patterns says that matches the name itself and not only a folder above it."""
    for pattern in reversed(patterns):
        match = pattern.regex.match(name) if pattern.regex is not None else None
        if match and _means(match, name):
            return bool(pattern.include)
    return None


def _means(match: Any, name: str) -> bool:
    inner = match.re.groupindex.get("ps_d")
    return inner is None or match.start(inner) < 0 or match.end(inner) == len(name)
