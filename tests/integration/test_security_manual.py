"""The shipped security_manual trains: its project is in order, and a tiny model learns of its rows."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.integration.conftest import Bench

pytestmark = pytest.mark.real
ROOT = Path(__file__).parents[2]


def test_a_tiny_model_trains_on_it_and_is_evaluated_on_held_out_procedures(bench: Bench) -> None:
    shutil.copytree(
        ROOT / "dataset_registry/security_manual", bench.root / "dataset_registry/security_manual"
    )
    bench.configure(
        dataset="security_manual",
        eval_dataset="security_manual_validation",
        eval_strategy="steps",
        eval_steps=10,
        per_device_eval_batch_size=8,
        cutoff_len=512,
        max_steps=20,
        save_steps=20,
    )
    out, _ = bench.call("data", "build", "security_manual")
    assert "unchanged" in out or "built" in out
    bench.call("train", "qa")
    results = json.loads((bench.root / "outputs/qa/all_results.json").read_text())
    losses = [line["loss"] for line in bench.log() if "loss" in line]
    assert bench.steps() == 20
    assert results["eval_loss"] > 0
    assert losses[-1] < losses[0]
    manifest = json.loads((bench.root / "outputs/qa/millhand_run.json").read_text())
    assert set(manifest["inputs"]["data"]) == {"security_manual", "security_manual_validation"}


def test_its_own_project_has_no_finding_but_what_only_a_tokenizer_tells(bench: Bench) -> None:
    shutil.copytree(ROOT / "dataset_registry", bench.root / "dataset_registry", dirs_exist_ok=True)
    shutil.copytree(
        ROOT / "llamafactory_configs/security_manual", bench.root / "llamafactory_configs/security_manual"
    )
    found = bench.answer("check", "security_manual")
    assert {finding["id"] for finding in found["findings"]} <= {"data.length-unknown"}
