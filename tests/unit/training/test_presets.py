"""Presets: those that ship are whole, a workspace's own win, and faults are named with their lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from millhand.errors import FindingsError, UsageError
from millhand.training.presets import load_preset, preset_paths, read_preset
from millhand.workspace import Workspace

SHIPPED = {
    "koalpaca-polyglot-5.8b-lora",
    "kodialogpt-full",
    "llama3-8b-lora-l4",
    "llama3-8b-lora-l4-unsloth",
    "llama3-8b-qlora-l4",
    "llama3-8b-qlora-l4-unsloth",
    "qwen3-4b-instruct-lora-l4",
    "tiny-cpu",
}
SMALL = """\
purpose: A test.
needs: Nothing.
gpu: none
gpu_memory_gb: 0
train:
  model: {model_name_or_path: models/x}
  method: {stage: sft, do_train: true}
  dataset: {template: chatml}
  output: {save_steps: 5}
  train: {max_steps: 10}
export: {export_size: 5}
chat: {do_sample: false}
"""


def write(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "own.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_shipped_presets_are_all_there_and_whole() -> None:
    assert set(preset_paths()) == SHIPPED
    for name in SHIPPED:
        values = load_preset(name).train.values()
        assert values["do_train"] is True
        assert values["report_to"] in ("none", "tensorboard"), "unset, transformers 4 and 5 differ"


@pytest.mark.parametrize("name", sorted(name for name in SHIPPED if name.startswith("llama3")))
def test_llama3_on_an_l4_is_what_was_asked_for(name: str) -> None:
    values = load_preset(name).train.values()
    wanted = {
        "lora_rank": 8, "lora_alpha": 16, "cutoff_len": 1024, "per_device_train_batch_size": 1,
        "gradient_accumulation_steps": 4, "learning_rate": 1e-4, "num_train_epochs": 3.0,
        "lr_scheduler_type": "cosine", "warmup_ratio": 0.1, "bf16": True, "val_size": 0.1,
        "eval_steps": 100, "save_steps": 100, "load_best_model_at_end": True,
        "metric_for_best_model": "eval_loss", "report_to": "tensorboard",
    }  # fmt: skip
    assert {key: values.get(key) for key in wanted} == wanted
    assert values.get("use_unsloth", False) == name.endswith("unsloth")
    assert values.get("quantization_bit") == (4 if "qlora" in name else None)


def test_a_workspaces_own_preset_wins(workspace: Workspace) -> None:
    write(workspace.configs / "presets", SMALL).rename(workspace.configs / "presets" / "tiny-cpu.yaml")
    assert load_preset("tiny-cpu", workspace).purpose == "A test."
    assert set(preset_paths(workspace)) == SHIPPED


def test_an_unknown_preset_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="tiny-cpu"):
        load_preset("tiny_cpuu")


@pytest.mark.parametrize(
    ("change", "name", "line", "says"),
    [
        (("purpose:", "pupose:"), "preset.unknown-key", 1, "purpose"),
        (("  method:", "  metod:"), "preset.unknown-key", 7, "method"),
        (("gpu_memory_gb: 0", "gpu_memory_gb: lots"), "preset.schema", 4, "int"),
        (("{save_steps: 5}", "{save_steps: 5, stage: pt}"), "preset.twice", 9, "method"),
        (("{save_steps: 5}", "{output_dir: x}"), "preset.owned-key", 9, "each project"),
        (("{do_sample: false}", "{dataset_dir: x}"), "preset.owned-key", 12, "each project"),
        (("chat: {", "notes: {max_step: soon}\nchat: {"), "preset.loose-note", 12, "max_steps"),
    ],
)
def test_a_fault_is_named_with_its_line(
    tmp_path: Path, change: tuple[str, str], name: str, line: int, says: str
) -> None:
    with pytest.raises(FindingsError) as caught:
        read_preset(write(tmp_path, SMALL.replace(*change)))
    finding = caught.value.findings[0]
    assert (finding.id, finding.line) == (name, line)
    assert says in f"{finding.message} {finding.mend}"


def test_all_faults_are_named_at_once(tmp_path: Path) -> None:
    text = SMALL.replace("purpose:", "pupose:").replace("{save_steps: 5}", "{output_dir: x, stage: pt}")
    with pytest.raises(FindingsError) as caught:
        read_preset(write(tmp_path, text))
    assert [f.id for f in caught.value.findings] == ["preset.unknown-key", "preset.owned-key", "preset.twice"]
