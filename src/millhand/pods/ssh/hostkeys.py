"""Host keys: pinned where their fingerprints are known, else trusted at the first meeting and kept.

A RunPod pod prints its fingerprints into its container's log, which comes over HTTPS: those are pins. A
machine of the user's own is trusted at the first meeting, once for each pod, and held to that key from then
on (.millhand/known_hosts.json). A changed key always stops; a pin never falls back to trust.
"""

from __future__ import annotations

import base64
import hashlib
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec

from millhand.files import atomic_writer, locked
from millhand.pods.ssh.faults import HostKeyError, WrongPinError

FILE_NAME = "known_hosts.json"


class HostKey(msgspec.Struct, frozen=True):
    """A host's public key as it is compared: its type and ``SHA256:...`` of its bytes."""

    type: str
    fingerprint: str


class Trust(Protocol):
    """Says whether the key that a host shows is the right one."""

    def known_type(self) -> str | None:
        """The type of key to ask the host for; None leaves it to the host."""

    def check(self, key: HostKey, place: str) -> None:
        """Return where the key is the right one.

        Raises:
            HostKeyError: It is not.
        """


def host_key(key_type: str, blob: bytes) -> HostKey:
    """The key of these public bytes; the fingerprint as ``ssh-keygen -lf`` prints it."""
    digest = base64.b64encode(hashlib.sha256(blob).digest()).decode("ascii").rstrip("=")
    return HostKey(key_type, f"SHA256:{digest}")


@dataclass(frozen=True, slots=True)
class Pinned:
    """Takes the keys of these fingerprints and no other."""

    fingerprints: tuple[str, ...]

    def known_type(self) -> str | None:
        """Any type: the log names a fingerprint a type."""
        return None

    def check(self, key: HostKey, place: str) -> None:
        """Compare with the pins.

        Raises:
            WrongPinError: The key is none of them.
        """
        if key.fingerprint not in self.fingerprints:
            raise WrongPinError(
                f"{place} shows the host key {key.fingerprint} ({key.type}); pinned are "
                f"{', '.join(self.fingerprints)}. Another machine answers there, or the pod was made anew: "
                "nothing was sent to it.",
                mend="If the pod was made anew, read its fingerprints again: `millhand pods`. "
                "In a pod file they stand in `host_keys:`.",
            )


@dataclass(frozen=True, slots=True)
class KnownHosts:
    """Trusts a pod's first key, keeps it in ``path`` and takes no other from then on.

    Args:
        path: The file of all pods' keys.
        pod: The pod's name; its host and port may change, its key may not.
        tell: Is told once of a key that is trusted anew.
    """

    path: Path
    pod: str
    tell: Callable[[str], None]

    def known_type(self) -> str | None:
        """The type of the kept key: a host that got a second key must not look like a changed one."""
        kept = _read(self.path).get(self.pod)
        return kept.type if kept else None

    def check(self, key: HostKey, place: str) -> None:
        """Compare with the kept key, or keep this one.

        Raises:
            HostKeyError: The key has changed.
        """
        with locked(self.path.parent / "locks" / FILE_NAME):
            keys = _read(self.path)
            kept = keys.get(self.pod)
            if kept == key:
                return
            if kept is not None:
                raise _changed(self.pod, place, kept, key)
            _write(self.path, {**keys, self.pod: key})
        self.tell(
            f"{place} shows the host key {key.fingerprint} ({key.type}). It is kept for pod {self.pod}; "
            "any other key will stop Millhand from now on."
        )


def kept_keys(path: Path) -> dict[str, HostKey]:
    """The keys that are kept, each under its pod's name.

    Raises:
        HostKeyError: The file cannot be read.
    """
    return _read(path)


def take_over(path: Path, former: str, pod: str) -> None:
    """Hold a pod that was renamed to the key that is kept under its former name, if it has none yet."""
    with locked(path.parent / "locks" / FILE_NAME):
        keys = _read(path)
        if former in keys and pod not in keys:
            _write(path, {**keys, pod: keys[former]})


def forget(path: Path, pod: str) -> bool:
    """Forget the kept key of a pod, so that the next meeting is a first one; say whether there was one."""
    with locked(path.parent / "locks" / FILE_NAME):
        keys = _read(path)
        there = keys.pop(pod, None) is not None
        if there:
            _write(path, keys)
    return there


def _changed(pod: str, place: str, kept: HostKey, shown: HostKey) -> HostKeyError:
    return HostKeyError(
        f"The host key of pod {pod} ({place}) has changed from {kept.fingerprint} ({kept.type}) to "
        f"{shown.fingerprint} ({shown.type}). Either the machine was set up anew, or somebody else answers "
        "in its place and would read all that is sent. Nothing was sent.",
        mend="Compare on the machine itself: `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub`. "
        f"If the change is meant: `millhand hosts forget {shlex.quote(pod)}`, then the same command again, "
        "which tells the key that it takes.",
    )


def _read(path: Path) -> dict[str, HostKey]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, HostKey])
    except FileNotFoundError:
        return {}
    except msgspec.MsgspecError as error:
        raise HostKeyError(
            f"{path} cannot be read: {error}. It holds the host keys that are trusted.",
            mend=f"Look at it; removing it makes the next meeting with each pod a first one: `rm {path}`.",
        ) from error


def _write(path: Path, keys: dict[str, HostKey]) -> None:
    with atomic_writer(path) as file:
        file.write(msgspec.json.format(msgspec.json.encode(keys), indent=2) + b"\n")
