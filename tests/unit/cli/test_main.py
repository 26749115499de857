"""The root command: what it imports, its exit codes, where things are printed, and its reference."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest

from millhand.cli.main import COMMANDS
from millhand.cli.reference import commands, reference, root_context
from tests.conftest import Millhand

HEAVY = (
    "torch", "transformers", "datasets", "langgraph", "streamlit", "chromadb", "paramiko", "huggingface_hub",
    "rich", "httpx", "msgspec", "pyarrow", "yaml", "pydantic", "numpy",
)  # fmt: skip


def imported_by(*arguments: str) -> set[str]:
    code = f"import sys; from millhand.cli.main import main; main({list(arguments)!r}); print(*sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    return {name.split(".")[0] for name in shown.splitlines()[-1].split()}


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["train", "--help"], ["data", "add", "--help"]]
)
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    assert imported_by(*arguments).isdisjoint(HEAVY)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_is_there(name: str, millhand: Millhand) -> None:
    assert millhand(name, "--help").exit_code == 0


def test_each_command_and_group_shows_examples_of_its_own() -> None:
    for context in commands(root_context()):
        epilog = context.command.epilog or ""
        examples = [line.strip() for line in epilog.splitlines() if line.startswith("  millhand ")]
        assert any(f"{line} ".startswith(f"{context.command_path} ") for line in examples), (
            context.command_path
        )
        if not isinstance(context.command, click.Group):
            own = [line for line in examples if f"{line} ".startswith(f"{context.command_path} ")]
            assert len(own) * 2 >= len(examples), context.command_path


def test_the_reference_in_docs_is_the_help_of_today() -> None:
    committed = (Path(__file__).parents[3] / "docs" / "commands.md").read_text(encoding="utf-8")
    assert committed == reference(), "write it anew: make docs"


def test_no_sentence_is_cut_off_in_a_list_of_commands() -> None:
    for context in commands(root_context()):
        if isinstance(context.command, click.Group):
            assert "..." not in context.command.get_help(context).partition("Commands:")[2]


def test_a_slip_of_the_pen_is_answered_with_the_command_that_was_meant(millhand: Millhand) -> None:
    result = millhand("trian")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "No such command 'trian'. Did you mean 'train'?" in result.stderr
    assert "Did you mean" not in millhand("xxxxxxxx").stderr


def test_wrong_usage_ends_with_2_and_says_so_on_stderr(millhand: Millhand) -> None:
    for arguments in (["no-such-command"], ["train"], ["train", "qa", "--no-such-option"]):
        result = millhand(*arguments)
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr


def test_outside_a_workspace_the_next_command_is_named(
    millhand: Millhand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = millhand("runs")
    assert result.exit_code == 2
    assert "millhand init DIR" in result.stderr


def test_an_error_is_json_too_where_json_was_asked_for(
    millhand: Millhand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = millhand("runs", "--json")
    assert result.exit_code == 2
    answer = json.loads(result.stdout)
    assert "workspace" in answer["error"]
    assert "millhand init" in answer["mend"]


def test_init_lays_a_workspace_down_and_says_what_it_made(millhand: Millhand, tmp_path: Path) -> None:
    result = millhand("init", tmp_path / "새 작업", "--json")
    answer = json.loads(result.stdout)
    assert (result.exit_code, Path(answer["root"]).name) == (0, "새 작업")
    assert "dataset_registry" in answer["made"]
    assert "everything was there" in millhand("init", tmp_path / "새 작업").stderr
