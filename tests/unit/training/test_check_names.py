"""What model_name_or_path names: a folder with a model, or a repository that the Hub could have."""

from __future__ import annotations

from typing import Any

import pytest

from millhand.errors import Finding, UsageError
from millhand.training.check.basics import could_be_on_the_hub
from millhand.workspace import Workspace
from tests.cases import check as made

WHOLE = "Qwen/Qwen2.5-7B-Instruct"


@pytest.fixture
def furnished(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("HF_HUB_CACHE", str(workspace.root / "cache"))
    made.furnish(workspace)
    return workspace


def found(workspace: Workspace, name: str, purpose: str = "train", **changes: Any) -> list[Finding]:
    given = {"model_name_or_path": name, "dataset": "small", **changes}
    made.write_project(workspace, purpose, made.changed(purpose, given))
    about = ("model.", "train.no-model")
    return [f for f in made.check(workspace).findings if f.id.startswith(about) and purpose in f.file]


@pytest.mark.parametrize(
    ("name", "severity", "finding", "mend"),
    [
        ("${oc.env:MODEL}", "error", "model.interpolation", "Write the name itself"),
        ("C:\\models\\qwen", "error", "train.no-model-folder", "`model_name_or_path: models/qwen`"),
        ("C:/models/qwen", "error", "train.no-model-folder", "`model_name_or_path: models/qwen`"),
        ("~/models/qwen", "error", "train.no-model-folder", "without `~`"),
        ("models/absent", "error", "train.no-model-folder", "model init models/absent"),
        ("outputs/absent", "error", "train.no-model-folder", "Correct the path."),
        (f"https://huggingface.co/{WHOLE}", "error", "model.address", f"`model_name_or_path: {WHOLE}`"),
        (f"https://hf.co/{WHOLE}/tree/main", "error", "model.address", f"`model_name_or_path: {WHOLE}`"),
        ("Qwen2.5-7B-Instruct", "error", "model.no-owner", f"`model_name_or_path: {WHOLE}`"),
        ("someones-own-model", "warning", "model.no-owner", "owner/name"),
        ("Qwen/Qwen2.5-7B-Instruct-GGUF", "warning", "model.gguf", WHOLE),
        ("", "error", "model.name", "owner/name"),
        ("민원/모델", "error", "model.name", "owner/name"),
        ("a b/c", "error", "model.name", "owner/name"),
        (" models/tiny", "error", "model.name", "owner/name"),
        ("someone/model@main", "error", "model.name", "owner/name"),
        ("m" * 300, "error", "model.name", "owner/name"),
    ],
)
def test_a_name_that_leads_nowhere_is_found(
    furnished: Workspace, name: str, severity: str, finding: str, mend: str
) -> None:
    (only,) = found(furnished, name)
    assert (only.id, only.severity, only.line) == (finding, severity, 1)
    assert mend in only.mend


@pytest.mark.parametrize(
    "name", ["gpt2", "bert-base-uncased", "models/tiny", "./models/tiny", "models/tiny/", WHOLE, "a/b.c_d-e"]
)
def test_a_name_that_may_be_right_has_no_finding(furnished: Workspace, name: str) -> None:
    assert found(furnished, name) == []


def test_a_folder_without_a_model_is_found_and_what_lies_there_told(furnished: Workspace) -> None:
    folder = furnished.root / "models" / "empty"
    folder.mkdir()
    (only,) = found(furnished, "models/empty")
    assert (only.id, only.severity) == ("model.no-config", "error")
    (folder / "q4.gguf").touch()
    assert "GGUF" in found(furnished, "models/empty")[0].mend
    (folder / "adapter_config.json").write_text("{}")
    assert "adapter_name_or_path: models/empty" in found(furnished, "models/empty")[0].mend


def test_names_on_another_hub_are_its_own_affair(furnished: Workspace) -> None:
    assert found(furnished, "a b/c") != []
    report = made.check(furnished, settings={"USE_MODELSCOPE_HUB": "1"})
    assert [f.id for f in report.findings if f.id.startswith("model.")] == []


def test_what_export_and_chat_name_may_be_yet_to_come(furnished: Workspace) -> None:
    assert found(furnished, "outputs/later", "chat", adapter_name_or_path=None) == []
    assert [f.id for f in found(furnished, "${oc.env:MODEL}", "chat")] == ["model.interpolation"]


def test_an_adapter_that_is_not_there_is_not_to_be_made_as_a_model(furnished: Workspace) -> None:
    (only,) = found(furnished, "models/tiny", adapter_name_or_path="outputs/none")
    assert only.id == "train.no-model-folder"
    assert "model init" not in only.mend
    (furnished.root / "outputs" / "none").mkdir(parents=True)
    (only,) = found(furnished, "models/tiny", adapter_name_or_path="outputs/none")
    assert (only.id, only.severity) == ("model.no-adapter", "error")
    (furnished.root / "outputs" / "none" / "adapter_config.json").write_text("{}")
    assert found(furnished, "models/tiny", adapter_name_or_path="outputs/none") == []


@pytest.mark.parametrize("names", ["", "outputs/qa,"])
def test_an_adapter_without_a_name_is_found(furnished: Workspace, names: str) -> None:
    folder = furnished.root / "outputs" / "qa"
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text("{}")
    (only,) = found(furnished, "models/tiny", adapter_name_or_path=names)
    assert (only.id, only.severity) == ("model.name", "error")


def test_names_are_judged_as_the_hubs_client_does() -> None:
    refused = ["a--b/c", "a..b/c", "a/c.git", "a/.c", "a/c-", " a/c", "", "a/b/c"]
    assert [could_be_on_the_hub(name) for name in refused] == [False] * len(refused)
    huggingface_hub = pytest.importorskip("huggingface_hub.utils")
    for name in [*refused, WHOLE, "gpt2", "a/b.c_d-e", "m" * 97, "a/" + "m" * 96]:
        try:
            huggingface_hub.validate_repo_id(name)
        except huggingface_hub.HFValidationError:
            assert not could_be_on_the_hub(name), name
        else:
            assert could_be_on_the_hub(name), name


def test_a_project_whose_folder_cannot_name_runs_is_warned_of_and_checked(
    furnished: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.write_project(furnished, "train", made.changed("train", {"stage": "SFT"}))
    (furnished.configs / "qa").rename(furnished.configs / "민원 상담")
    made.write_project(furnished, "train", made.changed("train", {"stage": "SFT"}))
    monkeypatch.chdir(furnished.root)
    for target in (
        "all",
        "민원 상담",
        "llamafactory_configs/민원 상담",
        "llamafactory_configs/민원 상담/train.yaml",
    ):
        found = made.check(furnished, target).findings
        (name,) = [f for f in found if f.id == "project.name"]
        assert (name.severity, name.file) == ("warning", "llamafactory_configs/민원 상담")
        assert "'민원-상담'" in name.mend
        expected = {"llamafactory_configs/민원 상담/train.yaml"}
        expected |= {"llamafactory_configs/qa/train.yaml"} if target == "all" else set()
        assert {f.file for f in found if f.id == "config.choice"} == expected


def test_a_yaml_beside_a_projects_own_is_told_as_such(furnished: Workspace) -> None:
    made.write_project(furnished, "train", made.TRAIN)
    other = furnished.configs / "qa" / "train_v2.yaml"
    other.write_text("do_train: true\n")
    with pytest.raises(UsageError, match=r"train_v2\.yaml is none of a project's files"):
        made.check(furnished, str(other))


OWN = {"auto_map": {"AutoConfig": "configuration_exaone.ExaoneConfig"}}


@pytest.mark.parametrize(
    ("config", "trusted", "findings"),
    [
        ({"model_type": "exaone", **OWN}, None, {"model.custom-code": "error"}),
        ({"model_type": "exaone", **OWN}, False, {"model.custom-code": "error"}),
        ({"model_type": "exaone", **OWN}, True, {"model.no-code": "error"}),
        ({"model_type": "exaone", "auto_map": {"AutoConfig": "o/n--a.B"}}, True, {}),
        ({"model_type": "qwen3", **OWN}, None, {}),
        ({"model_type": "qwen3", "auto_map": {"AutoModelForCausalLM": "modeling_x.E"}}, None, {}),
        ({"model_type": "qwen3", **OWN}, True, {"model.no-code": "error"}),
        (
            {"model_type": "qwen3", "auto_map": {"AutoModelForCausalLM": "m.E"}},
            True,
            {"model.no-code": "error"},
        ),
        ({"model_type": "nosuch"}, None, {"model.unknown-type": "error"}),
        ({"model_type": "nosuch", "auto_map": 7}, None, {"model.unknown-type": "error"}),
        ({"model_type": ["qwen3"]}, None, {"model.unknown-type": "error"}),
        ({"model_type": None}, None, {"model.unknown-type": "error"}),
    ],
)
def test_a_base_without_code_in_transformers_is_found(
    furnished: Workspace, config: dict[str, Any], trusted: bool | None, findings: dict[str, str]
) -> None:
    made.write_base(furnished.root / "models" / "tiny", **config)
    report = found(furnished, "models/tiny", trust_remote_code=trusted)
    assert {f.id: f.severity for f in report} == findings


def test_code_that_lies_beside_the_model_is_taken(furnished: Workspace) -> None:
    made.write_base(furnished.root / "models" / "tiny", model_type="exaone", **OWN)
    (furnished.root / "models" / "tiny" / "configuration_exaone.py").touch()
    assert found(furnished, "models/tiny", trust_remote_code=True) == []


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("LGAI-EXAONE/EXAONE-3.5-2.4B-Instruct", True),
        ("LGAI-EXAONE/EXAONE-Deep-7.8B", True),
        ("LGAI-EXAONE/EXAONE-4.0-1.2B", False),
        ("Qwen/Qwen-7B-Chat", True),
        ("Qwen/Qwen2.5-7B-Instruct", False),
        ("zai-org/glm-4-9b-chat", True),
        ("zai-org/glm-4-9b-chat-hf", False),
        ("zai-org/GLM-4-9B-0414", False),
        ("openbmb/MiniCPM4.1-8B", True),
        ("openbmb/MiniCPM-V-4_6", False),
        ("internlm/internlm3-8b-instruct", True),
    ],
)
def test_repositories_that_are_known_to_come_with_code(furnished: Workspace, name: str, asked: bool) -> None:
    expected = [("model.custom-code", "warning")] if asked else []
    assert [(f.id, f.severity) for f in found(furnished, name)] == expected
    assert found(furnished, name, trust_remote_code=True) == []


