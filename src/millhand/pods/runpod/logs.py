"""A pod's container log, and in it the fingerprints of the host keys that its sshd made at boot.

Protocol: server-sent events whose data is ``{"ts", "source", "line"}``; the stream stays open.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Iterator
from urllib.parse import quote

from millhand.pods.runpod.client import RunPod
from millhand.pods.runpod.errors import OutcomeUnknownError, RateLimitedError, masked

# ssh-keygen -l as RunPod's start script prints it: `256 SHA256:… root@host (ED25519)`
_FINGERPRINT = re.compile(r"^\s*\d+ (SHA256:[A-Za-z0-9+/]{43})=? .*\((?:RSA|DSA|ECDSA|ED25519)\)\s*$")
_BEGIN = "SSH host keys:"
_TAIL = 5000
_AGAIN_S = (2.0, 5.0)
_FAILED_S = (1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0, 15.0, 15.0)


def container_log(
    account: RunPod, pod_id: str, *, tail: int = _TAIL, quiet_s: float = 1.0, limit_s: float = 5.0
) -> Iterator[str]:
    """Yield the lines that a pod's container printed, until none comes for a while, or ``limit_s`` is over.

    Raises:
        ApiError: The log cannot be read.
    """
    import httpx

    path = f"/pods/{quote(pod_id, safe='')}/logs"
    query = {"source": "container", "tail": str(tail)}
    try:
        with account.stream(path, query, limit_s) as answer:
            try:
                yield from _lines(answer.iter_lines(), quiet_s, limit_s)
            except (httpx.ReadTimeout, httpx.RemoteProtocolError):
                return  # nothing more came, or the server closed the stream
    except httpx.HTTPError as error:
        reason = masked(f"{type(error).__name__}: {error}", account.key)
        raise OutcomeUnknownError(f"The log of pod {pod_id} cannot be read: {reason}") from None


def host_keys(lines: Iterable[str]) -> tuple[str, ...]:
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
    return tuple(dict.fromkeys(found))


def read_host_keys(account: RunPod, pod_id: str) -> tuple[str, ...]:
    """The fingerprints of a pod's sshd; asked again for a few seconds, as the log may lag behind.

    A log that does not answer, or is asked too often, is asked again for a minute and a half.

    Raises:
        ApiError: The log cannot be read.
    """
    again = iter(_AGAIN_S)
    for failed_wait_s in (*_FAILED_S, 0.0):
        try:
            return _found_keys(account, pod_id, again)
        except (OutcomeUnknownError, RateLimitedError) as error:
            if not failed_wait_s:
                raise
            wait_s = max(failed_wait_s, error.wait_s if isinstance(error, RateLimitedError) else 0.0)
            account.tell(f"{error.message} Asking again in {wait_s:.0f} s.")
            account.waits.sleep(wait_s)
    raise AssertionError("not reached")


def _found_keys(account: RunPod, pod_id: str, again: Iterator[float]) -> tuple[str, ...]:
    """The fingerprints of the log, read once now and once after each of the waits that are left."""
    found = host_keys(container_log(account, pod_id))
    for wait_s in () if found else again:
        account.waits.sleep(wait_s)
        found = host_keys(container_log(account, pod_id))
        if found:
            break
    return found


def _lines(stream: Iterator[str], quiet_s: float, limit_s: float) -> Iterator[str]:
    began = last = time.monotonic()
    for event in stream:
        name, _, value = event.partition(":")
        line, now = _line(value) if name == "data" else None, time.monotonic()
        if line is not None:
            last = now
            yield line
        if now - last > quiet_s or now - began > limit_s:  # pings keep the stream open for ever
            return


def _line(value: str) -> str | None:
    try:
        event = json.loads(value)
    except ValueError:
        return None
    line = event.get("line") if isinstance(event, dict) else None
    return line if isinstance(line, str) else None
