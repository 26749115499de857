"""What rows are measured with, and what is said where there is no tokenizer."""

from __future__ import annotations

from pathlib import Path

import pytest

from millhand.datasets.records import Record
from millhand.errors import UsageError
from millhand.training.ruler import ruler_for
from millhand.workspace import Workspace

_RECORD = Record(instruction="문은 언제 닫나요?", output="저녁에 닫습니다.")


def _project(workspace: Workspace, name: str = "qa", **values: str) -> None:
    given = {
        "model_name_or_path": "models/tiny",
        "template": "qwen",
        "cutoff_len": "64",
        "dataset": "qa",
        **values,
    }
    folder = workspace.configs / name
    folder.mkdir()
    lines = "".join(f"{key}: {value}\n" for key, value in given.items())
    (folder / "train.yaml").write_text(f"stage: sft\n{lines}", encoding="utf-8")


@pytest.fixture
def model(workspace: Workspace) -> Path:
    tokenizers = pytest.importorskip("tokenizers")
    folder = workspace.root / "models" / "tiny"
    folder.mkdir(parents=True)
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel({"<unk>": 0}, unk_token="<unk>"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Split("", "isolated")
    made.save(str(folder / "tokenizer.json"))
    return folder


def test_no_config_names_it(workspace: Workspace) -> None:
    _project(workspace, dataset="other")
    ruler = ruler_for(workspace, ["qa"])
    assert (ruler.unit, ruler.length(_RECORD), ruler.limit) == ("characters", 20, None)
    assert "no config names this dataset yet" in ruler.why


def test_no_tokenizer_here(workspace: Workspace) -> None:
    _project(workspace, model_name_or_path="Qwen/Qwen3-4B")
    ruler = ruler_for(workspace, ["qa"])
    assert (ruler.unit, ruler.config, ruler.limit) == ("characters", "qa", 64)
    assert "the tokenizer of Qwen/Qwen3-4B is not on this machine" in ruler.why


@pytest.mark.usefixtures("model")
def test_tokens_with_the_template(workspace: Workspace) -> None:
    _project(workspace, "broken", dataset="[")
    _project(workspace, "other", dataset="other")
    _project(workspace, dataset="first,qa")
    ruler = ruler_for(workspace, ["qa", "qa_test"])
    assert (ruler.unit, ruler.config, ruler.limit, ruler.why) == ("tokens", "qa", 64, "")
    longer = Record(instruction=_RECORD.instruction, output=_RECORD.output + "가나")
    assert ruler.length(longer) >= ruler.length(_RECORD) > 0


def test_a_config_and_a_tokenizer_by_name(workspace: Workspace, model: Path, tmp_path: Path) -> None:
    _project(workspace, "other", dataset="other", model_name_or_path="Qwen/Qwen3-4B")
    assert ruler_for(workspace, ["qa"], config="other", tokenizer=model).unit == "tokens"
    assert "without a template" in ruler_for(workspace, ["qa"], tokenizer=model).why
    with pytest.raises(UsageError):
        ruler_for(workspace, ["qa"], config="none")
    with pytest.raises(UsageError, match=r"tokenizer\.json"):
        ruler_for(workspace, ["qa"], tokenizer=tmp_path)
