"""Looks through the files that would be published: access keys, personal data, this machine's own folders.

A finding names file, row and kind; the value itself stays where it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import orjson

from millhand.errors import Finding
from millhand.hub.leaks import Group, find_leaks, find_secrets
from millhand.hub.redact import words_pattern

SHOWN = 3  # rows that are named of one kind in one file; the rest are counted
_BATCH = 1024
# Weights, pictures, and vocabularies: a vocabulary's pieces look like anything.
_PASSED_OVER = frozenset(
    {".safetensors", ".gguf", ".png", ".jpg", ".jpeg", ".gif", ".webp", ".model", ".tiktoken"}
)
_VOCABULARIES = frozenset({"tokenizer.json", "vocab.json", "vocab.txt", "merges.txt", "added_tokens.json"})
_ROWS = frozenset({".jsonl", ".parquet", ".csv", ".tsv"})
_ESCAPED = re.compile(r'\\(?:u00([0-9a-fA-F]{2})|(["\\/])|[nrtbf])')
_MENDS = {
    "secrets": "Revoke the key where it was made, then take it out of the file.",
    "personal-data": "Mask it with the dataset's `pii` step, or leave the row out, and build the rows again.",
}
_WHYS = {
    "secrets": "Whoever reads it can act in your name; what was published once must be held for stolen.",
    "personal-data": "It names a person; a model learns it by heart, and a commit cannot be called back.",
}


class Line(NamedTuple):
    """A line or row to look through; ``number`` counts from 1."""

    number: int
    text: str


class _Seen(NamedTuple):
    """The first rows of one kind in a file, and how many there are."""

    first: list[int]
    rows: int


def scan_file(name: str, path: Path) -> Iterator[Finding]:
    """Find access keys and personal data in one file; ``name`` is what findings call it."""
    if is_passed_over(name):
        return
    rows = path.suffix in (".jsonl", ".parquet")
    of_people = PurePosixPath(name).suffix != ".py"
    seen: dict[tuple[Group, str], _Seen] = {}
    for line in read_lines(path):
        for kind in _look(line, of_people=of_people):
            first, count = seen.get(kind, _Seen([], 0))
            seen[kind] = _Seen([*first, line.number] if count < SHOWN else first, count + 1)
    for (group, named), found in seen.items():
        yield from _findings(name, group, named, found, rows=rows)


def scan_for_words(name: str, path: Path, words: Sequence[str]) -> Iterator[Finding]:
    """Find where a file holds words that belong to this machine: its user's folder, the workspace's, secrets.

    Rows of data are left out: what they say of folders is what they are about.
    """
    wanted = words_pattern(words)
    if is_passed_over(name) or path.suffix in _ROWS or wanted is None:
        return
    places = ((line.number, wanted.search(line.text)) for line in read_lines(path))
    first = next((number for number, found in places if found), None)
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


def read_lines(path: Path) -> Iterator[Line]:
    """The lines of a text file, the rows of a parquet file; nothing of other files.

    What JSON escapes is written out: an escaped line feed before a word is no letter of it.
    """
    if path.suffix == ".parquet":
        yield from _parquet_rows(path)
        return
    with path.open("rb") as file:
        if b"\0" in file.read(8192):
            return
        file.seek(0)
        for number, raw in enumerate(file, 1):
            text = raw.decode("utf-8", errors="replace")
            yield Line(number, _ESCAPED.sub(_unescaped, text) if "\\" in text else text)


def _unescaped(match: re.Match[str]) -> str:
    if match[1]:
        return chr(int(match[1], 16))
    return match[2] or " "


def _parquet_rows(path: Path) -> Iterator[Line]:
    import pyarrow.parquet as parquet

    with parquet.ParquetFile(path) as file:
        number = 0
        for batch in file.iter_batches(batch_size=_BATCH):
            for row in batch.to_pylist():
                number += 1
                text = orjson.dumps(row, default=str, option=orjson.OPT_NON_STR_KEYS).decode("utf-8")
                yield Line(number, _ESCAPED.sub(_unescaped, text))


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
