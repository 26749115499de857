"""What ``delete`` may remove: little, and only where the other side has a say.

A side has a say about the files of a folder if it has that folder itself, with something in it that the sync
brings. So a fresh volume, one that is not mounted, a listing that ends early and a run that only one side
has remove nothing. Folders are never removed, nor Millhand's own notes.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from millhand.errors import Finding
from millhand.pods.sync.folders import Entry
from millhand.pods.sync.names import is_state
from millhand.pods.sync.tree import shown

# Written beside what a run makes, by the client: a pod has never had them.
_NOTE = re.compile(r"millhand_\w+\.json", re.IGNORECASE)


@dataclass
class Say:
    """What the side that a sync reads from has; filled while it is listed.

    Args:
        leaves_out: Whether a path below a named one is excluded.
    """

    leaves_out: Callable[[str, str], bool]
    _has: set[str] = field(default_factory=set)
    _about: set[str] = field(default_factory=set)

    def has(self, path: str) -> None:
        """It has something there, whether or not it is brought."""
        self._has.add(_folded(path))

    def brings(self, named: str, entry: Entry) -> None:
        """It has something there that the sync brings: a file gives it a say about the folders on the way."""
        self.has(entry.path)
        if entry.kind == "d":
            return
        folder = entry.path
        while folder != named:
            folder = _parent(folder)
            if folder in self._about:
                return
            self._about.add(folder)

    def extras(self, named: str, entries: Iterable[Entry], told: list[Finding]) -> list[Entry]:
        """The files and links of the other side that it lacks and has a say about.

        Args:
            named: The path that was named.
            entries: What the other side has there, less what is ignored and secret.
            told: Grows: what stays although somebody may have meant it.
        """
        return [entry for entry in self._lacked(named, entries, told) if entry.kind in ("f", "l")]

    def _lacked(self, named: str, entries: Iterable[Entry], told: list[Finding]) -> Iterator[Entry]:
        for entry in entries:
            if entry.path == named:
                if entry.kind == "d" and named not in self._about:
                    told.append(_kept(named, "the other side has nothing in it"))
            elif _folded(entry.path) in self._has or _parent(entry.path) not in self._about:
                continue
            elif not (self.leaves_out(named, entry.path) or _is_note(entry.path)):
                if entry.kind == "d":
                    told.append(_kept(entry.path, "the other side has no such folder"))
                yield entry


def nothing_removed() -> Finding:
    """Not all could be read or brought."""
    return Finding(
        id="sync.kept",
        severity="warning",
        message="nothing was removed: not all of the other side could be read or brought.",
        why="What is missing there might only be hidden.",
        mend="Mend what is told above, then repeat the command.",
    )


def _kept(path: str, why: str) -> Finding:
    return Finding(
        id="sync.kept",
        severity="warning",
        file=shown(path),
        message=f"stays, with all in it: {why}.",
        mend="Remove it by hand if nobody needs it.",
    )


def _is_note(path: str) -> bool:
    names = path.split("/")
    return any(map(is_state, names)) or _NOTE.fullmatch(names[-1]) is not None


def _parent(path: str) -> str:
    return path.rpartition("/")[0] or "."


def _folded(path: str) -> str:
    """A path as a disk sees it that keeps neither case nor normal form: what it takes for one stays."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())
