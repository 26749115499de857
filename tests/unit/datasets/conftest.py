"""What tests of datasets share: a registry, files of rows, adding."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from millhand.datasets.add import Added, AddOptions, add_dataset
from millhand.datasets.registry import Registry
from millhand.errors import Finding, FindingsError
from millhand.workspace import Workspace


@pytest.fixture
def registry(workspace: Workspace) -> Registry:
    return Registry(workspace.registry)


Rows = Sequence[dict[str, Any]]


class Adder:
    """Writes rows as JSONL (or takes a file) and adds them."""

    def __init__(self, registry: Registry, folder: Path) -> None:
        self.registry, self.folder = registry, folder

    def __call__(self, source: Rows | Path, *, file: str = "qa.jsonl", **options: Any) -> Added:
        path = source if isinstance(source, Path) else self.write(source, file)
        return add_dataset(self.registry, path, AddOptions(**options))

    def write(self, rows: Rows, file: str = "qa.jsonl") -> Path:
        path = self.folder / file
        path.write_bytes(b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows))
        return path

    def rows(self, source: Rows | Path, **options: Any) -> list[dict[str, Any]]:
        """The rows that are written, less where they came from."""
        added = self(source, **options)
        rows = list(self.registry.dataset(added.definition.name).rows())
        return [{key: value for key, value in row.items() if key != "source"} for row in rows]

    def faults(self, source: Rows | Path, **options: Any) -> list[Finding]:
        """The findings; nothing of a dataset may be left behind."""
        before = snapshot(self.registry.folder)
        with pytest.raises(FindingsError) as caught:
            self(source, **options)
        assert snapshot(self.registry.folder) == before
        assert all(
            f.file and f.message and f.why and f.mend for f in caught.value.findings if f.severity != "note"
        )
        return list(caught.value.findings)


@pytest.fixture
def add(registry: Registry, tmp_path: Path) -> Adder:
    return Adder(registry, tmp_path)


def snapshot(folder: Path) -> dict[str, bytes | None]:
    """Everything in a folder: path -> bytes, None for folders."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def alpaca(*pairs: tuple[str, str], **more: Any) -> list[dict[str, Any]]:
    """Rows of instruction and output."""
    return [{"instruction": q, "input": "", "output": a, **more} for q, a in pairs]


ReadJson = Callable[[Path], Any]


def read_json(path: Path) -> Any:
    """A JSON file's value."""
    return json.loads(path.read_text(encoding="utf-8"))
