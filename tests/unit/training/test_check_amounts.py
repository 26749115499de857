"""Whether something is left to train on once rows are set aside, against datasets' own split."""

from __future__ import annotations

from typing import Any

import pytest

from millhand.errors import Finding
from millhand.workspace import Workspace
from tests.cases import check as made


def split(workspace: Workspace, **changes: Any) -> list[Finding]:
    made.furnish(workspace)
    made.write_project(workspace, "train", made.changed("train", {"dataset": "small", **changes}))
    return [f for f in made.check(workspace).findings if f.id == "data.val-size"]


@pytest.mark.parametrize("size", [4, 4.9, 5, 1.0, 0.9, 0.76])
def test_a_split_that_leaves_nothing_is_found(workspace: Workspace, size: float) -> None:
    (only,) = split(workspace, val_size=size)
    assert "nothing of 4 rows" in only.message
    assert only.mend == "Write `val_size: 0.1`."


@pytest.mark.parametrize("size", [0, 0.0, 1, 1.9, 3, 0.75, 0.1, 1e-7])
def test_a_split_that_leaves_a_row_has_no_finding(workspace: Workspace, size: float) -> None:
    assert split(workspace, val_size=size) == []


def test_one_row_cannot_be_split(workspace: Workspace) -> None:
    (only,) = split(workspace, val_size=0.1, max_samples=1)
    assert "nothing of 1 row." in only.message
    assert only.mend == "Add rows, or take val_size out."


@pytest.mark.parametrize("rows", [1, 2, 4, 10])
@pytest.mark.parametrize("size", [1, 3, 0.1, 0.5, 0.75, 0.76, 0.9, 0.91, 1.0])
def test_datasets_judges_the_same(workspace: Workspace, rows: int, size: float) -> None:
    datasets = pytest.importorskip("datasets")
    found = split(workspace, val_size=size, dataset="bicycle", max_samples=rows)
    table = datasets.Dataset.from_dict({"a": list(range(rows))})
    try:
        table.train_test_split(test_size=size)
    except ValueError:
        assert found
    else:
        assert found == []
