"""``millhand data report``: where the page goes, and what is answered."""

from __future__ import annotations

import json
from pathlib import Path

from tests.conftest import Millhand
from tests.unit.cli.test_data_review import dataset

__all__ = ["dataset"]


def test_a_page_beside_the_rows(millhand: Millhand, dataset: Path, tmp_path: Path) -> None:
    result = millhand("data", "report", "qa")
    assert (result.exit_code, "millhand data build qa" in result.stderr) == (2, True)
    assert millhand("data", "build", "qa", "--workers", "1").exit_code == 0
    result = millhand("data", "report", "qa")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == "dataset_registry/qa/report.html\n"
    page = (dataset / "report.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert "닫습니다" in page
    assert millhand("data", "build", "qa", "--workers", "1", "--fresh").exit_code == 0
    assert (dataset / "report.html").read_text(encoding="utf-8") == page
    answer = json.loads(millhand("data", "report", "qa", "--out", tmp_path / "a.html", "--json").stdout)
    assert (answer["rows"], answer["rows_in_two_splits"]) == ({"train": 8, "validation": 1, "test": 1}, 0)
    assert answer["lengths"]["unit"] == "characters"
    assert (tmp_path / "a.html").read_text(encoding="utf-8") == page
