"""What is said, and refused, before a GPU is rented for a run."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from millhand.errors import UsageError
from millhand.pods.shipped import lay_down
from millhand.runs.finished import open_ledger
from millhand.runs.forecast import forecast
from millhand.runs.foresight import foresee
from millhand.runs.ledger import Run
from millhand.training.estimate.speed import Range
from millhand.training.project import Project, open_project
from millhand.workspace import Workspace

_SHAPE = {
    "architectures": ["Qwen3ForCausalLM"],
    "model_type": "qwen3",
    "vocab_size": 151936,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}
SMALL = {"hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 28, "num_attention_heads": 16}
LARGE = {"hidden_size": 5120, "intermediate_size": 25600, "num_hidden_layers": 64, "num_attention_heads": 64}


def project(workspace: Workspace, shape: dict[str, int], steps: int = 0) -> Project:
    lay_down(workspace)
    model = workspace.root / "models/base"
    model.mkdir(parents=True)
    config = {**_SHAPE, **shape, "num_key_value_heads": 8, "head_dim": 128}
    (model / "config.json").write_text(json.dumps(config))
    rows = [{"instruction": "자전거는?", "input": "", "output": "바퀴가 둘입니다."}] * 50
    (workspace.registry / "rows.json").write_text(json.dumps(rows))
    (workspace.registry / "dataset_info.json").write_text(json.dumps({"qa": {"file_name": "rows.json"}}))
    folder = workspace.configs / "qa"
    folder.mkdir()
    (folder / "train.yaml").write_text(
        "model_name_or_path: models/base\nstage: sft\ndo_train: true\nfinetuning_type: full\ndataset: qa\n"
        "dataset_dir: dataset_registry\ntemplate: qwen3_nothink\noutput_dir: outputs/qa\nbf16: true\n"
        "cutoff_len: 512\n" + (f"max_steps: {steps}\n" if steps else "")
    )
    return open_project(workspace, "qa")


def test_what_fits_is_said_with_its_price(workspace: Workspace) -> None:
    told: list[str] = []
    price = foresee(workspace, project(workspace, SMALL), "a100", told.append)
    assert price is not None
    assert price > 0
    assert "of 80 GB" in told[0]


def test_what_does_not_fit_is_not_rented_for_unless_asked(workspace: Workspace) -> None:
    large = project(workspace, LARGE)
    with pytest.raises(UsageError, match="Nothing is rented") as raised:
        foresee(workspace, large, "l4", lambda _: None)
    assert "millhand plan qa --pod l4" in raised.value.mend
    assert foresee(workspace, large, "l4", lambda _: None, anyway=True) is not None


def lease(workspace: Workspace, hours: float, usd: float, *more: tuple[str, str]) -> None:
    """The pod file h100 with another lease."""
    path = workspace.root / "runpod/h100.yaml"
    text = re.sub(r"hours: .*", f"hours: {hours}", path.read_text(encoding="utf-8"))
    text = re.sub(r"spend_usd: .*", f"spend_usd: {usd}", text)
    for old, new in more:
        text = re.sub(old, new, text)
    path.write_text(text, encoding="utf-8")


def bounds(workspace: Workspace, long: Project) -> tuple[Range, Range]:
    """Hours and dollars that it is estimated to take on the fastest of three H100."""
    prospects = forecast(workspace, long, ["h100"], offline=True).prospects
    assert len(prospects) == 3
    prospect = min(prospects, key=lambda one: one.time_s.low)
    assert prospect.price_usd is not None
    return Range(*(seconds / 3600 for seconds in prospect.time_s)), prospect.price_usd


@pytest.mark.parametrize("by", ["hours", "dollars"])
def test_a_training_that_surely_outlasts_its_lease_is_not_rented_for(workspace: Workspace, by: str) -> None:
    long = project(workspace, SMALL, steps=400_000)
    hours, usd = bounds(workspace, long)
    short = (hours.low * 0.9, 10_000) if by == "hours" else (10_000, usd.low * 0.9)
    lease(workspace, *short)
    with pytest.raises(UsageError, match="outlasts its lease") as raised:
        foresee(workspace, long, "h100", lambda _: None, run="qa")
    for part in (
        f"{hours.low:.1f} h",
        f"${usd.low:.2f}",
        f"{short[0]:g} h",
        f"${short[1]:.2f}",
        "no GPU has",
    ):
        assert part in raised.value.message
    for part in ("`lease:` in runpod/h100.yaml", "--pod h100 --anyway`", "`millhand resume qa`"):
        assert part in raised.value.mend
    told: list[str] = []
    assert foresee(workspace, long, "h100", told.append, anyway=True) is not None
    assert told[-1].startswith("It will outlast its lease")


def test_a_training_that_may_outlast_its_lease_is_said_so(workspace: Workspace) -> None:
    long = project(workspace, SMALL, steps=400_000)
    hours, usd = bounds(workspace, long)
    told: list[str] = []
    lease(workspace, hours.high * 1.1, usd.high * 1.1)
    foresee(workspace, long, "h100", told.append)
    assert len(told) == 1
    lease(workspace, (hours.low + hours.high) / 2, usd.high * 1.1)
    foresee(workspace, long, "h100", told.append)
    assert told[-1].startswith("It may outlast its lease: the pod ends after")
    assert told[-1].endswith("what was saved by then is kept.")
    lease(workspace, hours.high * 1.1, (usd.low + usd.high) / 2, (r"(?m)^volume: .*", "allow_loss: true"))
    foresee(workspace, long, "h100", told.append)
    assert told[-1].endswith("all that was made is lost with it.")


def test_a_run_that_began_has_less_before_it_and_is_gone_on_with(workspace: Workspace) -> None:
    long = project(workspace, SMALL, steps=400_000)
    lease(workspace, 0.5, 1)
    ledger = open_ledger(workspace)
    ledger.add(Run("qa", "qa", "c", "f", "h100", "outputs/qa", 1.0, {"config": {}}))
    with pytest.raises(UsageError, match="outlasts"):
        foresee(workspace, long, "h100", lambda _: None, run="qa")
    ledger.begin("qa", "train")
    told: list[str] = []
    assert foresee(workspace, long, "h100", told.append, run="qa") is not None
    assert "what is done already is in it" in told[0]


def test_a_gpu_that_nobody_knows_may_be_fast_enough(workspace: Workspace) -> None:
    long = project(workspace, SMALL, steps=400_000)
    lease(workspace, 0.5, 1, (r"(?m)^gpus: \[", "gpus: [NVIDIA Unheard Of, "))
    told: list[str] = []
    foresee(workspace, long, "h100", told.append)
    assert told[-1].startswith("It may outlast its lease")


def test_where_nothing_is_known_nothing_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    unknown = project(workspace, SMALL)
    (workspace.root / "models/base/config.json").unlink()
    told: list[str] = []
    assert foresee(workspace, unknown, "l4", told.append) is None
    assert told[0].startswith("No estimate")
