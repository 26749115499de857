"""What of a client's tree is to be sent: a walk with ignore rules, and findings for what cannot be."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from millhand.errors import Finding
from millhand.pods.sync.folders import Entry, Root, Stamp, walk
from millhand.pods.sync.ignore import Ignored
from millhand.pods.sync.names import RefusedError, is_secret, is_state, link_fault, split, windows_fault

MAC = sys.platform == "darwin"


@dataclass
class Tree:
    """The part of a folder that is named, less what is ignored.

    Args:
        root: The folder.
        named: Paths below it, with forward slashes; ``.`` is all of it. What is named is not ignored, and
            what lies in a named folder that is ignored is judged only by the ignore files in it.
        findings: Grows: what is left out and why.
        skip: Paths below what is named that are left out.
    """

    root: Root
    named: Sequence[str]
    findings: list[Finding] = field(default_factory=list)
    skip: Sequence[str] = ()

    def walk(self) -> Iterator[tuple[Entry, Stamp]]:
        """All that is to be sent, a folder before what is in it."""
        for path in outermost(self.named):
            fault = self._fault_of_named(path)
            if fault:
                self.findings.append(fault)
            else:
                yield from self._walk(path)

    def _walk(self, path: str) -> Iterator[tuple[Entry, Stamp]]:
        problems: list[tuple[str, str]] = []
        for entry, stamp in walk(self.root, path, self.keeper(path), problems):
            if self._sendable(entry):
                yield _composed(entry), stamp
        self.findings += [_unreadable(where, why) for where, why in problems]

    def keeper(self, path: str) -> Callable[[Entry], bool]:
        """What is asked of each entry below a named path: whether it is neither ignored nor secret.

        A folder is to be asked about before what is in it. Millhand's notes are each side's own, so that they
        are kept back as if they were ignored.
        """
        root = Path(self.root.path)
        rules = Ignored(root)
        if path != "." and rules.with_parents(path, (root / path).is_dir()):
            rules = Ignored(root, top=path)
        left: set[str] = set()  # folders

        def keep(entry: Entry) -> bool:
            if entry.path == path:
                return True
            folder, _, name = entry.path.rpartition("/")
            stays = folder in left or is_state(name) or is_secret(entry.path)
            stays = stays or entry.path in self.skip or rules(entry.path, entry.kind == "d")
            if stays and entry.kind == "d":
                left.add(entry.path)
            return not stays

        return keep

    def _fault_of_named(self, path: str) -> Finding | None:
        try:
            split(path)
            found = self.root.look(path)
        except (RefusedError, OSError) as error:
            return refused(path, getattr(error, "reason", None) or str(error))
        fault = fault_of_name(path)
        if fault:
            return refused(path, fault)
        return None if found else refused(path, "there is no such file or folder", "sync.missing")

    def _sendable(self, entry: Entry) -> bool:
        if entry.kind == "o":
            self.findings.append(refused(entry.path, "it is neither file, folder nor link", "sync.special"))
            return False
        fault = link_fault(entry.path, entry.link or "") if entry.kind == "l" else None
        if fault:
            self.findings.append(outside_link(entry, fault))
        return fault is None


def fault_of_name(path: str) -> str | None:
    """Why a path may not be named, or None."""
    if is_secret(path):
        return "keys, secrets and Millhand's ledger stay where they are"
    if is_state(path.rpartition("/")[2]):
        return "each side has Millhand's notes of its own; name a folder in it"
    return None


def outermost(named: Sequence[str]) -> list[str]:
    """The named paths, less those below another of them."""
    paths = sorted({path.rstrip("/") or "." for path in named})
    if "." in paths:
        return ["."]
    found: list[str] = []
    for path in sorted(paths, key=lambda path: path.split("/")):
        if not found or not path.startswith(f"{found[-1]}/"):
            found.append(path)
    return found


def _composed(entry: Entry) -> Entry:
    """A Mac tells names taken apart (NFD); everywhere else, and in configs, they are written composed."""
    return entry._replace(path=unicodedata.normalize("NFC", entry.path)) if MAC else entry


class Arrivals:
    """Judges what the other side offers by its names: what this client cannot hold is a finding."""

    def __init__(self, findings: list[Finding], windows: bool, folds: bool) -> None:
        self._findings, self._windows, self._folds = findings, windows, folds
        self._seen: dict[str, str] = {}

    def take(self, entry: Entry) -> bool:
        """Whether an entry is to be received."""
        fault = self._fault(entry)
        if fault:
            self._findings.append(fault)
        return fault is None

    def _fault(self, entry: Entry) -> Finding | None:
        try:
            names = split(entry.path, windows=False)
        except RefusedError as error:
            return refused(entry.path, error.reason)
        for name in names if self._windows else ():
            why = windows_fault(name)
            if why:
                return refused(entry.path, why, "sync.windows-name")
        if entry.kind == "o":
            return refused(entry.path, "it is neither file, folder nor link", "sync.special")
        why = link_fault(entry.path, entry.link or "") if entry.kind == "l" else None
        return outside_link(entry, why) if why else self._collision(entry)

    def _collision(self, entry: Entry) -> Finding | None:
        if not self._folds:
            return None
        folded = unicodedata.normalize("NFC", entry.path).casefold()
        other = self._seen.setdefault(folded, entry.path)
        return (
            None
            if other == entry.path
            else refused(entry.path, f"this computer cannot tell it from {other}", "sync.case")
        )


def refused(path: str, why: str, name: str = "sync.refused") -> Finding:
    """A path that is left out."""
    return Finding(
        id=name,
        severity="error",
        file=shown(path),
        message=f"left out: {why}.",
        mend="Rename or remove it, or do not name it.",
    )


def outside_link(entry: Entry, why: str) -> Finding:
    """A link that is left out."""
    return Finding(
        id="sync.link",
        severity="error",
        file=shown(entry.path),
        message=f"left out: {why} ({shown(entry.link or '')}).",
        why="What it points to would be missing or another's on the other side.",
        mend="Put what it points to into the folder, or name that.",
    )


def _unreadable(path: str, why: str) -> Finding:
    return Finding(
        id="sync.unreadable",
        severity="error",
        file=shown(path),
        message=f"cannot be read: {why}.",
        mend="Look at its permissions.",
    )


def shown(path: str) -> str:
    """A path as it can be printed anywhere: control characters and bytes that are no text are escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in path)
