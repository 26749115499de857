"""What is said, and refused, before a GPU is rented for a run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from millhand.errors import UsageError
from millhand.pods.shipped import lay_down
from millhand.runs.foresight import foresee
from millhand.training.project import Project, open_project
from millhand.workspace import Workspace

_SHAPE = {
    "architectures": ["Qwen3ForCausalLM"],
    "model_type": "qwen3",
    "vocab_size": 151936,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}
SMALL = {"hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 28, "num_attention_heads": 16}
LARGE = {"hidden_size": 5120, "intermediate_size": 25600, "num_hidden_layers": 64, "num_attention_heads": 64}


def project(workspace: Workspace, shape: dict[str, int]) -> Project:
    lay_down(workspace)
    model = workspace.root / "models/base"
    model.mkdir(parents=True)
    config = {**_SHAPE, **shape, "num_key_value_heads": 8, "head_dim": 128}
    (model / "config.json").write_text(json.dumps(config))
    rows = [{"instruction": "자전거는?", "input": "", "output": "바퀴가 둘입니다."}] * 50
    (workspace.registry / "rows.json").write_text(json.dumps(rows))
    (workspace.registry / "dataset_info.json").write_text(json.dumps({"qa": {"file_name": "rows.json"}}))
    folder = workspace.configs / "qa"
    folder.mkdir()
    (folder / "train.yaml").write_text(
        "model_name_or_path: models/base\nstage: sft\ndo_train: true\nfinetuning_type: full\ndataset: qa\n"
        "dataset_dir: dataset_registry\ntemplate: qwen3_nothink\noutput_dir: outputs/qa\nbf16: true\n"
        "cutoff_len: 512\n"
    )
    return open_project(workspace, "qa")


def test_what_fits_is_said_with_its_price(workspace: Workspace) -> None:
    told: list[str] = []
    price = foresee(workspace, project(workspace, SMALL), "a100", told.append)
    assert price is not None
    assert price > 0
    assert "of 80 GB" in told[0]


def test_what_does_not_fit_is_not_rented_for_unless_asked(workspace: Workspace) -> None:
    large = project(workspace, LARGE)
    with pytest.raises(UsageError, match="Nothing is rented") as raised:
        foresee(workspace, large, "l4", lambda _: None)
    assert "millhand plan qa --pod l4" in raised.value.mend
    assert foresee(workspace, large, "l4", lambda _: None, anyway=True) is not None


def test_where_nothing_is_known_nothing_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    unknown = project(workspace, SMALL)
    (workspace.root / "models/base/config.json").unlink()
    told: list[str] = []
    assert foresee(workspace, unknown, "l4", told.append) is None
    assert told[0].startswith("No estimate")
