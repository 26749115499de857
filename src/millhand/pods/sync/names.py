"""Which paths may be taken from the other side, and which names are never sent. This file travels.

A path is relative to a root, with forward slashes; bytes that are no UTF-8 are lone surrogates, as
``os.fsdecode`` gives them.
"""

from __future__ import annotations

import os
import re
import unicodedata
from functools import lru_cache

WINDOWS = os.name == "nt"

_PART = re.compile(r"\.millhand-[0-9a-f]{16}-[0-9a-f]{8}\.part")
_DEVICES = re.compile(
    r"(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])( *\..*| *)$", re.IGNORECASE
)
_NOT_ON_WINDOWS = re.compile(r'[<>:"|?*\\\x00-\x1f]|[\ud800-\udfff]')
_SECRET = re.compile(
    r"\.git|git~1|\.env|\.env\.(?!example$|sample$|template$).+|\.envrc"
    r"|\.ssh|\.netrc|_netrc|\.git-credentials|id_(rsa|dsa|ecdsa|ed25519)(_sk)?|\.gnupg"
    r"|.+\.(pem|key|p12|pfx|ppk|jks|keystore|kdbx)|\.pypirc|\.npmrc|\.pgpass|pgpass\.conf|\.my\.cnf|\.htpasswd"
    r"|\.aws|\.azure|\.gcloud|\.kube|\.runpod|\.kaggle|kaggle\.json|\.huggingface|\.boto|\.s3cfg|rclone\.conf"
    r"|(application_default_)?credentials\.json|client_secrets?(_.+)?\.json|service[-_]?account([-_]?key)?\.json"
    r"|\.?secrets\.(toml|ya?ml|json)|\.vault-token",
    re.IGNORECASE,
)
_STATE = ".millhand"


class RefusedError(Exception):
    """A path or a link that is not taken; ``reason`` says why in half a sentence."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path, self.reason = path, reason


def split(path: str, windows: bool = WINDOWS) -> tuple[str, ...]:
    """The names that a path is made of; none for ``.``, the root itself.

    Raises:
        RefusedError: The path is absolute, climbs, or holds a name that cannot be here.
    """
    if path == ".":
        return ()
    names = tuple(path.split("/"))
    for name in names:
        fault = name_fault(name, windows)
        if fault:
            raise RefusedError(path, fault)
    return names


def name_fault(name: str, windows: bool = WINDOWS) -> str | None:
    """Why a single name cannot be taken, or None."""
    if name in ("", ".", "..") or "\0" in name or "/" in name:
        return "it is no plain path below the root"
    return windows_fault(name) if windows else None


def windows_fault(name: str) -> str | None:
    """Why Windows cannot hold a name, or None.

    https://learn.microsoft.com/windows/win32/fileio/naming-a-file
    """
    found = _NOT_ON_WINDOWS.search(name)
    if found:
        return f"Windows allows no {found[0]!a} in a name"
    if name[-1] in ". ":
        return "Windows allows no name that ends in a dot or a blank"
    return "Windows keeps this name for a device" if _DEVICES.match(name) else None


def link_fault(path: str, target: str) -> str | None:
    """Why a symbolic link is not taken, or None: it must point below the root, by its text alone."""
    if not target or "\0" in target or target.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", target):
        return "the link is absolute"
    depth = path.count("/")
    for name in target.replace("\\", "/").split("/"):
        depth += {"..": -1, ".": 0, "": 0}.get(name, 1)
        if depth < 0:
            return "the link leads outside"
    return None


def is_secret(path: str) -> bool:
    """Whether a path is never sent or taken: git's own folder, keys, .env, Millhand's ledger and notes."""
    return any(map(_is_secret_name, path.split("/"))) or _is_own(path)


@lru_cache(maxsize=4096)
def _is_secret_name(name: str) -> bool:
    return _SECRET.fullmatch(_folded(name)) is not None


def _folded(name: str) -> str:
    """A name as Windows and macOS see it, which ignore some characters."""
    return "".join(c for c in name if unicodedata.category(c) != "Cf").rstrip(". ")


def _is_own(path: str) -> bool:
    if not path.isascii() or _STATE in path.lower():
        return _is_own_name(path)
    return False


def is_state(name: str) -> bool:
    """Whether a name is that of the folder of Millhand's notes: each side has its own."""
    plain = name.rstrip(". ") if name.isascii() else _folded(name)
    return plain.lower() == _STATE


_OWN = ("sync", "keys", "locks", "known_hosts.json", "id")


def _is_own_name(path: str) -> bool:
    lower = [_folded(name).lower() for name in path.split("/")]
    return any(
        first == _STATE and (second.startswith("ledger") or second in _OWN)
        for first, second in zip(lower, lower[1:])
    )


def is_part(name: str) -> bool:
    """Whether a file is what a sync has received so far of another."""
    return _PART.fullmatch(name) is not None
