"""What a base on this machine says: its vocabulary, its quantization, its modules, the lengths of rows."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from millhand.llamafactory.knowledge import shipped
from millhand.llamafactory.yaml import parse_yaml
from millhand.training.check.lengths import _encoder
from millhand.training.check.state import check_state
from millhand.training.check.subject import Config
from millhand.workspace import Workspace
from tests.cases import check as made


@pytest.fixture
def furnished(workspace: Workspace) -> Workspace:
    made.furnish(workspace)
    return workspace


@pytest.mark.parametrize(
    ("purpose", "change", "quantization", "found"),
    [
        ("train", {}, {"quant_method": "gptq"}, []),
        ("train", {"finetuning_type": "full"}, {"quant_method": "gptq"}, ["quantization.of-the-base"]),
        ("train", {"pissa_init": True}, {"quant_method": "awq"}, ["quantization.of-the-base"]),
        ("train", {"use_dora": True}, {"quant_method": "awq"}, ["quantization.of-the-base"]),
        ("train", {"use_dora": True}, {"load_in_4bit": True}, []),
        ("train", {"finetuning_type": "full"}, {"quant_method": "mxfp4"}, []),
        ("train", {"quantization_bit": 4}, {"quant_method": "gptq"}, ["quantization.ignored"]),
        ("export", {}, {"quant_method": "bitsandbytes", "load_in_4bit": True}, ["export.base-quantized"]),
        ("export", {"adapter_name_or_path": None}, {"quant_method": "gptq"}, []),
        ("export", {}, {"quant_method": "fp8"}, []),
        ("export", {}, {}, []),
    ],
)
def test_a_base_that_is_quantized_already(
    furnished: Workspace, purpose: str, change: dict[str, Any], quantization: dict[str, Any], found: list[str]
) -> None:
    made.write_base(furnished.root / "models" / "tiny", quantization_config=quantization)
    made.write_project(furnished, purpose, made.changed(purpose, change))
    report = made.check(furnished)
    file = f"qa/{purpose}.yaml"
    assert [f.id for f in report.findings if f.file.endswith(file) and "quantiz" in f.id] == found


def test_a_tokenizer_in_the_hubs_cache_counts_exactly(
    furnished: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = {"model_name_or_path": "someone/model", "cutoff_len": 40}
    made.write_project(furnished, "train", made.changed("train", change))
    cache = furnished.root / "cache"
    report = made.check(furnished, settings={"HF_HUB_CACHE": str(cache)})
    assert [f.id for f in report.findings if f.id.startswith("data.")] == ["data.length-unknown"]
    snapshot = cache / "models--someone--model" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    made.write_base(snapshot)
    (cache / "models--someone--model" / "refs").mkdir()
    (cache / "models--someone--model" / "refs" / "main").write_text("abc")
    report = made.check(furnished, settings={"HF_HUB_CACHE": str(cache)})
    found = [f for f in report.findings if f.id == "data.truncated"]
    assert len(found) == 1
    assert "12 of 12 rows" in found[0].message
    # a snapshot may hold less than the model: nothing is concluded from what is not there
    more = {**change, "lora_target": "absent", "template": "qwen2_vl"}
    made.write_project(furnished, "train", made.changed("train", more))
    ids = {f.id for f in made.check(furnished, settings={"HF_HUB_CACHE": str(cache)}).findings}
    assert not ids & {"method.lora-target", "template.needs-processor"}
    made.write_project(furnished, "train", made.changed("train", change))
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    _encoder.cache_clear()
    report = made.check(furnished, settings={"HF_HUB_CACHE": str(cache)})
    note = [f for f in report.findings if f.id == "data.length-unknown"]
    assert [f.severity for f in note] == ["note"]
    assert "tokenizers is not installed" in note[0].why
    _encoder.cache_clear()


def test_many_long_rows_are_estimated_from_a_part(
    furnished: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"instruction": "q" * (100 if n % 2 else 600), "input": "", "output": "a"} for n in range(4000)]
    made.write_rows(furnished.registry / "bicycle.jsonl", rows)
    made.write_project(furnished, "train", made.changed("train", {"cutoff_len": 400}))
    exact = next(f for f in made.check(furnished).findings if f.id == "data.truncated")
    assert exact.message.startswith("2,000 of 4,000 rows")
    assert "estimated" not in exact.message
    assert "row 1, 3, 5, 7, 9" in exact.mend
    monkeypatch.setattr("millhand.training.check.scan.BUDGET", 200_000)
    monkeypatch.setattr("millhand.training.check.lengths.BUDGET", 200_000)
    estimated = next(f for f in made.check(furnished).findings if f.id == "data.truncated")
    number = int(estimated.message.split(" ")[0].replace(",", ""))
    assert "estimated from" in estimated.message
    assert 1800 <= number <= 2200


@pytest.mark.parametrize(
    ("purpose", "change", "config", "found"),
    [
        ("train", {}, {"architectures": ["InternVLChatModel"]}, "model.other-form"),
        ("train", {}, {"architectures": ["LlavaLlamaForCausalLM"]}, "model.other-form"),
        ("train", {}, {"architectures": ["Qwen3ForCausalLM"]}, None),
        (
            "export",
            {"export_quantization_bit": 4, "export_quantization_dataset": "x", "adapter_name_or_path": None},
            {"model_type": "chatglm"},
            "export.quantize-chatglm",
        ),
        ("export", {}, {"model_type": "chatglm"}, None),
    ],
)
def test_models_that_are_not_taken_in_this_form(
    furnished: Workspace, purpose: str, change: dict[str, Any], config: dict[str, Any], found: str | None
) -> None:
    made.write_base(furnished.root / "models" / "tiny", **config)
    made.write_project(furnished, purpose, made.changed(purpose, change))
    ids = [
        f.id
        for f in made.check(furnished).findings
        if f.id in ("model.other-form", "export.quantize-chatglm")
    ]
    assert set(ids) == ({found} if found else set())


def test_a_base_whose_files_are_broken_breaks_nothing(furnished: Workspace) -> None:
    made.write_project(furnished, "train", made.TRAIN)
    folder = furnished.root / "models" / "tiny"
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"):
        made.write_base(folder)
        (folder / name).write_bytes(b'{"broken')
        assert [n for n in made.harmful(made.check(furnished)) if n != "infer.adapter-differs"] == []


@pytest.mark.parametrize(
    ("train", "export", "found"),
    [
        ({"add_tokens": "<a>"}, {}, ["infer.tokens-differ"]),
        ({"add_tokens": "<a>"}, {"add_tokens": "<a>"}, []),
        ({"resize_vocab": True}, {}, ["infer.tokens-differ"]),
        ({"finetuning_type": "full"}, {}, ["infer.no-adapter"]),
    ],
)
def test_export_goes_with_what_was_trained(
    furnished: Workspace, train: dict[str, Any], export: dict[str, Any], found: list[str]
) -> None:
    made.write_project(furnished, "train", made.changed("train", train))
    values = made.changed("export", export)
    lines = "".join(f"{key}: {json.dumps(value)}\n" for key, value in values.items())
    (furnished.configs / "qa" / "export.yaml").write_text(lines, encoding="utf-8")
    wanted = ("infer.tokens-differ", "infer.no-adapter")
    report = made.check(furnished)
    ids = [f.id for f in report.findings if f.id in wanted and f.file.endswith("export.yaml")]
    assert ids == found


def test_a_blank_in_the_path_matters_where_torchrun_starts(workspace: Workspace) -> None:
    document = parse_yaml("model_name_or_path: models/tiny\n", "configs/my project/train.yaml")
    for settings, found in (({}, 0), ({"FORCE_TORCHRUN": "1"}, 1)):
        config = Config("train", document, shipped(), workspace.root, settings)
        assert [f.id for f in check_state(config)].count("config.blank-in-path") == found


def test_more_workers_than_cores_on_this_machine(furnished: Workspace) -> None:
    made.write_project(furnished, "train", made.changed("train", {"dataloader_num_workers": 9999}))
    assert "train.many-workers" in [f.id for f in made.check(furnished).findings]
