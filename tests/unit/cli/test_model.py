"""``millhand model`` as it is typed; the model itself is made in the integration tests."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from millhand.training import initial_model
from millhand.workspace import Workspace
from tests.conftest import Millhand


@pytest.fixture(autouse=True)
def qa(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    (workspace.registry / "dataset_info.json").write_text('{"qa": {"file_name": "qa.jsonl"}}')
    (workspace.registry / "qa.jsonl").write_text('{"instruction": "질문", "input": "", "output": "답"}\n')

    def weights(folder: Path, *_: object) -> int:
        (folder / "model.safetensors").write_bytes(b"")
        return 918_912

    monkeypatch.setattr(initial_model, "train_tokenizer", lambda texts, *_: sum(1 for _ in texts))
    monkeypatch.setattr(initial_model, "save_weights", weights)
    monkeypatch.setattr(initial_model, "_require_packages", lambda recipe: None)
    monkeypatch.setattr(initial_model, "_versions", lambda recipe: {})


def test_a_model_is_made_and_stands(workspace: Workspace, millhand: Millhand) -> None:
    arguments = ("model", "init", "models/tiny", "--size", "tiny", "--from", "qa")
    made = millhand(*arguments)
    assert made.exit_code == 0
    assert "918,912" in made.stdout
    assert "models/tiny (made)" in made.stdout
    assert "Training a bpe tokenizer" in made.stderr
    again = json.loads(millhand(*arguments, "--json").stdout)
    assert (again["outcome"], again["parameters"], again["vocab"]) == ("unchanged", 918_912, 2)
    assert list(again["recipe"]["datasets"]) == ["qa"]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("models/my model", "--size", "tiny", "--from", "qa"), 2, "my-model"),
        (("models/x", "--size", "tiny", "--from", "qaa"), 2, "qa"),
        (("models/x", "--size", "tiny", "--from", ","), 2, "data list"),
        (("models/x", "--size", "big", "--from", "qa"), 2, "tiny"),
        (("models/x", "--size", "tiny", "--from", "qa", "--vocab-size", "9"), 2, "1024"),
    ],
)
def test_wrong_words_are_answered_with_right_ones(
    workspace: Workspace, millhand: Millhand, arguments: tuple[str, ...], code: int, says: str
) -> None:
    result = millhand("model", "init", *arguments)
    assert result.exit_code == code
    assert says in result.stderr
    assert not (workspace.root / "models").exists()


def test_another_model_in_its_place_is_a_finding(millhand: Millhand) -> None:
    arguments = ("model", "init", "models/tiny", "--size", "tiny", "--from", "qa")
    millhand(*arguments)
    refused = millhand(*arguments, "--seed", "3", "--json")
    assert refused.exit_code == 3
    finding = json.loads(refused.stdout)["findings"][0]
    assert (finding["id"], finding["file"]) == ("model.exists", "models/tiny")
    assert "(replaced)" in millhand(*arguments, "--seed", "3", "--replace").stdout


def test_help_has_examples(millhand: Millhand) -> None:
    assert "Examples:" in millhand("model", "init", "--help").stdout
