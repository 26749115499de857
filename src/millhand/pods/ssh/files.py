"""The pod's workspace as files: what is there, and the few changes that are not a sync's."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from millhand.pods.agent_files import CHUNK
from millhand.pods.ssh.agents import Agents

Kind = Literal["absent", "file", "folder", "link", "other"]


class FileFacts(msgspec.Struct, frozen=True):
    """What lies at a path; size in bytes and SHA-256 in hex for a file, the hash if it was asked for."""

    kind: Kind
    size: int | None = None
    sha256: str | None = None


class Files:
    """Paths are relative to the pod's workspace; none leaves it, whatever links lie on the way.

    All of it raises RefusedError where the pod does not do it, and is safe to repeat.
    """

    def __init__(self, agents: Agents) -> None:
        self._agents = agents

    def describe(self, path: str, *, hashed: bool = False) -> FileFacts:
        """What lies there; a link is not followed."""
        answer, _ = self._agents.call("file.describe", path=path, hashed=hashed)
        return msgspec.convert(answer, FileFacts)

    def read(self, path: str, offset: int = 0) -> bytes:
        """A file from byte ``offset`` on, before the end where it is negative; empty where there is none."""
        return read_whole(self._agents, "file.read", offset, path=path)

    def make_folder(self, path: str) -> None:
        """Let the folder be there, with those above it."""
        self._agents.call("folder.make", path=path)

    def remove(self, path: str) -> None:
        """Let nothing be there: a folder goes with all that is in it, a link without what it points to."""
        self._agents.call("file.remove", path=path)

    def rename(self, path: str, to: str) -> None:
        """Give it another name, which must be free."""
        self._agents.call("file.rename", path=path, to=to)


def read_whole(agents: Agents, op: str, offset: int, **fields: Any) -> bytes:
    """What an operation of the agent reads piece by piece, from byte ``offset`` to now."""
    answer, data = agents.call(op, offset=offset, **fields)
    at, parts = int(answer["start"]), [data]
    while len(parts[-1]) == CHUNK:
        at += CHUNK
        parts.append(agents.call(op, offset=at, **fields)[1])
    return b"".join(parts)
