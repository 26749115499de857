"""A project's three files: what they hold, and that they are written whole, once, or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millhand.errors import FindingsError, UsageError
from millhand.llamafactory.yaml import parse_yaml, read_yaml
from millhand.training.config import FILES, MadeProject, NewProject, new_project, parse_overrides
from millhand.training.layout import render
from millhand.training.presets import preset_paths
from millhand.workspace import Workspace


@pytest.fixture(autouse=True)
def qa(workspace: Workspace) -> None:
    entries = {name: {"file_name": f"{name}.jsonl"} for name in ("qa", "manual")}
    (workspace.registry / "dataset_info.json").write_text(json.dumps(entries))
    for name in entries:
        (workspace.registry / f"{name}.jsonl").write_text(
            '{"instruction": "질문", "input": "", "output": "답"}\n'
        )


def make(workspace: Workspace, preset: str = "tiny-cpu", *settings: str, **more: Any) -> MadeProject:
    replace = more.pop("replace", False)
    wanted = NewProject(**{
        "name": "demo", "preset": preset, "datasets": ["qa"], "overrides": parse_overrides(settings), **more
    })  # fmt: skip
    return new_project(workspace, wanted, replace=replace)


def read(made: MadeProject) -> dict[str, dict[str, Any]]:
    return {file: read_yaml(path) for file, path in made.files.items()}


@pytest.mark.parametrize("preset", sorted(preset_paths()))
def test_the_three_files_fit_together(workspace: Workspace, preset: str) -> None:
    files = read(make(workspace, preset, name="가.나-1", datasets=["qa", "manual", "qa"]))
    train, export, chat = (files[file] for file in FILES)
    assert (train["dataset_dir"], train["dataset"]) == ("dataset_registry", "qa,manual")
    assert (train["output_dir"], export["export_dir"]) == ("outputs/가.나-1", "outputs/가.나-1-merged")
    for file in (export, chat):
        assert file["template"] == train["template"]
        assert "quantization_bit" not in file, "LLaMA-Factory cannot merge into a quantized base"
        if train["finetuning_type"] == "lora":
            base = (file["model_name_or_path"], file["adapter_name_or_path"])
            assert base == (train["model_name_or_path"], train["output_dir"])
        else:
            assert (file["model_name_or_path"], "adapter_name_or_path" in file) == (
                train["output_dir"],
                False,
            )


def test_the_head_says_what_it_is_for_and_how_to_run_it(workspace: Workspace) -> None:
    text = make(workspace).files["train"].read_text(encoding="utf-8")
    assert "#   millhand train demo\n" in text
    assert "#   OMP_NUM_THREADS=1 llamafactory-cli train llamafactory_configs/demo/train.yaml\n" in text
    assert "# Needs: No GPU." in text
    order = [line for line in text.splitlines() if line.startswith("###")]
    assert order == [f"### {name}" for name in ("model", "method", "dataset", "output", "train", "eval")]


def test_settings_reach_the_files_that_they_belong_to(workspace: Workspace) -> None:
    files = read(make(
        workspace, "llama3-8b-qlora-l4", "learning_rate=5e-5", "template=llama2", "temperature=0.1",
        "export.export_size=2", "trust_remote_code=true", "lora_dropout=0.05", "weight_decay=0.01",
    ))  # fmt: skip
    assert (files["train"]["learning_rate"], files["train"]["lora_dropout"]) == (5e-5, 0.05)
    assert {files[file]["template"] for file in FILES} == {"llama2"}
    assert [files[file].get("trust_remote_code") for file in FILES] == [True, True, True]
    assert [files[file].get("temperature") for file in FILES] == [None, None, 0.1]
    assert [files[file].get("export_size") for file in FILES] == [None, 2, None]


def test_a_changed_setting_loses_the_note_on_its_old_value(workspace: Workspace) -> None:
    assert "30 rounds" in make(workspace).files["train"].read_text(encoding="utf-8")
    changed = (
        make(workspace, "tiny-cpu", "max_steps=5", name="other").files["train"].read_text(encoding="utf-8")
    )
    assert "max_steps: 5\n" in changed


def test_a_change_of_method_changes_how_the_result_is_named(workspace: Workspace) -> None:
    files = read(make(workspace, "tiny-cpu", "finetuning_type=full"))
    assert files["export"]["model_name_or_path"] == "outputs/demo"
    assert "adapter_name_or_path" not in files["chat"]


def test_another_base_is_named_relative_to_the_workspace(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workspace.root / "models" / "mine").mkdir(parents=True)
    monkeypatch.chdir(workspace.root / "models")
    for number, path in enumerate(("mine", "models/mine", workspace.root / "models" / "mine")):
        made = make(workspace, name=f"p{number}", model=str(path))
        assert made.train["model_name_or_path"] == "models/mine"
    made = make(workspace, name="hub", model="Qwen/Qwen3-0.6B")
    assert made.train["model_name_or_path"] == "Qwen/Qwen3-0.6B"
    assert "in place of" in made.files["train"].read_text(encoding="utf-8")


def test_the_same_again_is_unchanged_and_another_is_refused(workspace: Workspace) -> None:
    assert make(workspace).outcome == "made"
    assert make(workspace).outcome == "unchanged"
    before = make(workspace).files["train"].read_bytes()
    with pytest.raises(FindingsError, match=r"demo-2.*--replace"):
        make(workspace, "tiny-cpu", "max_steps=5")
    assert make(workspace).files["train"].read_bytes() == before


def test_replace_keeps_what_else_lies_there(workspace: Workspace) -> None:
    folder = make(workspace).files["train"].parent
    (folder / "ds.json").write_text("{}")
    assert make(workspace, "tiny-cpu", "max_steps=5", replace=True).outcome == "replaced"
    assert sorted(path.name for path in folder.iterdir()) == [
        "chat.yaml",
        "ds.json",
        "export.yaml",
        "train.yaml",
    ]


def test_a_write_that_fails_leaves_nothing_behind(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, text: str) -> None:
        if path.name == "chat.yaml":
            raise OSError("No space left on device")
        path.write_text(text)

    monkeypatch.setattr("millhand.training.config.write_text", full)
    with pytest.raises(OSError, match="No space"):
        make(workspace)
    assert list(workspace.configs.iterdir()) == []


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"name": "a/b"}, "cannot name a project"),
        ({"name": "presets"}, "own presets"),
        ({"preset": "tiny"}, "no preset 'tiny'"),
        ({"datasets": ["qaa"]}, "qa"),
        ({"datasets": [" "]}, "No dataset"),
        ({"model": "my model"}, "blanks"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    workspace: Workspace, more: dict[str, Any], says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        make(workspace, **more)
    assert list(workspace.configs.iterdir()) == []


def test_a_dataset_that_lies_on_a_hub_may_be_named(workspace: Workspace) -> None:
    (workspace.registry / "dataset_info.json").write_text('{"far": {"hf_hub_url": "owner/name"}}')
    assert make(workspace, datasets=["far"]).train["dataset"] == "far"


def test_all_malformed_settings_are_named_at_once() -> None:
    with pytest.raises(FindingsError) as caught:
        parse_overrides(["x", "=1", "a b=1", "c={", "output_dir=x", "model_name_or_path=x", "d=1", "d=2"])
    assert len(caught.value.findings) == 7
    assert "--model" in str(caught.value)


@given(
    st.dictionaries(
        st.from_regex(r"[a-z]{2,6}_[a-z]{1,4}", fullmatch=True),
        st.one_of(st.text(), st.floats(allow_nan=False), st.booleans()),
    ),
    st.text(),
)
def test_a_rendered_config_reads_back_whatever_its_values_and_notes(
    settings: dict[str, Any], note: str
) -> None:
    text = render(["A head.", "  command"], {"model": settings}, dict.fromkeys([*settings, "model"], note))
    assert parse_yaml(text, "x.yaml").values == settings
