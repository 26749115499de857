from pathlib import Path

import pytest

from millhand.datasets import recipe
from millhand.datasets.building import running
from millhand.workspace import Workspace, create_workspace
from tests.unit.datasets.building import steps


@pytest.fixture
def space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace whose builds know the tests' own steps; they run in this process."""
    monkeypatch.setattr(recipe, "load_step", steps.load)
    monkeypatch.setattr(running, "load_step", steps.load)
    return create_workspace(tmp_path / "ws")[0]


MANUAL = """# 설비 안내

## 문

문은 저녁에 닫는다.

## 창

창은 아침에 연다. 버림

## 등

등은 밤에 켠다.
"""


def write_recipe(space: Workspace, text: str, name: str = "manual") -> Path:
    path = space.registry / name / "dataset.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def manual(space: Workspace) -> Path:
    """A recipe for a Markdown manual of three sections; the manual's path."""
    path = space.root / "docs" / "manual.md"
    path.parent.mkdir()
    path.write_text(MANUAL, encoding="utf-8")
    write_recipe(
        space,
        """\
name: manual
description: A manual.
licence: CC0-1.0
sources:
  - path: docs/manual.md
steps:
  - normalise
  - filter: {word: 버림}
  - split
  - generate
""",
    )
    return path
