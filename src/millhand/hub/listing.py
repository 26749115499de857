"""What lies here and what lies on the Hub, file by file, and how the two differ."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from millhand.errors import Finding
from millhand.hub.client import Hub
from millhand.hub.target import RepoType

CARD = "README.md"
State: TypeAlias = Literal["new", "changed", "same", "removed"]
# Where the Hub holds a file as a blob of git, its listing has git's SHA-1 of it and no SHA-256. It holds none
# that is larger than 10 MiB so (docs: "Files larger than 10MB are stored with LFS").
_BLOB_AT_MOST = 64 << 20


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file that goes to the Hub as ``path``. ``source`` is where it lies, or its bytes.

    ``size`` in bytes and ``mtime_ns`` are those at the time of hashing.
    """

    path: str
    size: int
    sha256: str
    source: Path | bytes
    mtime_ns: int = 0

    @property
    def blob_id(self) -> str:
        """Git's SHA-1 of it as a blob; empty for what is too large to be one."""
        if self.size > _BLOB_AT_MOST:
            return ""
        return git_blob_id(self.source if isinstance(self.source, bytes) else self.source.read_bytes())

    @property
    def unchanged(self) -> bool:
        """Whether it still looks as it did when it was hashed."""
        if isinstance(self.source, bytes):
            return True
        if not self.source.is_file():
            return False
        stat = self.source.stat()
        return (stat.st_size, stat.st_mtime_ns) == (self.size, self.mtime_ns)


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file of a revision. ``sha256`` is None where the Hub holds it as a blob of git."""

    path: str
    size: int
    sha256: str | None
    blob_id: str


@dataclass(frozen=True, slots=True)
class Change:
    """What a push does with one file."""

    path: str
    state: State
    size: int
    sha256: str | None


def git_blob_id(data: bytes) -> str:
    """The object id that git gives to a blob: SHA-1 of a header and the bytes."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def local_file(path: str, source: Path, sha256: Callable[[Path], str]) -> LocalFile:
    """Describe a file that lies here."""
    stat = source.stat()
    return LocalFile(path, stat.st_size, sha256(source), source, stat.st_mtime_ns)


def local_text(path: str, text: str) -> LocalFile:
    """Describe a file that is made of a text."""
    data = text.encode("utf-8")
    return LocalFile(path, len(data), hashlib.sha256(data).hexdigest(), data)


def remote_files(hub: Hub, repository: str, kind: RepoType, revision: str) -> dict[str, RemoteFile]:
    """All files of a revision, by path.

    Raises:
        FindingsError: The repository or the revision is not there, or may not be seen.
        MillhandError: The Hub does not answer.
    """
    return hub.ask(lambda: dict(_listed(hub, repository, kind, revision)), repository)


def _listed(hub: Hub, repository: str, kind: RepoType, revision: str) -> Iterator[tuple[str, RemoteFile]]:
    from huggingface_hub.hf_api import RepoFile

    for item in hub.api.list_repo_tree(repository, repo_type=kind, revision=revision, recursive=True):
        if isinstance(item, RepoFile):
            sha256 = item.lfs.sha256 if item.lfs else None
            yield item.path, RemoteFile(item.path, item.size, sha256, item.blob_id)


def is_same(local: LocalFile, remote: RemoteFile | None) -> bool:
    """Whether the Hub has exactly these bytes, by the hash that its listing gives."""
    if remote is None or remote.size != local.size:
        return False
    return remote.sha256 == local.sha256 if remote.sha256 else remote.blob_id == local.blob_id


def changes(
    local: Iterable[LocalFile], remote: Mapping[str, RemoteFile], stale: Callable[[str], bool]
) -> list[Change]:
    """What a push does, by path: every file of ours, and those of the Hub that it takes away.

    Args:
        local: What is to be there.
        remote: What is there.
        stale: Whether a file of the Hub that is not ours would be taken for a part of what is pushed.
    """
    files = {file.path: file for file in local}
    found = [Change(f.path, _state(f, remote.get(f.path)), f.size, f.sha256) for f in files.values()]
    gone = [f for path, f in remote.items() if path not in files and stale(path)]
    found += [Change(f.path, "removed", f.size, f.sha256) for f in gone]
    return sorted(found, key=lambda change: change.path)


def _state(local: LocalFile, remote: RemoteFile | None) -> State:
    if remote is None:
        return "new"
    return "same" if is_same(local, remote) else "changed"


def compare(
    local: Iterable[LocalFile], remote: Mapping[str, RemoteFile], stale: Callable[[str], bool]
) -> Iterator[Finding]:
    """Find where the Hub's listing is not what was pushed: missing, of other bytes, or left over."""
    for change in changes(local, remote, stale):
        if change.state == "same":
            continue
        has = {"new": "is not there", "changed": "has other bytes", "removed": "should not be there any more"}
        yield Finding(
            id=f"hub.{'missing' if change.state == 'new' else 'different'}",
            severity="error",
            file=change.path,
            message=f"It {has[change.state]}.",
            why="What is on the Hub is not what lies here, so it counts as not delivered.",
            mend="Repeat the command: what is right already is not sent again.",
        )
