"""A build's stages: each a folder of shards, made once and found again as long as nothing before it changed.

::

    .millhand/builds/NAME/00-read-3f2a…/part-00000.jsonl …  stage.json
    .millhand/builds/NAME/01-normalise-91c0…/…

A stage's folder is named by a hash of all that its content depends on: the sources' bytes, the options and
revisions of its step and of every step before it. ``stage.json`` is written last.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path

import msgspec

from millhand.datasets.built import StepReport
from millhand.datasets.pieces import Piece, read_pieces, write_pieces
from millhand.files import write_text

SHARD_PIECES = 5000
_MARK = "stage.json"


class Stage:
    """The pieces after one step: they lie on disk, and can be gone through again and again."""

    def __init__(self, folder: Path, shards: Sequence[Path], counts: Sequence[int]) -> None:
        self.folder, self.shards, self._count = folder, tuple(shards), sum(counts)

    def __iter__(self) -> Iterator[Piece]:
        """From the first piece again, in an order that holds."""
        return chain.from_iterable(read_pieces(shard) for shard in self.shards)

    def __len__(self) -> int:
        """How many pieces there are."""
        return self._count


def chained(before: str, *what: object) -> str:
    """A hash of what a stage depends on: the one before it, and what is done to that."""
    return hashlib.sha256(msgspec.json.encode([before, *what], order="sorted")).hexdigest()


def folder_of(builds: Path, number: int, name: str, key: str) -> Path:
    """Where a stage lies."""
    return builds / f"{number:02}-{name}-{key[:12]}"


def load(folder: Path) -> tuple[Stage, StepReport] | None:
    """A stage that an earlier build made; None where it did not end it."""
    try:
        mark = msgspec.json.decode((folder / _MARK).read_bytes(), type=_Mark)
    except (OSError, msgspec.DecodeError):
        return None
    shards = [folder / name for name in mark.shards]
    return (Stage(folder, shards, mark.counts), mark.report) if all(s.is_file() for s in shards) else None


def seal(folder: Path, shards: Sequence[Path], counts: Sequence[int], report: StepReport) -> Stage:
    """Write down that a stage is whole."""
    mark = _Mark([path.name for path in shards], list(counts), report)
    write_text(folder / _MARK, msgspec.json.encode(mark).decode("utf-8"))
    return Stage(folder, shards, counts)


def cut(pieces: Iterable[Piece], folder: Path) -> tuple[list[Path], list[int]]:
    """Write pieces as shards of 5,000; the files and how many each holds."""
    shards: list[Path] = []
    counts: list[int] = []
    every = iter(pieces)
    while some := list(islice(every, SHARD_PIECES)):
        shards.append(folder / f"part-{len(shards):05}.jsonl")
        counts.append(write_pieces(shards[-1], iter(some)))
    return shards, counts


def sweep(builds: Path, keep: Iterable[Path]) -> None:
    """Remove the stages of earlier builds that no step of this one asked for."""
    kept = {path.name for path in keep}
    for folder in builds.glob("[0-9][0-9]-*"):
        if folder.name not in kept:
            shutil.rmtree(folder, ignore_errors=True)


class _Mark(msgspec.Struct, frozen=True):
    shards: list[str]
    counts: list[int]
    report: StepReport
