"""What keeps a train.yaml from working, found before anything starts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from millhand.errors import UsageError
from millhand.training.check import check_train, dataset_names, eval_datasets, looks_local, train_datasets
from millhand.training.project import open_project, project_names
from millhand.workspace import Workspace

GOOD: dict[str, Any] = {
    "model_name_or_path": "beomi/KoAlpaca-Polyglot-5.8B",
    "do_train": True,
    "output_dir": "outputs/qa",
    "dataset_dir": "dataset_registry",
    "dataset": "qa",
}


@pytest.fixture
def checked(workspace: Workspace) -> Any:
    rows = workspace.registry / "qa.jsonl"
    rows.write_text('{"instruction": "q", "input": "", "output": "a"}\n')
    columns = {"prompt": "instruction", "query": "input", "response": "output"}
    info = {"qa": {"file_name": "qa.jsonl", "columns": columns}, "on_hub": {"hf_hub_url": "someone/rows"}}
    (workspace.registry / "dataset_info.json").write_text(json.dumps(info))
    folder = workspace.configs / "프로젝트"
    folder.mkdir()
    (folder / "train.yaml").write_text("")
    project = open_project(workspace, "프로젝트")

    def check(**changes: Any) -> list[str]:
        values = {key: value for key, value in {**GOOD, **changes}.items() if value is not None}
        findings = check_train(workspace, project, values)
        assert all(
            f.file == "llamafactory_configs/프로젝트/train.yaml" and f.why and f.mend for f in findings
        )
        return [finding.id for finding in findings]

    return check


def test_a_config_that_works_has_no_finding(checked: Any) -> None:
    assert checked() == []


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"do_train": None}, ["train.no-do-train"]),
        ({"do_train": "yes"}, ["train.no-do-train"]),
        ({"output_dir": None}, ["train.no-output-dir"]),
        ({"output_dir": " "}, ["train.no-output-dir"]),
        ({"output_dir": "."}, ["train.output-dir"]),
        ({"output_dir": ".."}, ["train.output-dir"]),
        ({"output_dir": "~/out"}, ["train.output-dir"]),
        ({"output_dir": "dataset_registry/qa.jsonl"}, ["train.output-dir"]),
        ({"hf_hub_token": "hf_planted"}, ["train.secret"]),
        ({"dataset": 123}, ["train.no-dataset"]),
        ({"dataset": [1]}, ["train.unknown-dataset"]),
        ({"dataset": "on_hub"}, []),
        ({"model_name_or_path": None}, ["train.no-model"]),
        ({"dataset_dir": None}, ["train.dataset-dir"]),
        ({"dataset_dir": "data"}, ["train.dataset-dir"]),
        ({"dataset": None}, ["train.no-dataset"]),
        ({"dataset": "qa,absent"}, ["train.unknown-dataset"]),
        ({"eval_dataset": ["absent"]}, ["train.unknown-dataset"]),
        ({"do_train": None, "dataset": None}, ["train.no-do-train", "train.no-dataset"]),
    ],
)
def test_each_fault_is_found_and_all_at_once(checked: Any, changes: dict[str, Any], found: list[str]) -> None:
    assert checked(**changes) == found


def test_datasets_are_a_list_or_names_with_commas() -> None:
    values = {"dataset": "a, b,,a", "eval_dataset": ["c", "b"]}
    assert (train_datasets(values), eval_datasets(values)) == (["a", "b"], ["c"])
    assert dataset_names(values) == ["a", "b", "c"]
    assert dataset_names({}) == []


def test_a_path_is_told_from_a_name_on_the_hub() -> None:
    local = ["models/tiny", "outputs/qa", "./m", "../m", "/m", "~/m", "a/b/c"]
    assert [looks_local(model) for model in local] == [True] * len(local)
    assert [looks_local(model) for model in ("beomi/KoAlpaca", "gpt2")] == [False, False]


def test_a_project_is_found_by_name_folder_or_file_and_missed_with_a_hint(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = workspace.configs / "qa"
    folder.mkdir()
    (folder / "train.yaml").write_text("do_train: true\n")
    for config in (
        "qa",
        "llamafactory_configs/qa",
        "llamafactory_configs/qa/train.yaml",
        str(folder / "train.yaml"),
    ):
        assert open_project(workspace, config).name == "qa"
    assert project_names(workspace) == ["qa"]
    monkeypatch.chdir(folder)
    for config in (".", "train.yaml", "../qa"):
        assert open_project(workspace, config).folder == folder
    for config in ("..", "nowhere/qa", "train.txt"):
        with pytest.raises(UsageError, match="no project"):
            open_project(workspace, config)
    with pytest.raises(UsageError, match="no project 'qq'") as caught:
        open_project(workspace, "qq")
    assert caught.value.mend == "Did you mean qa?"
    with pytest.raises(UsageError, match=r"no export\.yaml") as missing:
        open_project(workspace, "qa").values("export")
    assert "millhand config new qa" in missing.value.mend


def test_another_yaml_beside_a_projects_files_is_not_taken_for_one_of_them(workspace: Workspace) -> None:
    folder = workspace.configs / "qa"
    folder.mkdir()
    for name in ("train.yaml", "train_v2.yaml"):
        (folder / name).write_text("do_train: true\n")
    with pytest.raises(UsageError, match=r"train_v2\.yaml is none of a project's files") as caught:
        open_project(workspace, "llamafactory_configs/qa/train_v2.yaml")
    assert "llamafactory_configs/train_v2" in caught.value.mend
