"""``millhand runs`` where there is no run yet."""

from __future__ import annotations

from millhand.workspace import Workspace
from tests.conftest import Millhand


def test_an_empty_workspace_is_told_how_to_make_a_project(millhand: Millhand, workspace: Workspace) -> None:
    result = millhand("runs")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "Next: millhand config new" in result.stderr


def test_a_project_that_is_there_is_named(millhand: Millhand, workspace: Workspace) -> None:
    for name in ("qa", "민원"):
        (workspace.configs / name).mkdir()
        (workspace.configs / name / "train.yaml").write_text("stage: sft\n")
    assert "Next: millhand train qa or millhand train 민원\n" in millhand("runs").stderr
    assert "Next: millhand train 민원\n" in millhand("runs", "민원").stderr
