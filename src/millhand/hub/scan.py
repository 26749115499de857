"""Looks through the files that would be published: access keys, personal data, this machine's own folders.

A finding names file, row and kind; the value itself stays where it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from millhand.errors import Finding
from millhand.hub.leaks import Group, find_leaks, find_secrets
from millhand.hub.readable import Line, UnreadableError, holds_rows, read_lines
from millhand.hub.redact import words_pattern

SHOWN = 3  # rows that are named of one kind in one file; the rest are counted
# Weights, pictures, sounds, films, and vocabularies: a vocabulary's pieces look like anything.
_PASSED_OVER = frozenset(
    {".safetensors", ".gguf", ".model", ".tiktoken", ".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".tif",
     ".tiff", ".wav", ".mp3", ".flac", ".ogg", ".opus", ".m4a", ".mp4", ".webm", ".mkv", ".mov", ".avi"}
)  # fmt: skip
_VOCABULARIES = frozenset({"tokenizer.json", "vocab.json", "vocab.txt", "merges.txt", "added_tokens.json"})
_ROWS = frozenset({".jsonl", ".parquet", ".arrow", ".csv", ".tsv"})
_MENDS = {
    "secrets": "Revoke the key where it was made, then take it out of the file.",
    "personal-data": "Mask it with the dataset's `pii` step, or leave the row out, and build the rows again.",
}
_WHYS = {
    "secrets": "Whoever reads it can act in your name; what was published once must be held for stolen.",
    "personal-data": "It names a person; a model learns it by heart, and a commit cannot be called back.",
}


class _Seen(NamedTuple):
    """The first rows of one kind in a file, and how many there are."""

    first: list[int]
    rows: int


def scan_file(name: str, path: Path) -> Iterator[Finding]:
    """Find access keys and personal data in one file ``name``, or that it cannot be read."""
    if is_passed_over(name):
        return
    seen: dict[tuple[Group, str], _Seen] = {}
    try:
        _look_through(path, seen, of_people=PurePosixPath(name).suffix != ".py")
    except UnreadableError:
        yield _not_looked_through(name)
    for (group, named), found in seen.items():
        yield from _findings(name, group, named, found, rows=holds_rows(path))


def _look_through(path: Path, seen: dict[tuple[Group, str], _Seen], *, of_people: bool) -> None:
    for line in read_lines(path):
        for kind in _look(line, of_people=of_people):
            first, count = seen.get(kind, _Seen([], 0))
            seen[kind] = _Seen([*first, line.number] if count < SHOWN else first, count + 1)


def _not_looked_through(name: str) -> Finding:
    return Finding(
        id="hub.not-looked-through",
        severity="error",
        file=name,
        message="It cannot be read, so nobody has looked for access keys and personal data in it.",
        why="It is neither text nor a whole parquet or arrow file; strangers would be the first to look.",
        mend=f"Take it out, or write it as text or parquet. {_open('not-looked-through', name)}",
    )


def scan_for_words(name: str, path: Path, words: Sequence[str]) -> Iterator[Finding]:
    """Find where a file holds words that belong to this machine: its user's folder, the workspace's, secrets.

    Rows of data are left out: what they say of folders is what they are about.
    """
    wanted = words_pattern(words)
    if is_passed_over(name) or path.suffix.lower() in _ROWS or wanted is None:
        return
    places = (line.number for line in read_lines(path) if wanted.search(line.text))
    try:
        first = next(places, None)
    except UnreadableError:  # scan_file tells of it
        return
    if first is not None:
        yield Finding(
            id="hub.local-path",
            severity="error",
            file=name,
            line=first,
            message="It names a folder of this machine, or holds a secret of the workspace.",
            why="It tells strangers a user's name, and is found nowhere else.",
            mend=f"Name files relative to the workspace in the config. {_open('local-path', name)}",
        )


def _open(gate: str, name: str) -> str:
    return f"Or say why it may go: `--override '{gate}:{name}=REASON'`; the card tells the reason."


def is_passed_over(name: str) -> bool:
    """Whether a file of that name is not looked through: weights, pictures, vocabularies."""
    path = PurePosixPath(name)
    return path.suffix.lower() in _PASSED_OVER or path.name in _VOCABULARIES


def _look(line: Line, *, of_people: bool) -> set[tuple[Group, str]]:
    leaks = find_leaks(line.text) if of_people else find_secrets(line.text)
    return {(leak.group, leak.kind) for leak in leaks}


def _findings(name: str, group: Group, kind: str, seen: _Seen, *, rows: bool) -> Iterator[Finding]:
    more = seen.rows - len(seen.first)
    for place, number in enumerate(seen.first, 1):
        last = place == len(seen.first) and more > 0
        yield Finding(
            id=f"hub.{group}",
            severity="error",
            file=name,
            row=number if rows else None,
            line=None if rows else number,
            message=f"There is {kind} in it{f', and in {more:,} more' if last else ''}.",
            why=_WHYS[group],
            mend=f"{_MENDS[group]} {_open(group, name)}",
        )
