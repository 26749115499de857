"""What the agent's parts share: its client, its refusals, paths that stay in the workspace, the environment.

It travels: standard library only, any Python >= 3.8.
"""

from __future__ import annotations

import os
import re
import select
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Dict, Tuple  # noqa: UP035 - Python 3.8

from millhand.pods import wire
from millhand.pods.job_processes import POD_KEY

Answer = Tuple[Dict[str, Any], bytes]  # noqa: UP006
_PROC_ENV = Path("/proc/1/environ")
_RUNPOD_ENV = Path("/etc/rp_environment")
# What a container's image and its owner set for programs.
_WANTED = re.compile(
    r"(RUNPOD_\w+|HF_\w+|HUGGING_?FACE_\w+|CUDA_\w+|NVIDIA_\w+|NCCL_\w+|LD_LIBRARY_PATH"
    r"|LIBRARY_PATH|LANG|LC_ALL|TZ|SSL_CERT_\w+|\w+_PROXY|\w+_proxy)"
)


class RefusedError(Exception):
    """What was asked for is not done; ``kind`` is for programs."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


class Client:
    """The client at the other end of two streams.

    Args:
        reader: A buffered reader with a descriptor.
        writer: Where answers go.
        woken: A descriptor that can be read from when a child has ended.
    """

    def __init__(self, reader: Any, writer: IO[bytes], woken: int) -> None:
        self._reader, self._writer, self._woken = reader, writer, woken

    def receive(self) -> Answer:
        """The next request; raises wire.WireError at the end."""
        return wire.receive(self._reader)

    def send(self, header: dict[str, Any], payload: bytes = b"") -> None:
        """Answer."""
        wire.send(self._writer, header, payload)
        self._writer.flush()

    def gone(self, within_s: float = 0.0, others: Sequence[int] = ()) -> bool:
        """Wait so long, or until a child ends or another descriptor is ready, and say whether it hung up."""
        ready, _, _ = select.select([self._reader, self._woken, *others], [], [], within_s)
        if self._woken in ready:
            os.read(self._woken, 4096)
        return self._reader in ready and not self._reader.peek(1)


def inside(root: Path, text: str, *, link: bool = False) -> Path:
    """The path ``text`` below ``root``, whatever links there are on the way.

    Args:
        root: The workspace, without links.
        text: Relative, with forward slashes.
        link: Mean the link itself where the last name is one, and never the root.

    Raises:
        RefusedError: It lies outside, or is no path.
    """
    if "\0" in text or text.startswith("/"):
        raise RefusedError("path", f"not a path of the workspace: {text!r}")
    path = root / text
    if link and (path.name in ("", "..") or path == root):
        raise RefusedError("path", f"not a file of the workspace: {text!r}")
    found = path.parent.resolve() / path.name if link else path.resolve()
    if found != root and root not in found.parents:
        raise RefusedError("path", f"outside the workspace: {text!r}")
    return found


def base_environment() -> dict[str, str]:
    """This session's environment with what only the container's first process has; neither's POD_KEY."""
    found = container_environment()
    extra = {name: value for name, value in found.items() if _WANTED.fullmatch(name)}
    environment = {**extra, **os.environ}
    environment.pop(POD_KEY, None)
    environment["PATH"] = joined_paths(os.environ.get("PATH", os.defpath), found.get("PATH", ""))
    return environment


def joined_paths(first: str, more: str) -> str:
    """A PATH of both, each folder once. The container's comes first: its image put its tools there."""
    names = [name for name in [*more.split(":"), *first.split(":")] if name]
    return ":".join(dict.fromkeys(names))


def container_environment() -> dict[str, str]:
    """The environment of process 1, or what RunPod wrote of it; empty where neither may be read."""
    try:
        entries = _PROC_ENV.read_bytes().split(b"\0")
    except OSError:
        entries = []
    pairs = (os.fsdecode(entry).partition("=") for entry in entries if b"=" in entry)
    found = {name: value for name, _, value in pairs}
    return found or _exported()


def _exported() -> dict[str, str]:
    """RunPod's start script writes lines ``export NAME="value"``."""
    try:
        text = _RUNPOD_ENV.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return {}
    return dict(re.findall(r'^export (\w+)="(.*)"$', text, flags=re.MULTILINE))
