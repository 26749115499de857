"""``millhand config`` as it is typed."""

from __future__ import annotations

import json

import pytest

from millhand.workspace import Workspace
from tests.conftest import Millhand


@pytest.fixture(autouse=True)
def qa(workspace: Workspace) -> None:
    (workspace.registry / "dataset_info.json").write_text('{"qa": {"file_name": "qa.jsonl"}}')
    (workspace.registry / "qa.jsonl").write_text('{"instruction": "질문", "input": "", "output": "답"}\n')


def test_a_project_is_made_listed_and_made_again(workspace: Workspace, millhand: Millhand) -> None:
    made = millhand("config", "new", "demo", "--preset", "tiny-cpu", "--dataset", "qa")
    assert made.exit_code == 0
    assert "llamafactory_configs/demo/chat.yaml" in made.stdout
    assert "millhand model init models/tiny" in made.stderr, "the base is not there yet"
    listed = json.loads(millhand("config", "list", "--json").stdout)
    assert listed == [
        {
            "project": "demo",
            "model": "models/tiny",
            "method": "lora",
            "datasets": "qa",
            "output": "outputs/demo",
        }
    ]
    again = millhand("config", "new", "demo", "--preset", "tiny-cpu", "--dataset", "qa", "--json")
    assert json.loads(again.stdout)["outcome"] == "unchanged"


def test_a_project_of_that_name_is_a_finding(millhand: Millhand) -> None:
    arguments = ("config", "new", "demo", "--preset", "tiny-cpu", "--dataset", "qa")
    millhand(*arguments)
    refused = millhand(*arguments, "--set", "max_steps=3", "--json")
    assert refused.exit_code == 3
    assert "demo-2" in json.loads(refused.stdout)["findings"][0]["mend"]
    assert millhand(*arguments, "--set", "max_steps=3", "--replace").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("a b", "--preset", "tiny-cpu", "--dataset", "qa"), 2, "a-b"),
        (("x", "--preset", "tiny-gpu", "--dataset", "qa"), 2, "tiny-cpu"),
        (("x", "--preset", "tiny-cpu", "--dataset", "qaa"), 2, "qa"),
        (("x", "--preset", "tiny-cpu", "--dataset", "qa", "--set", "oops"), 3, "key=value"),
    ],
)
def test_wrong_words_are_answered_with_right_ones(
    millhand: Millhand, arguments: tuple[str, ...], code: int, says: str
) -> None:
    result = millhand("config", "new", *arguments)
    assert result.exit_code == code
    assert says in result.stderr


def test_presets_are_listed_and_shown(workspace: Workspace, millhand: Millhand) -> None:
    listed = json.loads(millhand("config", "presets", "--json").stdout)
    assert {"name", "purpose", "needs", "gpu", "gpu_memory_gb"} == set(listed[0])
    assert "tiny-cpu" in millhand("config", "presets").stdout
    assert millhand("config", "presets", "tiny-cpu").stdout.startswith("purpose: ")
    assert (
        json.loads(millhand("config", "presets", "tiny-cpu", "--json").stdout)["train"]["method"]["stage"]
        == "sft"
    )


def test_a_broken_preset_of_ones_own_does_not_hide_the_others(
    workspace: Workspace, millhand: Millhand
) -> None:
    own = workspace.configs / "presets"
    own.mkdir()
    (own / "mine.yaml").write_text("pupose: x\n")
    listed = millhand("config", "presets")
    assert "tiny-cpu" in listed.stdout
    assert "pupose" in listed.stderr


def test_presets_are_shown_outside_of_a_workspace_too(
    millhand: Millhand, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert "tiny-cpu" in millhand("config", "presets").stdout


def test_help_has_examples(millhand: Millhand) -> None:
    for command in (("new",), ("list",), ("presets",)):
        assert "Examples:" in millhand("config", *command, "--help").stdout
