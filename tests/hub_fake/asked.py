"""A request as the routes see it, and what they check of it first."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.hub_fake.script import RefusedError, StrictError
from tests.hub_fake.state import FakeHub, User
from tests.hub_fake.store import Repo


@dataclass(frozen=True)
class Asked:
    """One request. ``match`` holds the parts of its path, unquoted; ``kind`` is model, dataset or space."""

    hub: FakeHub
    method: str
    match: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    user: User | None

    @property
    def kind(self) -> str:
        """The kind of repository that the path names."""
        return (self.match.get("kind") or "models").rstrip("s/")

    def json(self, allowed: Iterable[str], needed: Iterable[str] = ()) -> dict[str, Any]:
        """The body, whose fields must be known.

        Raises:
            StrictError: It is no JSON object, has a field that the Hub does not know, or lacks one.
        """
        try:
            value = json.loads(self.body)
        except ValueError as error:
            raise StrictError(f"the body is no JSON: {self.body[:80]!r}") from error
        known(value, allowed, needed)
        return dict(value)

    def params(self, *allowed: str) -> None:
        """Check the query's names."""
        known(self.query, allowed)

    def signed_in(self) -> User:
        """The account.

        Raises:
            RefusedError: There is no token.
        """
        if self.user is None:
            raise RefusedError(401, "Invalid username or password.")
        return self.user

    def repo(self, *, write: bool = False) -> Repo:
        """The repository that the path names, if this account may see it, and write to it.

        Raises:
            RefusedError: It is not there, may not be seen or not be written to.
        """
        repo = self.hub.find(self.kind, self.match["repo"])
        namespace = self.match["repo"].partition("/")[0]
        sees = repo is not None and (
            not repo.private or (self.user is not None and self.user.may_read(namespace))
        )
        if repo is None or not sees:
            raise RefusedError(404 if self.user else 401, "Repository not found", "RepoNotFound")
        if write and not self.signed_in().may_write(namespace):
            raise RefusedError(403, "Forbidden: you must use a write token to upload to a repository.")
        return repo

    def commit(self, repo: Repo) -> str:
        """The commit that the path names.

        Raises:
            RefusedError: There is none.
        """
        found = repo.resolve(self.match.get("revision") or "main")
        if not found:
            raise RefusedError(404, f"Invalid rev id: {self.match.get('revision')}", "RevisionNotFound")
        return found


def known(value: object, allowed: Iterable[str], needed: Iterable[str] = ()) -> None:
    """Check an object's field names.

    Raises:
        StrictError: There is one too many, or one is lacking.
    """
    names = set(value) if isinstance(value, Mapping) else {f"not an object: {value!r}"}
    other, lacking = names - {*allowed, *needed}, {*needed} - names
    if other or lacking:
        raise StrictError(f"unknown: {sorted(other)}, lacking: {sorted(lacking)}")
