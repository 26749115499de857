"""A dataset that is built of a table, by the real steps, in a workspace of its own."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from millhand.datasets.building.build import BuildOptions, Outcome, build_dataset
from millhand.datasets.registry import Registry
from millhand.datasets.review.sheet import Taken, take_sheet, write_sheet
from millhand.workspace import Workspace

RECIPE = """\
name: qa
description: 질문과 답변.
licence: CC0-1.0
sources:
  - path: qa.jsonl
steps:
  - normalise
  - filter
  - split: {by: record}
"""
Edit = Callable[[dict[str, str]], None]


class Built:
    """Writes rows, builds them, has a person edit them."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace, self.registry = workspace, Registry(workspace.registry)
        self.folder = workspace.registry / "qa"
        self.folder.mkdir()
        (self.folder / "dataset.yaml").write_text(RECIPE, encoding="utf-8")

    def build(self, rows: Sequence[dict[str, Any]] | None = None) -> Outcome:
        if rows is not None:
            data = b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows)
            (self.workspace.root / "qa.jsonl").write_bytes(data)
        self.outcome = build_dataset(self.workspace, "qa", BuildOptions(workers=1))
        return self.outcome

    def rows(self) -> dict[str, str]:
        """Answers by question, of all splits."""
        names = [made.name for made in self.outcome.built.datasets]
        every = [record for name in names for record in self.registry.dataset(name).records()]
        return {record.instruction: record.answer for record in every}

    def out(self, path: Path) -> list[dict[str, str]]:
        write_sheet(self.registry, self.outcome.built, path)
        return read_sheet(path)

    def take(self, path: Path) -> Taken:
        return take_sheet(self.registry, self.outcome.built, path)

    def edit(self, path: Path, edit: Edit) -> Taken:
        """A person edits every line of a fresh CSV, which is taken back."""
        lines = self.out(path)
        for line in lines:
            edit(line)
        write_lines(path, lines)
        return self.take(path)


def read_sheet(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def write_lines(path: Path, lines: list[dict[str, str]], encoding: str = "utf-8-sig") -> None:
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.DictWriter(file, list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)


def qa(count: int = 10, **more: Any) -> list[dict[str, Any]]:
    return [
        {"instruction": f"{n}번 문은 언제 닫나요?", "input": "", "output": f"저녁 {n}시에 닫습니다.", **more}
        for n in range(count)
    ]


@pytest.fixture
def built(workspace: Workspace) -> Built:
    return Built(workspace)
