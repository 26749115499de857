import json
from pathlib import Path

import pytest

from millhand.errors import UsageError
from millhand.runs.model_folder import choose_folder, model_folder
from millhand.workspace import Workspace

MANIFEST = {
    "config": {"template": "chatml", "model_name_or_path": "me/base"},
    "export": {"dtype": "float32"},
}


def write_model(folder: Path, file: str = "config.json", manifest: object = MANIFEST) -> Path:
    folder.mkdir(parents=True)
    (folder / file).write_text("{}")
    if manifest is not None:
        (folder / "millhand_run.json").write_text(json.dumps(manifest))
    return folder


def test_a_pulled_model_is_served_with_the_template_it_was_trained_with(workspace: Workspace) -> None:
    write_model(workspace.root / "models" / "민원 1")
    folder = model_folder(workspace, "models/민원 1")
    assert folder is not None
    served = choose_folder(workspace, folder)
    assert served.name == "민원_1"
    assert served.values["model_name_or_path"] == "models/민원 1"
    assert served.values["template"] == "chatml"
    assert served.values["infer_dtype"] == "float32"


def test_a_pulled_adapter_goes_on_the_base_it_was_trained_on(workspace: Workspace) -> None:
    folder = write_model(workspace.root / "models" / "lora", "adapter_config.json")
    served = choose_folder(workspace, folder)
    assert served.values["model_name_or_path"] == "me/base"
    assert served.values["adapter_name_or_path"] == "models/lora"


def test_a_project_is_no_folder_of_a_model(workspace: Workspace) -> None:
    (workspace.configs / "qa").mkdir()
    assert model_folder(workspace, "qa") is None
    assert model_folder(workspace, "llamafactory_configs/qa") is None


@pytest.mark.parametrize("manifest", [None, {}, {"config": {}}, [1]])
def test_without_a_template_nobody_guesses(workspace: Workspace, manifest: object) -> None:
    folder = write_model(workspace.root / "models" / "bare", manifest=manifest)
    with pytest.raises(UsageError, match="names a template"):
        choose_folder(workspace, folder)


def test_a_model_outside_of_the_workspace_is_not_served(workspace: Workspace, tmp_path: Path) -> None:
    folder = write_model(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="outside"):
        choose_folder(workspace, folder.resolve())
