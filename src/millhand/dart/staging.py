"""Files are made beside their places; whose they are is decided first, then they are put there whole.

A staged file is named by its place and content: two filings that would lie at one place do not meet.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from millhand.files import atomic_writer, sha256_file


def stage(staged: Path, name: str, content: bytes) -> str:
    """Keep below ``staged`` what may come to lie at ``name``; its SHA-256 is the answer."""
    sha256 = hashlib.sha256(content).hexdigest()
    with atomic_writer(staged_file(staged, name, sha256)) as file:
        file.write(content)
    return sha256


def staged_file(staged: Path, name: str, sha256: str) -> Path:
    """Where the file that may come to lie at ``name`` waits."""
    return staged / hashlib.sha256(f"{name}\0{sha256}".encode()).hexdigest()


def at_hand(staged: Path, out: Path, files: Mapping[str, str]) -> bool:
    """Whether each file (its name below ``out``, and SHA-256) stands there or waits to be put there."""
    return all(
        staged_file(staged, name, sha256).is_file() or _stands(out / name, sha256)
        for name, sha256 in files.items()
    )


def put(staged: Path, out: Path, files: Mapping[str, str]) -> None:
    """Have each file stand in its place below ``out``, whole; one that does already is left.

    Raises:
        OSError: Something is in the way, or a file is not at hand.
    """
    for name, sha256 in files.items():
        place = out / name
        if not _stands(place, sha256):
            place.parent.mkdir(parents=True, exist_ok=True)
            staged_file(staged, name, sha256).replace(place)


def earlier_owners(claims: Sequence[Sequence[str]]) -> list[int | None]:
    """For each the number of an earlier one that owns something it claims; None where it owns all.

    What is told apart by capitals alone counts as the same: it is the same file on Windows and macOS.
    """
    owners: dict[str, int] = {}
    earlier: list[int | None] = []
    for number, names in enumerate(claims):
        keys = [name.casefold() for name in names]
        earlier.append(next((owners[key] for key in keys if key in owners), None))
        if earlier[-1] is None:
            owners |= dict.fromkeys(keys, number)
    return earlier


def _stands(place: Path, sha256: str) -> bool:
    return place.is_file() and sha256_file(place) == sha256
