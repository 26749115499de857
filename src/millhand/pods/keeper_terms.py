"""What a lease says, and where a pod finds it. Travels to a pod: standard library, Python >= 3.8.

The fields are those of MILLHAND_LEASE in :mod:`millhand.pods.keeper`.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import shlex
import urllib.parse
from pathlib import Path
from typing import Any

_DEFAULTS: dict[str, Any] = {
    "api_url": "https://api.runpod.io/v2",
    "hours": None,
    "deadline_epoch_s": None,
    "spend_usd": None,
    "usd_per_hour": 0.0,
    "idle_minutes": None,
    "end_action": "terminate",
    "storage": "container",
    "volume": "/workspace",
    "jobs": "",
    "grace_s": 180.0,
    "revive_minutes": 15.0,
}
_MAY_BE_NULL = ("deadline_epoch_s", "spend_usd", "idle_minutes")
_CHOICES = {"end_action": ("stop", "terminate"), "storage": ("network", "persistent", "container")}
_TEXTS = ("api_url", "volume", "jobs")
ORDERED = ("hours", "spend_usd", "idle_minutes", "usd_per_hour", "end_action")


def read_lease(text: str) -> dict[str, Any]:
    """Read MILLHAND_LEASE, defaults filled in.

    Raises:
        ValueError: It says something that cannot be held; the text names the field.
    """
    given = json.loads(text)
    if not isinstance(given, dict):
        raise ValueError("the lease is no JSON object")  # noqa: TRY004 - of an input, not of an argument
    lease = {**_DEFAULTS, **given}
    lease["jobs"] = lease["jobs"] or f"{lease['volume']}/.millhand/jobs"
    check_terms({name: value for name, value in lease.items() if name in _DEFAULTS})
    if lease["spend_usd"] is not None and not lease["usd_per_hour"]:
        raise ValueError("spend_usd cannot be held without usd_per_hour")
    host = urllib.parse.urlsplit(lease["api_url"])
    near = host.hostname in ("127.0.0.1", "localhost", "::1")
    if not host.hostname or not (host.scheme == "https" or (near and host.scheme == "http")):
        raise ValueError("api_url must be https: the pod's key goes there")
    return {name: lease[name] for name in _DEFAULTS}


def check_terms(terms: dict[str, Any]) -> None:
    """Raise ValueError, naming the field, where a lease or an order says what cannot be held."""
    for name, value in terms.items():
        if name in _CHOICES:
            good = value in _CHOICES[name]
        elif name in _TEXTS:
            good = isinstance(value, str) and bool(value)
        elif value is None:
            good = name in _MAY_BE_NULL
        else:
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            good = number and math.isfinite(value) and value >= 0 and (name != "hours" or value > 0)
        if not good:
            raise ValueError(f"{name} cannot be {value!r}")


def setting(name: str) -> str:
    """A variable of this process, else of process 1, else of RunPod's file; empty where there is none."""
    if os.environ.get(name):
        return os.environ[name]
    with contextlib.suppress(OSError):
        for entry in Path("/proc/1/environ").read_bytes().split(b"\0"):
            if entry.startswith(name.encode() + b"=") and entry[len(name) + 1 :]:
                return os.fsdecode(entry[len(name) + 1 :])
    with contextlib.suppress(OSError, ValueError):
        words = shlex.split(Path("/etc/rp_environment").read_text(encoding="utf-8"), comments=True)
        found = [word[len(name) + 1 :] for word in words if word.startswith(name + "=")]
        return found[-1] if found else ""
    return ""


def state_folder(lease: dict[str, Any], pod: str) -> Path:
    """The folder that holds the lease's state."""
    if not pod or "/" in pod or pod.startswith("."):
        raise ValueError(f"RUNPOD_POD_ID is not a pod's id: {pod!r}")
    return Path(lease["volume"], ".millhand", "lease", pod)
