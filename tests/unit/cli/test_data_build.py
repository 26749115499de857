"""``millhand data new`` and ``build``: what a person types and sees, with the steps that ship."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from millhand.datasets.steps.filter import Options
from millhand.workspace import Workspace
from tests.conftest import Millhand

MANUAL = """# 시설 안내

## 1. 정전 대응

1. 비상등이 켜졌는지 30초 안에 확인한다.
2. 승강기 안에 사람이 있는지 인터폰으로 묻는다.
3. 한국전력에 신고하고 복구 예정 시각을 기록한다.

## 2. 방문객 관리

1. 신분증을 확인하고 방문 목적을 장부에 적는다.
2. 방문증을 내주고 담당 부서에 연락한다.
3. 퇴실할 때 방문증을 돌려받는다.
"""


@pytest.fixture
def manual(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = workspace.root / "안내.md"
    path.write_text(MANUAL, encoding="utf-8")
    monkeypatch.chdir(workspace.root)
    return path


@pytest.mark.usefixtures("manual")
def test_two_commands_make_a_dataset_of_a_document(millhand: Millhand, workspace: Workspace) -> None:
    new = millhand("data", "new", "manual", "안내.md", "--licence", "CC0-1.0")
    assert new.exit_code == 0, new.stderr
    assert "millhand data build manual" in new.stderr
    built = millhand("data", "build", "manual", "--workers", "1")
    assert built.exit_code == 0, built.stderr
    assert "manual: built" in built.stdout
    assert "generate" in built.stdout
    again = millhand("data", "build", "manual", "--workers", "1", "--json")
    answer = json.loads(again.stdout)
    assert answer["status"] == "unchanged"
    assert [step["name"] for step in answer["steps"]][-1] == "generate"
    checked = millhand("check", "manual")
    assert checked.exit_code == 0, checked.stdout + checked.stderr


@pytest.mark.usefixtures("manual")
def test_a_dry_run_says_what_would_be_asked_and_writes_no_rows(
    millhand: Millhand, workspace: Workspace
) -> None:
    millhand("data", "new", "manual", "안내.md")
    dry = millhand("data", "build", "manual", "--dry-run", "--json", "--workers", "1")
    assert dry.exit_code == 0, dry.stderr
    assert json.loads(dry.stdout)["pieces"] == 2
    assert not (workspace.registry / "manual" / "rows.jsonl").exists()


@pytest.mark.usefixtures("manual")
def test_a_dry_run_that_asks_no_model_says_so_in_a_sentence(millhand: Millhand, workspace: Workspace) -> None:
    millhand("data", "new", "manual", "안내.md")
    dry = millhand("data", "build", "manual", "--dry-run", "--workers", "1").stdout
    assert "No model is asked: it costs nothing." in dry
    assert "None" not in dry
    recipe = workspace.registry / "manual" / "dataset.yaml"
    text = recipe.read_text(encoding="utf-8")
    recipe.write_text(
        text.replace("- generate", "- generate: {generator: model, model: m}"), encoding="utf-8"
    )
    asked = millhand("data", "build", "manual", "--dry-run", "--workers", "1").stdout
    assert re.search(r"\nrequests +[1-9]\d*, at most", asked)
    assert "usd_per_million_in" in asked


@pytest.mark.usefixtures("manual")
def test_a_recipe_says_what_its_steps_do_untold_and_who_tells_the_rest(
    millhand: Millhand, workspace: Workspace
) -> None:
    millhand("data", "new", "manual", "안내.md")
    text = (workspace.registry / "manual" / "dataset.yaml").read_text(encoding="utf-8")
    assert "docs/" not in text.split("steps:")[0]  # a workspace has no such page
    assert "millhand data steps NAME" in text
    (filters,) = [line for line in text.splitlines() if "- filter" in line]
    untold, _, told = filters.partition("if told:")
    assert Options().max_chars == 0
    assert Options().language == ""
    assert "long" not in untold
    assert "Korean" not in untold
    assert "too long, not Korean" in told


@pytest.mark.usefixtures("manual")
def test_documents_are_counted_in_passages_and_a_row_s_place_is_one_line(millhand: Millhand) -> None:
    millhand("data", "new", "manual", "안내.md")
    millhand("data", "build", "manual", "--workers", "1")
    shown = millhand("data", "show", "manual").stdout
    assert re.search(r"안내.md \(\d passages\)", shown)
    assert re.search(r"\nsource +안내\S*, line \d+, .*시설 안내", shown), shown
    assert "{" not in shown


@pytest.mark.usefixtures("manual")
def test_a_recipe_is_never_overwritten(millhand: Millhand) -> None:
    millhand("data", "new", "manual", "안내.md")
    again = millhand("data", "new", "manual", "안내.md")
    assert again.exit_code == 2
    assert "already" in again.stderr


def test_a_source_that_is_not_there_is_told(millhand: Millhand, workspace: Workspace) -> None:
    result = millhand("data", "new", "manual", "none.pdf")
    assert result.exit_code == 2
    assert "none.pdf" in result.stderr


@pytest.mark.usefixtures("manual")
def test_a_broken_file_is_listed_and_the_exit_code_says_so(millhand: Millhand, workspace: Workspace) -> None:
    (workspace.root / "b.pdf").write_bytes(b"%PDF-1.4 half")
    millhand("data", "new", "manual", "안내.md", "b.pdf")
    result = millhand("data", "build", "manual", "--workers", "1")
    assert result.exit_code == 3
    assert "b.pdf" in result.stderr
    assert "manual: built" in result.stdout


def test_help_shows_examples(millhand: Millhand) -> None:
    for command in ("build", "new"):
        assert "Examples:" in millhand("data", command, "--help").stdout
