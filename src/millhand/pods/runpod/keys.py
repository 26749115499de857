"""The SSH key of a workspace's pods: made once, ed25519, readable by its owner alone."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from millhand.files import locked
from millhand.workspace import Workspace

FILE = "runpod_ed25519"


@dataclass(frozen=True, slots=True)
class KeyPair:
    """``private`` is the key's file, ``public`` the line for authorized_keys."""

    private: Path
    public: str


def workspace_key(workspace: Workspace) -> KeyPair:
    """The key of the workspace's pods; made where there is none."""
    path = workspace.state / "keys" / FILE
    with locked(path.with_name(f"{FILE}.lock")):
        if not path.is_file():
            _make(path)
        return KeyPair(path, _public(path))


def _make(path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = Ed25519PrivateKey.generate()
    text = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    temporary = path.with_suffix(".tmp")
    temporary.unlink(missing_ok=True)
    # the mode is given at creation: it is never readable by others, not even for a moment
    with os.fdopen(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
        file.write(text)
    temporary.replace(path)


def _public(path: Path) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_private_key

    key = load_ssh_private_key(path.read_bytes(), password=None)
    line = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode("ascii")
    return f"{line} millhand"
