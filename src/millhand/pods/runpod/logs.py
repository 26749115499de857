"""A pod's container log, and in it the fingerprints of the host keys that its sshd made at boot.

Protocol: server-sent events whose data is ``{"ts", "source", "line"}``; the stream stays open.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from urllib.parse import quote

from millhand.pods.runpod.client import RunPod
from millhand.pods.runpod.errors import OutcomeUnknownError, masked

# ssh-keygen -l as RunPod's start script prints it: `256 SHA256:… root@host (ED25519)`
_FINGERPRINT = re.compile(r"^\s*\d+ (SHA256:[A-Za-z0-9+/]{43})=? .*\((?:RSA|DSA|ECDSA|ED25519)\)\s*$")
_BEGIN, _END = "SSH host keys:", "pod is ready"
_TAIL = 5000


def container_log(account: RunPod, pod_id: str, *, tail: int = _TAIL, limit_s: float = 5.0) -> Iterator[str]:
    """Yield the lines that a pod's container printed, then those that come within ``limit_s`` seconds.

    Raises:
        ApiError: The log cannot be read.
    """
    import httpx

    path = f"/pods/{quote(pod_id, safe='')}/logs"
    query = {"source": "container", "tail": str(tail)}
    try:
        with account.stream(path, query, limit_s) as answer:
            yield from _lines(answer.iter_lines(), time.monotonic() + limit_s)
    except (httpx.ReadTimeout, httpx.RemoteProtocolError):
        return  # nothing more came, or the server closed the stream
    except httpx.HTTPError as error:
        reason = masked(f"{type(error).__name__}: {error}", account.key)
        raise OutcomeUnknownError(f"The log of pod {pod_id} cannot be read: {reason}") from None


def host_keys(lines: Iterator[str]) -> tuple[str, ...]:
    """The fingerprints of the container's newest start, as ``SHA256:…``; empty where none was printed.

    A restarted container prints a new set below the old one: only the last counts.
    """
    found: list[str] = []
    for line in lines:
        if line.strip() == _BEGIN:
            found = []
        match = _FINGERPRINT.match(line)
        if match:
            found.append(match[1])
        if _END in line.lower() and found:
            break
    return tuple(dict.fromkeys(found))


def _lines(stream: Iterator[str], end_s: float) -> Iterator[str]:
    for event in stream:
        name, _, value = event.partition(":")
        line = _line(value) if name == "data" else None
        if line is not None:
            yield line
        if time.monotonic() > end_s:  # the server's pings keep the stream open for ever
            return


def _line(value: str) -> str | None:
    try:
        event = json.loads(value)
    except ValueError:
        return None
    line = event.get("line") if isinstance(event, dict) else None
    return line if isinstance(line, str) else None
