"""Where an sshd is, who logs in and with what: a value, completed from the user's ~/.ssh/config."""

from __future__ import annotations

import dataclasses
import getpass
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from millhand.errors import UsageError

PORT = 22


@dataclass(frozen=True, slots=True)
class Address:
    """One sshd. What is left empty comes from ~/.ssh/config, then from OpenSSH's defaults; so does port 22.

    ``fingerprints`` (``SHA256:...``) pin the host key: no other is taken, known or not. ``jump`` is the
    host through which this one is reached. ``config_path`` is for tests; None reads ~/.ssh/config.
    """

    host: str
    port: int | None = None
    user: str = ""
    key_files: tuple[Path, ...] = ()
    fingerprints: tuple[str, ...] = ()
    jump: Address | None = None
    only_these_keys: bool = False
    config_path: Path | None = None

    def __str__(self) -> str:
        return f"{self.user}@{self.host}:{self.port or PORT}"


def completed(address: Address) -> Address:
    """The address with all that OpenSSH would add: alias, port, user, keys, jump host.

    Raises:
        UsageError: The configuration file cannot be read as one.
    """
    found = _looked_up(address)
    keys = tuple(Path(name).expanduser() for name in found.get("identityfile", ()))
    return dataclasses.replace(
        address,
        host=found.get("hostname", address.host),
        port=address.port if address.port not in (None, PORT) else int(found.get("port", PORT)),
        user=address.user or found.get("user", "") or getpass.getuser(),
        key_files=tuple(path.expanduser() for path in address.key_files) or keys,
        jump=address.jump or _jump(found.get("proxyjump", "none"), address.config_path),
        only_these_keys=address.only_these_keys or found.get("identitiesonly", "no") == "yes",
    )


def default_keys() -> tuple[Path, ...]:
    """The keys that OpenSSH tries where none is named."""
    folder = Path.home() / ".ssh"
    names = ("id_ed25519", "id_ecdsa", "id_rsa")
    return tuple(folder / name for name in names if (folder / name).is_file())


def _looked_up(address: Address) -> dict[str, Any]:
    path = address.config_path or Path.home() / ".ssh" / "config"
    if not path.is_file():
        return {}
    import paramiko

    try:
        return dict(paramiko.SSHConfig.from_path(str(path)).lookup(address.host))
    except (paramiko.ConfigParseError, ValueError, OSError) as error:
        mend = f"Mend {path}, or try it with OpenSSH: `ssh {address.host} true`."
        raise UsageError(f"{path} cannot be read: {error}.", mend=mend) from error


def _jump(text: str, config_path: Path | None) -> Address | None:
    """``user@host:port,…`` as the chain of hosts to go through; the last named is the nearest to the end."""
    chain: Address | None = None
    for hop in text.split(",") if text.lower() != "none" else ():
        user, _, place = hop.strip().removeprefix("ssh://").rpartition("@")
        host, _, port = place.partition(":")
        number = int(port) if port.isdigit() else None
        chain = Address(host, number, user, jump=chain, config_path=config_path)
    return chain
