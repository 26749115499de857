"""dataset_info.json with the place of every key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from millhand.datasets.info import FILE
from millhand.errors import Finding, FindingsError, Severity
from millhand.training.check.places import Place, keys_twice, places


@dataclass(frozen=True)
class Info:
    """dataset_info.json as LLaMA-Factory reads it, with the place of each key, and those that stand twice."""

    folder: Path
    file: str
    entries: Mapping[str, Any]
    where: Mapping[tuple[str, ...], Place]
    twice: tuple[tuple[str, ...], ...] = ()

    def finding(
        self, name: str, severity: Severity, path: tuple[str, ...], message: str, why: str, mend: str
    ) -> Finding:
        """A finding at a key, or at the nearest one around it."""
        found = next((self.where[path[:n]] for n in range(len(path), 0, -1) if path[:n] in self.where), None)
        line, column = found or (None, None)
        return Finding(
            id=name, severity=severity, message=message, file=self.file, line=line,
            column=str(column) if column else None, why=why, mend=mend,
        )  # fmt: skip


def read_info(folder: Path, shown: str) -> Info:
    """Read a folder's dataset_info.json; ``shown`` is the folder's name for findings.

    Raises:
        FindingsError: LLaMA-Factory could not read it.
    """
    file = f"{shown}/{FILE}"
    try:
        text = (folder / FILE).read_text(encoding="utf-8")
        entries = json.loads(text)
    except FileNotFoundError:
        return Info(folder, file, {}, {})
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise FindingsError([_unreadable(file, error)]) from error
    if not isinstance(entries, dict) or not all(isinstance(entry, dict) for entry in entries.values()):
        raise FindingsError([_unreadable(file, ValueError("it is no object of objects"))])
    return Info(folder, file, entries, places(text), keys_twice(text))


def _unreadable(file: str, error: ValueError) -> Finding:
    line = error.lineno if isinstance(error, json.JSONDecodeError) else None
    return Finding(
        id="data.broken-registry",
        severity="error",
        message=f"it cannot be read: {error}",
        file=file,
        line=line,
        why="LLaMA-Factory knows no dataset then: “Cannot open … due to …”.",
        mend="Mend it there; a comma behind the last member is not allowed, nor a byte-order mark.",
    )
