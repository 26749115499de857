"""Logging in with a key: of the SSH agent, of a file, never with a password or a passphrase."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from paramiko.auth_handler import AuthHandler
from paramiko.pkey import PublicBlob, UnknownKeyType

from millhand.pods.ssh.address import Address, default_keys
from millhand.pods.ssh.faults import ConnectError, UnreachableError
from millhand.wording import counted

_KEY_FAULTS = (paramiko.SSHException, UnknownKeyType, UnsupportedAlgorithm, ValueError, TypeError)


@dataclass(slots=True)
class _Attempts:
    """What logging in was tried with, for the error's text."""

    tried: int = 0
    locked: list[Path] = field(default_factory=list)
    missing: list[Path] = field(default_factory=list)


def log_in(transport: paramiko.Transport, address: Address) -> None:
    """Log the address's user in on a transport whose host is trusted.

    Raises:
        ConnectError: There is no key, or none that is taken.
        UnreachableError: The other end hung up.
    """
    agent = _agent()
    try:
        _try_keys(transport, address, agent.get_keys() if agent else ())
    finally:
        if agent:
            agent.close()


def _try_keys(transport: paramiko.Transport, address: Address, held: tuple[paramiko.AgentKey, ...]) -> None:
    attempts = _Attempts()
    for key in _keys(address, held, attempts):
        attempts.tried += 1
        try:
            if not _offer(transport, address.user, key):
                return
        except paramiko.BadAuthenticationType:
            break
        except paramiko.AuthenticationException:
            if not transport.is_active():  # too many keys: sshd has hung up
                break
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise UnreachableError(f"{address} hung up while logging in: {error}.") from error
    raise _refused(address, attempts)


def _offer(transport: paramiko.Transport, user: str, key: paramiko.PKey) -> list[str]:
    """Try a key; what else the other end wants, if it takes it."""
    if not _can_go_at_once(key):
        return transport.auth_publickey(user, key)
    answered = threading.Event()
    handler = transport.auth_handler = _Eager(transport)
    handler.auth_publickey(user, key, answered)
    return list(handler.wait_for_response(answered))


def _can_go_at_once(key: paramiko.PKey) -> bool:
    """Whether a key signs at once, and the same whatever the other end says.

    An agent may ask its user, for which paramiko has a thread and a deadline. How an RSA key is to sign, the
    other end may still be about to say.
    """
    if isinstance(key, paramiko.AgentKey) or "rsa" in key.get_name():
        return False
    return all(
        hasattr(AuthHandler, name) for name in ("_request_auth", "_parse_service_accept")
    )  # not public


class _Eager(AuthHandler):
    """Sends a key right behind the request to be heard, which spares a round trip.

    Nothing forbids that (RFC 4252, 4 and RFC 4253, 10), and what is refused ends the connection either way.
    """

    def _request_auth(self) -> None:
        super()._request_auth()  # type: ignore[misc]
        accepted = paramiko.Message()
        accepted.add_string("ssh-userauth")
        accepted.rewind()
        super()._parse_service_accept(accepted)  # type: ignore[misc]

    def _parse_service_accept(self, message: paramiko.Message) -> None:
        """The request was heard; the key is on its way."""


def _keys(
    address: Address, held: tuple[paramiko.AgentKey, ...], attempts: _Attempts
) -> Iterator[paramiko.PKey]:
    """Keys in OpenSSH's order: those named that the agent holds, those in files, the agent's others."""
    files = address.key_files or default_keys()
    named = {_public_blob(path) for path in files}
    yield from (key for key in held if key.asbytes() in named)
    in_agent = {key.asbytes() for key in held}
    for path in files:
        key = None if _public_blob(path) in in_agent else _read_key(path, attempts)
        if key is not None:
            yield key
    if not address.only_these_keys:
        yield from (key for key in held if key.asbytes() not in named)


def _agent() -> paramiko.Agent | None:
    try:
        return paramiko.Agent()
    except (paramiko.SSHException, OSError):
        return None


def _public_blob(path: Path) -> bytes:
    """The public key beside a private one, or that of a .pub itself; empty where there is none."""
    try:
        public = path if path.suffix == ".pub" else Path(f"{path}.pub")
        blob: bytes = PublicBlob.from_file(str(public)).key_blob
    except (OSError, ValueError):
        return b""
    return blob


def _read_key(path: Path, attempts: _Attempts) -> paramiko.PKey | None:
    if path.suffix == ".pub":  # names a key of the agent
        return None
    try:
        return paramiko.PKey.from_path(path)
    except FileNotFoundError:
        attempts.missing.append(path)
    except OSError as error:
        raise ConnectError(f"{path} cannot be read: {error.strerror}.", mend=f"chmod 600 {path}") from error
    except _KEY_FAULTS as error:
        if not _needs_passphrase(error):
            raise ConnectError(f"{path} cannot be read as a private key: {error}.") from error
        attempts.locked.append(path)
    return None


def _needs_passphrase(error: Exception) -> bool:
    told = str(error).lower()
    return isinstance(error, paramiko.PasswordRequiredException) or "password" in told or "encrypted" in told


def _refused(address: Address, attempts: _Attempts) -> ConnectError:
    if attempts.locked:
        return ConnectError(
            f"{attempts.locked[0]} is locked with a passphrase, which Millhand never asks for.",
            mend=f"Unlock it in the agent: `ssh-add {attempts.locked[0]}`, then repeat the command.",
        )
    if attempts.missing and not attempts.tried:
        return ConnectError(
            f"There is no key {attempts.missing[0]}.",
            mend=f"Make it: `ssh-keygen -t ed25519 -f {attempts.missing[0]}`, or name another one.",
        )
    if not attempts.tried:
        return ConnectError(
            f"There is no SSH key to log in to {address} with.",
            mend="Make one: `ssh-keygen -t ed25519`, and put its .pub on the machine: `ssh-copy-id`.",
        )
    return ConnectError(
        f"{address} takes none of the {counted(attempts.tried, 'key')} that were tried. Is the user right?",
        mend=f"Put your public key there: `ssh-copy-id -p {address.port} {address.user}@{address.host}`. "
        "A RunPod pod takes the key that was in PUBLIC_KEY when it was made.",
    )
