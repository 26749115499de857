"""Names of files in a stranger's repository: which may be written to a disk, and how any is shown.

What one system takes another one bends: Windows drops a dot or a blank at a name's end, takes NUL.txt for a
device and git~1 for .git; macOS and Windows take README.md and readme.MD for one file. So all are refused
everywhere. Source: Microsoft, "Naming Files, Paths, and Namespaces"; git's `core.protectNTFS`, `protectHFS`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

from millhand.errors import Finding

CACHE = ".cache"  # the library's notes in a folder that it fetches to
_OTHERS = frozenset({"", ".", "..", ".git", CACHE})
_SIGNS = re.compile(r'[\\:<>"|?*]')
_CONTROL = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})  # Cf: signs that nobody sees, or that turn a line around
_DEVICE = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³])\s*(?:\..*)?", re.DOTALL)
_SHORT = re.compile(r"git~\d+")  # what Windows calls .git beside its name


def shown(name: str) -> str:
    """A name as any terminal can print it: signs that steer one, or that nobody sees, are escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in name)


def unsafe_names(repository: str, names: Iterable[str]) -> Iterator[Finding]:
    """Find names that lead out of a folder, that not every disk can hold, or that one disk holds as one."""
    names = sorted(names)
    for name in names:
        if any(map(_is_unsafe, name.split("/"))):
            yield _finding(repository, f"It holds a file called {name!r}.")
    for one, other in _same(names):
        yield _finding(repository, f"It holds {one!r} and {other!r}, which are one file on many disks.")


def _is_unsafe(part: str) -> bool:
    folded = _folded(part)
    return bool(
        folded in _OTHERS
        or part[-1] in ". "
        or _SIGNS.search(part)
        or _DEVICE.fullmatch(folded)
        or _SHORT.fullmatch(folded)
        or any(unicodedata.category(c) in _CONTROL for c in part)
    )


def _same(names: list[str]) -> Iterator[tuple[str, str]]:
    """The pairs of which one would be written over the other, or be a folder where the other is a file."""
    files: dict[str, str] = {}
    for name in names:
        first = files.setdefault(_folded(name), name)
        if first != name:
            yield first, name
    for name in names:
        parts = _folded(name).split("/")
        above = ("/".join(parts[:end]) for end in range(1, len(parts)))
        yield from ((files[folder], name) for folder in above if folder in files)


def _folded(name: str) -> str:
    composed = unicodedata.normalize("NFC", name)
    return unicodedata.normalize("NFC", composed.casefold())


def _finding(repository: str, message: str) -> Finding:
    return Finding(
        id="hub.unsafe-name",
        severity="error",
        file=repository,
        message=message,
        why="Such a name can lead out of the folder, or cannot be written everywhere.",
        mend="Do not use this repository, or have its owner rename the file.",
    )
