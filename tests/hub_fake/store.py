"""What a repository is and where it lies on disk: commits, branches, tags, objects."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

GITATTRIBUTES = ("*.7z", "*.arrow", "*.bin", "*.gguf", "*.gz", "*.h5", "*.npy", "*.npz", "*.onnx",
                 "*.parquet", "*.pickle", "*.pkl", "*.png", "*.pt", "*.pth", "*.safetensors", "*.tar",
                 "*.zip", "*tfevents*")  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """A file of a commit. ``oid`` is the SHA-256 of an LFS object, else git's SHA-1 of the blob."""

    kind: str
    oid: str
    size: int


@dataclass
class Commit:
    """A commit with all its files."""

    parent: str
    title: str
    files: dict[str, Entry]


@dataclass
class Repo:
    """A repository; ``folder`` holds repo.json, objects/ (LFS, by SHA-256) and blobs/ (by git's SHA-1)."""

    kind: str
    id: str
    folder: Path
    private: bool = False
    gated: bool = False
    commits: dict[str, Commit] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def resolve(self, revision: str) -> str:
        """The commit of a branch, a tag or a commit's own id; empty where there is none."""
        found = self.branches.get(revision) or self.tags.get(revision)
        return found or (revision if revision in self.commits else "")

    def head(self, branch: str = "main") -> Commit:
        """The last commit of a branch."""
        return self.commits[self.branches[branch]]

    def object(self, sha256: str) -> Path:
        """Where an LFS object lies, or would."""
        return self.folder / "objects" / sha256

    def blob(self, sha1: str) -> Path:
        """Where a blob lies."""
        return self.folder / "blobs" / sha1

    def read(self, path: str, revision: str = "main") -> bytes:
        """A file's bytes."""
        entry = self.commits[self.resolve(revision)].files[path]
        return self.where(entry).read_bytes()

    def where(self, entry: Entry) -> Path:
        """The file of an entry."""
        return self.object(entry.oid) if entry.kind == "lfs" else self.blob(entry.oid)

    def add(self, branch: str, title: str, files: dict[str, Entry]) -> str:
        """Commit; returns the commit's id."""
        parent = self.branches.get(branch, "")
        text = json.dumps([parent, title, len(self.commits), sorted(files)])
        oid = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
        self.commits[oid] = Commit(parent, title, files)
        self.branches[branch] = oid
        return oid

    def keep_blob(self, data: bytes) -> Entry:
        """Store a small file."""
        entry = Entry("regular", blob_id(data), len(data))
        self.blob(entry.oid).parent.mkdir(parents=True, exist_ok=True)
        self.blob(entry.oid).write_bytes(data)
        return entry

    def save(self) -> None:
        """Write repo.json."""
        value = {key: item for key, item in asdict(self).items() if key != "folder"}
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "repo.json").write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")


def load(folder: Path) -> Repo:
    """Read a repository."""
    value = json.loads((folder / "repo.json").read_text(encoding="utf-8"))
    commits = {
        oid: Commit(c["parent"], c["title"], {path: Entry(**entry) for path, entry in c["files"].items()})
        for oid, c in value.pop("commits").items()
    }
    return Repo(folder=folder, commits=commits, **value)


def create(kind: str, repo_id: str, folder: Path, *, private: bool) -> Repo:
    """A new repository with its first commit, as the Hub makes it."""
    repo = Repo(kind, repo_id, folder, private=private)
    text = "".join(f"{pattern} filter=lfs diff=lfs merge=lfs -text\n" for pattern in GITATTRIBUTES)
    repo.add("main", "initial commit", {".gitattributes": repo.keep_blob(text.encode())})
    repo.save()
    return repo


def blob_id(data: bytes) -> str:
    """Git's SHA-1 of a blob."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def pointer(entry: Entry) -> bytes:
    """The pointer file that git holds for an LFS object."""
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{entry.oid}\nsize {entry.size}\n".encode()
