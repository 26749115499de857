"""export.yaml and chat.yaml beside train.yaml, however their names are spelt."""

from __future__ import annotations

from typing import Any

import pytest

from millhand.errors import Finding
from millhand.workspace import Workspace
from tests.cases import check as made


def paired(workspace: Workspace, train: dict[str, Any], chat: dict[str, Any]) -> list[Finding]:
    """What is found in chat.yaml about the two together."""
    made.furnish(workspace)
    made.write_project(workspace, "train", made.changed("train", train))
    lines = [f"{key}: {value}\n" for key, value in made.changed("chat", chat).items()]
    (workspace.configs / "qa" / "chat.yaml").write_text("".join(lines), encoding="utf-8")
    found = made.check(workspace).findings
    return [f for f in found if f.file.endswith("chat.yaml") and f.id.startswith("infer.")]


@pytest.mark.parametrize(
    ("train", "chat"),
    [
        ({"output_dir": "./outputs/qa"}, {}),
        ({"output_dir": "outputs/qa/"}, {"adapter_name_or_path": "outputs//qa"}),
        ({"output_dir": "outputs/x/../qa"}, {}),
        ({"model_name_or_path": "./models/tiny"}, {}),
        ({"model_name_or_path": "models/tiny/"}, {"model_name_or_path": "./models/tiny"}),
    ],
)
def test_one_folder_spelt_in_two_ways_is_one_folder(
    workspace: Workspace, train: dict[str, Any], chat: dict[str, Any]
) -> None:
    assert paired(workspace, train, chat) == []


@pytest.mark.parametrize(
    ("train", "chat", "found"),
    [
        ({"output_dir": "outputs/other"}, {}, "infer.adapter-differs"),
        ({"model_name_or_path": "./models/other"}, {}, "infer.base-differs"),
        ({"model_name_or_path": "someone/model"}, {}, "infer.base-differs"),
        ({"template": "qwen3"}, {}, "infer.template-differs"),
        ({}, {"template": "chatmll"}, "infer.template-differs"),
        ({"template": None}, {}, "infer.template-differs"),
    ],
)
def test_what_differs_is_found(
    workspace: Workspace, train: dict[str, Any], chat: dict[str, Any], found: str
) -> None:
    (only,) = paired(workspace, train, chat)
    assert only.id == found
    assert "None`" not in only.mend


@pytest.mark.parametrize("change", [{"template": "chatmll"}, {"model_name_or_path": "models/tinny"}])
def test_a_slip_in_train_yaml_says_nothing_against_the_other_files(
    workspace: Workspace, change: dict[str, Any]
) -> None:
    assert paired(workspace, change, {}) == []
