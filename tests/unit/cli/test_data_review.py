"""``millhand data review``: rows to a person and back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from millhand.workspace import Workspace
from tests.conftest import Millhand
from tests.unit.datasets.review.conftest import RECIPE, qa, read_sheet, write_lines


@pytest.fixture
def dataset(workspace: Workspace) -> Path:
    folder = workspace.registry / "qa"
    folder.mkdir()
    (folder / "dataset.yaml").write_text(RECIPE, encoding="utf-8")
    rows = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in qa())
    (workspace.root / "qa.jsonl").write_text(rows, encoding="utf-8")
    return folder


def test_out_in_build(millhand: Millhand, dataset: Path, tmp_path: Path) -> None:
    assert millhand("data", "build", "qa", "--workers", "1").exit_code == 0
    out = tmp_path / "rows.csv"
    result = millhand("data", "review", "qa", "--out", out)
    assert result.exit_code == 0, result.stderr
    assert f"Next: millhand data review qa --in {out}" in result.stderr
    lines = read_sheet(out)
    lines[0]["answer"] = "아침에 닫습니다."
    lines[1]["delete"] = "x"
    write_lines(out, lines)
    result = millhand("data", "review", "qa", "--in", out)
    assert result.stdout == "corrected: 1\ndeleted: 1\nunchanged: 8\n"
    assert "Next: millhand data build qa" in result.stderr
    assert json.loads(millhand("data", "review", "qa", "--json").stdout) == {
        "corrections": 2,
        "corrected": 1,
        "deleted": 1,
        "noted": 0,
        "without_row": 0,
        "lost": [],
    }
    assert "아침에 닫습니다." in "".join(path.read_text("utf-8") for path in dataset.glob("*.jsonl"))
    again = millhand("data", "review", "qa", "--in", out, "--json")
    assert json.loads(again.stdout) == {"unchanged": 10, "corrections": 2}


def test_what_cannot_be(millhand: Millhand, dataset: Path, tmp_path: Path) -> None:
    result = millhand("data", "review", "qa")
    assert (result.exit_code, "millhand data build qa" in result.stderr) == (2, True)
    assert millhand("data", "build", "qa", "--workers", "1").exit_code == 0
    assert millhand("data", "review", "qa", "--in", "a.csv", "--out", "b.csv").exit_code == 2
    (tmp_path / "a.csv").write_text("id,question,answer\nrow-1,가,나\n", encoding="utf-8")
    result = millhand("data", "review", "qa", "--in", tmp_path / "a.csv")
    assert (result.exit_code, "row-1" in result.stderr) == (3, True)
    assert millhand("data", "review", "none").exit_code == 2
    assert millhand("data", "review", "qa_test").stdout.startswith("0 corrections")
