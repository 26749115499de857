"""What LLaMA-Factory is really given, and what makes two runs the same."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millhand.llamafactory.yaml import parse_yaml
from millhand.training.effective import (
    export_values,
    identity,
    makes_adapter,
    render,
    serve_values,
    train_values,
    trained_model,
)

TRAIN: dict[str, Any] = {
    "model_name_or_path": "models/tiny",
    "finetuning_type": "lora",
    "template": "chatml",
    "output_dir": "outputs/qa",
    "overwrite_output_dir": True,
}


def test_a_run_gets_its_own_folder_and_a_named_checkpoint_and_never_overwrites() -> None:
    own = train_values(TRAIN, output_dir="outputs/qa-2", resume_from="outputs/qa-2/checkpoint-40", jit=True)
    assert own == {
        "model_name_or_path": "models/tiny",
        "finetuning_type": "lora",
        "template": "chatml",
        "output_dir": "outputs/qa-2",
        "plot_loss": True,
        "enable_jit_checkpoint": True,
        "resume_from_checkpoint": "outputs/qa-2/checkpoint-40",
    }
    plain = train_values({**TRAIN, "plot_loss": False}, output_dir="outputs/qa", resume_from=None, jit=False)
    assert plain["plot_loss"] is False
    assert {"resume_from_checkpoint", "enable_jit_checkpoint", "overwrite_output_dir"}.isdisjoint(plain)


def test_where_and_how_it_is_logged_does_not_make_another_run() -> None:
    moved = {**TRAIN, "output_dir": "elsewhere", "logging_steps": 1, "report_to": "none", "plot_loss": True}
    assert identity(moved) == identity(TRAIN)
    assert identity({**TRAIN, "template": "qwen"}) != identity(TRAIN)


def test_an_adapter_goes_with_its_base_and_a_full_model_stands_alone() -> None:
    assert trained_model(TRAIN, "outputs/qa") == {
        "model_name_or_path": "models/tiny",
        "adapter_name_or_path": "outputs/qa",
    }
    full = {**TRAIN, "finetuning_type": "full"}
    assert trained_model(full, "outputs/qa") == {"model_name_or_path": "outputs/qa"}
    assert [makes_adapter({}), makes_adapter(full)] == [True, False]


@pytest.mark.parametrize(
    ("before", "new", "named"),
    [
        ("a", False, "outputs/qa"),  # the last one was trained on
        ("a", True, "a,outputs/qa"),  # it was merged into the base first
        ("a, b", False, "a,outputs/qa"),
        (["a", "b"], True, "a,b,outputs/qa"),
    ],
)
def test_adapters_that_a_run_started_from_are_merged_again(before: Any, new: bool, named: str) -> None:
    values = {**TRAIN, "adapter_name_or_path": before, "create_new_adapter": new}
    assert trained_model(values, "outputs/qa")["adapter_name_or_path"] == named


def test_access_keys_are_no_part_of_a_runs_identity() -> None:
    assert identity({**TRAIN, "hf_hub_token": "hf_planted"}) == identity(TRAIN)


def test_a_fully_trained_model_is_exported_and_served_without_an_adapter() -> None:
    full = {**TRAIN, "finetuning_type": "full"}
    given = {"model_name_or_path": "outputs/qa", "adapter_name_or_path": "stale", "finetuning_type": "full"}
    own = export_values(given, full, output_dir="outputs/qa-2", export_dir="m")
    assert own == {"model_name_or_path": "outputs/qa-2", "export_dir": "m"}
    assert serve_values(given, trained_model(full, "outputs/qa-2")) == {"model_name_or_path": "outputs/qa-2"}


def test_export_and_serve_take_the_runs_own_model() -> None:
    export = {
        "model_name_or_path": "models/tiny",
        "adapter_name_or_path": "outputs/qa",
        "export_dir": "m",
        "template": "chatml",
    }
    own = export_values(export, TRAIN, output_dir="outputs/qa-2", export_dir="m-2")
    assert (own["adapter_name_or_path"], own["export_dir"]) == ("outputs/qa-2", "m-2")
    chat = {"model_name_or_path": "models/tiny", "adapter_name_or_path": "outputs/qa", "template": "chatml"}
    assert serve_values(chat, {"model_name_or_path": "m-2"}) == {
        "model_name_or_path": "m-2",
        "template": "chatml",
    }


_scalars = st.none() | st.booleans() | st.integers(-(10**9), 10**9)
_scalars |= st.floats(allow_nan=False, allow_infinity=False)
_scalars |= st.text(st.characters(blacklist_categories=["Cs"]), max_size=20)
_values = st.dictionaries(
    st.from_regex(r"[a-z]{2,8}_[a-z]{1,4}", fullmatch=True),
    _scalars | st.lists(_scalars, max_size=3),
    min_size=1,
)


@given(_values, st.text("ab\n한", max_size=20))
def test_what_is_rendered_is_read_back(values: dict[str, Any], head: str) -> None:
    assert parse_yaml(render(values, head), "x.yaml").values == values
