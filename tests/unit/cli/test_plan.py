"""``millhand plan`` as it is called."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from millhand.training.config import NewProject, new_project
from millhand.workspace import Workspace
from tests.cases import check as made
from tests.conftest import Millhand
from tests.unit.cli.test_main import imported_by

_PODS = Path(__file__).parents[3] / "runpod"


@pytest.fixture
def furnished(workspace: Workspace) -> Workspace:
    made.furnish(workspace)
    (workspace.root / "runpod").mkdir(exist_ok=True)
    for name in ("l4", "h100"):
        shutil.copy(_PODS / f"{name}.yaml", workspace.root / "runpod")
    return workspace


def project(workspace: Workspace, preset: str, *settings: str) -> None:
    from millhand.training.config import parse_overrides

    new_project(workspace, NewProject("qa", preset, ["bicycle"], overrides=parse_overrides(settings)))


def answer(millhand: Millhand, *arguments: str, code: int = 0) -> dict[str, Any]:
    result = millhand("plan", "qa", "--json", *arguments)
    assert result.exit_code == code, result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_every_gpu_of_the_pod_files_stands_side_by_side(millhand: Millhand, furnished: Workspace) -> None:
    project(furnished, "qwen3-4b-instruct-lora-l4")
    found = answer(millhand)
    assert [one["gpu"] for one in found["prospects"]] == [
        "NVIDIA H100 PCIe", "NVIDIA H100 NVL", "NVIDIA H100 80GB HBM3", "NVIDIA L4",
    ]  # fmt: skip
    for one in found["prospects"]:
        assert one["peak"] == pytest.approx(sum(one["parts"].values()))
        assert one["verdict"] == "fits"
        assert one["peak_with_margin"] <= one["memory"]
        assert one["work"]["rows"] == 10  # of 12, two held back
        assert one["time_s"][0] < one["time_s"][1]
        assert one["price_usd"][0] < one["price_usd"][1]
    assert found["parameters"] == 4_022_468_096
    assert found["calibration"]["measured"] is False


def test_a_training_that_fits_nowhere_ends_with_3_and_says_what_would_fit(
    millhand: Millhand, furnished: Workspace
) -> None:
    project(furnished, "llama3-8b-lora-l4", "finetuning_type=full")
    found = answer(millhand, "--pod", "l4", code=3)
    (one,) = found["prospects"]
    assert one["verdict"] == "no"
    assert one["to_fit"]["peak_with_margin"] <= one["memory"]
    shown = millhand("plan", "qa", "--pod", "l4")
    assert shown.exit_code == 3
    assert "too small" in shown.stdout
    assert "To fit L4:" in shown.stdout


@pytest.mark.parametrize(
    ("key", "value", "id_"),
    [
        ("cutoff_len", "abc", "config.type"),
        ("stage", "SFT", "config.choice"),
        ("deepspeed", "no.json", "deepspeed.file"),
        ("max_seq_length", 8192, "config.renamed-key"),
    ],
)
def test_what_llamafactory_refuses_is_not_estimated(
    millhand: Millhand, furnished: Workspace, key: str, value: object, id_: str
) -> None:
    project(furnished, "qwen3-4b-instruct-lora-l4")
    path = furnished.configs / "qa" / "train.yaml"
    kept = [line for line in path.read_text().splitlines() if not line.startswith(f"{key}:")]
    path.write_text("\n".join([*kept, f"{key}: {value}"]))
    found = answer(millhand, "--pod", "l4", code=3)["findings"]
    assert [finding["id"] for finding in found] == [id_]
    assert found[0]["line"] == len(kept) + 1


def test_changes_that_are_proposed_pass_the_check(millhand: Millhand, furnished: Workspace) -> None:
    large = {**made.TRAIN, "model_name_or_path": "Qwen/Qwen3-14B"}
    made.write_project(furnished, "train", large)
    (one,) = answer(millhand, "--pod", "l4", code=3)["prospects"]
    assert "quantization_bit" in json.dumps(one["to_fit"])
    made.write_project(furnished, "train", {**large, "pissa_init": True})  # which takes a plain base only
    (one,) = answer(millhand, "--pod", "l4", code=3)["prospects"]
    assert one["to_fit"] is None


def test_a_person_sees_parts_prices_and_how_sure_it_is(millhand: Millhand, furnished: Workspace) -> None:
    project(furnished, "llama3-8b-qlora-l4")
    shown = millhand("plan", "qa").stdout
    for word in (
        "QLoRA 4 bit",
        "checkpointing",
        "█ weights",
        "█ overhead",
        "$",
        "Not calibrated",
        "disk",
        "config.json",
    ):
        assert word in shown, word


def test_several_gpus_take_fewer_steps(millhand: Millhand, furnished: Workspace) -> None:
    project(furnished, "qwen3-4b-instruct-lora-l4", "gradient_accumulation_steps=1")
    one, four = (answer(millhand, "--pod", "l4", "--gpus", number)["prospects"][0] for number in ("1", "4"))
    assert four["work"]["steps"] < one["work"]["steps"]
    assert four["peak"] > one["peak"], "buckets of gradients and NCCL"


def test_without_pod_files_the_usual_gpus_are_shown(millhand: Millhand, furnished: Workspace) -> None:
    shutil.rmtree(furnished.root / "runpod")
    project(furnished, "qwen3-4b-instruct-lora-l4")
    found = answer(millhand)
    assert {one["gpu"] for one in found["prospects"]} >= {"NVIDIA L4", "NVIDIA A100 80GB PCIe"}
    assert {one["count"] for one in found["prospects"]} == {1, 2, 4}
    assert all(one["price_usd"] is None for one in found["prospects"])


def test_a_model_nobody_knows_is_said_with_what_to_do(millhand: Millhand, furnished: Workspace) -> None:
    made.write_project(furnished, "train", {**made.TRAIN, "model_name_or_path": "owner/unheard"})
    result = millhand("plan", "qa", "--offline")
    assert result.exit_code == 2
    assert "owner/unheard" in result.stderr


def test_this_machine_without_a_gpu_is_said(millhand: Millhand, furnished: Workspace) -> None:
    project(furnished, "qwen3-4b-instruct-lora-l4")
    result = millhand("plan", "qa", "--pod", "local")
    if result.exit_code == 0:
        pytest.skip("this machine has a GPU")
    assert "no GPU" in result.stderr


def test_help_imports_nothing_heavy() -> None:
    assert not {"rich", "httpx", "msgspec", "torch", "tokenizers"} & imported_by("plan", "--help")