@pytest.mark.parametrize(
    ("name", "targets", "refused"),
    [
        ("EleutherAI/polyglot-ko-5.8b", "q_proj,v_proj", True),
        ("EleutherAI/polyglot-ko-5.8b", "query_key_value", False),
        ("EleutherAI/polyglot-ko-5.8b", "attention.query_key_value,nope", False),
        ("EleutherAI/polyglot-ko-5.8b", "all", False),
        ("Qwen/Qwen3-0.6B", ["query_key_value"], True),
        ("Qwen/Qwen3-0.6B", "lm_head", False),
        ("owner/unheard-of", "query_key_value", False),
        ("models/tiny", "self_attn.q_proj", False),
        ("models/tiny", "lm_head", False),
        ("models/tiny", "self_attn", True),
    ],
)
def test_modules_are_known_of_bases_that_are_here_and_of_those_whose_shape_ships(
    furnished: Workspace, name: str, targets: str | list[str], refused: bool
) -> None:
    change = {"model_name_or_path": name, "lora_target": targets, "dataset": "small"}
    made.write_project(furnished, "train", made.changed("train", change))
    findings = [f for f in made.check(furnished).findings if f.id == "method.lora-target"]
    assert [f.severity for f in findings] == (["error"] if refused else [])
    assert not refused or "Write `all`, or names such as" in findings[0].mend


def test_the_models_own_template_is_named(furnished: Workspace) -> None:
    change = {"model_name_or_path": "Qwen/Qwen3-8B", "template": "llama3", "dataset": "small"}
    made.write_project(furnished, "train", made.changed("train", change))
    (only,) = [f for f in made.check(furnished).findings if f.id == "template.differs"]
    assert only.mend == "Write `template: qwen3`, unless another is meant."


def test_keys_within_a_key_belong_at_the_margin(furnished: Workspace) -> None:
    made.write_project(furnished, "train", made.TRAIN)
    text = "train:\n  do_train: true\n  stage: sft\n"
    (furnished.configs / "qa" / "train.yaml").write_text(text)
    (only,) = [f for f in made.check(furnished).findings if f.id == "config.unknown-key"]
    assert (only.line, "Did you mean" in only.mend, "to the margin" in only.mend) == (1, False, True)
