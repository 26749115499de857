"""The Hub as the tests see it: its accounts, its repositories, what was asked of it, what it was sent."""

from __future__ import annotations

import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.hub_fake import store
from tests.hub_fake.script import Fault, RefusedError
from tests.hub_fake.store import Repo

KINDS = ("model", "dataset", "space")


@dataclass(frozen=True)
class User:
    """An account and its one token. ``role`` is the token's: read, write or fineGrained.

    ``scopes`` are the namespaces that a fine-grained token may write to.
    """

    name: str
    token: str
    role: str = "write"
    orgs: tuple[tuple[str, str], ...] = ()
    scopes: tuple[str, ...] = ()

    def may_write(self, namespace: str) -> bool:
        """Whether this token may write to a namespace."""
        if self.role == "read":
            return False
        if self.role == "fineGrained":
            return namespace in self.scopes
        return namespace == self.name or dict(self.orgs).get(namespace) in ("admin", "write")

    def may_read(self, namespace: str) -> bool:
        """Whether it sees the private repositories of a namespace."""
        return namespace == self.name or namespace in dict(self.orgs)


@dataclass
class FakeHub:
    """A Hub whose repositories lie in ``root``; another one on the same folder goes on with them.

    ``part_bytes``: larger objects are uploaded in parts of that size. ``page``: files on a page of a tree.
    ``quota_bytes``: what a namespace's LFS objects may take. ``on``: what happens, once, before a stage.
    """

    root: Path
    users: list[User] = field(default_factory=lambda: [User("mill", "hf_" + secrets.token_hex(17))])
    part_bytes: int = 1 << 26
    page: int = 1000
    quota_bytes: int = 1 << 50
    url: str = ""
    faults: list[Fault] = field(default_factory=list)
    on: dict[str, Callable[[], object]] = field(default_factory=dict)
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    received: Counter[str] = field(default_factory=Counter)
    signatures: dict[str, int] = field(default_factory=dict)  # and when each was made, in ns
    lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def token(self) -> str:
        """The first account's."""
        return self.users[0].token

    def order(self, stage: str, **how: object) -> Fault:
        """Order a fault."""
        fault = Fault(stage, **how)  # type: ignore[arg-type]
        self.faults.append(fault)
        return fault

    def struck(self, stage: str) -> Fault | None:
        """The fault that strikes a request, if any."""
        with self.lock:
            return next((fault for fault in self.faults if fault.takes(stage)), None)

    def stages(self) -> Counter[str]:
        """How often each stage was asked."""
        return Counter(stage for stage, _, _ in self.requests)

    def sign(self) -> str:
        """A signature for an address that needs no token."""
        signature = secrets.token_hex(16)
        self.signatures[signature] = time.time_ns()
        return signature

    def folder(self, kind: str, repo_id: str) -> Path:
        """Where a repository lies, or would."""
        return self.root / kind / repo_id

    def find(self, kind: str, repo_id: str) -> Repo | None:
        """A repository, read from disk."""
        folder = self.folder(kind, repo_id)
        return store.load(folder) if (folder / "repo.json").is_file() else None

    def repo(self, repo_id: str, kind: str = "model") -> Repo:
        """A repository that must be there."""
        found = self.find(kind, repo_id)
        assert found is not None, f"there is no {kind} {repo_id}"
        return found

    def make(self, repo_id: str, kind: str = "model", *, private: bool = True, gated: bool = False) -> Repo:
        """Make a repository as if somebody had."""
        repo = store.create(kind, repo_id, self.folder(kind, repo_id), private=private)
        repo.gated = gated
        repo.save()
        return repo

    def put(self, repo_id: str, files: dict[str, bytes], kind: str = "model") -> str:
        """Commit small files as if somebody had, beside those that are there."""
        repo = self.repo(repo_id, kind)
        added = {path: repo.keep_blob(data) for path, data in files.items()}
        oid = repo.add("main", "By hand", {**repo.head().files, **added})
        repo.save()
        return oid

    def stored_bytes(self, namespace: str) -> int:
        """What the LFS objects of a namespace take."""
        files = (path for kind in KINDS for path in self.root.glob(f"{kind}/{namespace}/*/objects/*"))
        return sum(path.stat().st_size for path in files)

    def user(self, authorization: str) -> User | None:
        """The account of a request; None where it sent no token.

        Raises:
            RefusedError: The token is not known.
        """
        if not authorization:
            return None
        token = authorization.removeprefix("Bearer ")
        for user in self.users:
            if secrets.compare_digest(user.token.encode(), token.encode()):
                return user
        raise RefusedError(401, "Invalid credentials in Authorization header")
