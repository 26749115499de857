"""Every shipped preset's files pass LLaMA-Factory's own parser."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from millhand.training.config import NewProject, new_project
from millhand.training.presets import preset_paths
from millhand.workspace import Workspace

pytestmark = pytest.mark.real


@pytest.fixture
def parser(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """LLaMA-Factory's parser, without the check for unsloth, which installs only beside a GPU."""
    pytest.importorskip("llamafactory")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its imports warn of its own and its dependencies' old habits
        from llamafactory.hparams import parser as real

        monkeypatch.setattr(real, "check_version", lambda *_, **__: None)
        yield real


@pytest.mark.parametrize("preset", sorted(preset_paths()))
def test_llamafactory_accepts_train_export_and_chat(workspace: Workspace, parser: Any, preset: str) -> None:
    from llamafactory.extras.constants import QuantizationMethod
    from omegaconf import OmegaConf

    (workspace.registry / "dataset_info.json").write_text(json.dumps({"qa": {"hf_hub_url": "owner/qa"}}))
    made = new_project(workspace, NewProject("demo", preset, ["qa"]))
    files = {name: OmegaConf.to_container(OmegaConf.load(path)) for name, path in made.files.items()}

    # bf16 is refused on a machine without a GPU unless use_cpu stands beside it
    model, data, training, finetuning, _ = parser.get_train_args({**files["train"], "use_cpu": True})
    assert (data.dataset_dir, data.dataset, training.output_dir) == (
        "dataset_registry",
        ["qa"],
        "outputs/demo",
    )
    assert training.do_train
    assert (finetuning.stage, finetuning.finetuning_type) == ("sft", made.train.get("finetuning_type"))
    assert model.quantization_bit == made.train.get("quantization_bit")
    assert data.template in _templates()
    assert model.quantization_method == QuantizationMethod.BNB, "another word means no quantization, silently"

    export, *_ = parser.get_infer_args(files["export"])
    assert export.export_dir == "outputs/demo-merged"
    assert export.quantization_bit is None
    chat, *_, generating = parser.get_infer_args(files["chat"])
    assert chat.model_name_or_path == export.model_name_or_path
    assert generating.do_sample is files["chat"]["do_sample"]


def _templates() -> Any:
    from llamafactory.data.template import TEMPLATES

    return TEMPLATES
