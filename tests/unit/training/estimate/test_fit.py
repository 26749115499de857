"""Changes that make a training fit: proved by estimating again, the least harmful first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given as forall
from hypothesis import strategies as st

from millhand.training.estimate.fit import Fitting, Settings, find_fit
from millhand.training.estimate.memory import Constants, Load, estimate
from millhand.training.estimate.setup import read_setup
from tests.unit.training.estimate.given import LLAMA, given, setup, shape


def fit(
    memory_gb: float,
    name: str = LLAMA,
    *,
    batch: int = 1,
    length: int = 2048,
    gpus: int = 1,
    taken: Callable[[Settings], bool] = lambda _: True,
    lacks: tuple[str, ...] = (),
    **values: Any,
) -> Fitting | None:
    made = setup(per_device_train_batch_size=batch, cutoff_len=length, **values)
    load = Load(batch, length, gpus)
    return find_fit(shape(name), made, load, memory_gb * 1e9, Constants(), taken=taken, lacks=lacks)


def settings(found: Fitting | None) -> dict[str, object]:
    assert found is not None
    return {key: value for change in found.changes for key, value in change.settings.items()}


def test_a_smaller_batch_keeps_what_is_learned_so_it_comes_first() -> None:
    found = settings(fit(24, "Qwen/Qwen3-4B", batch=8))
    assert set(found) == {"per_device_train_batch_size", "gradient_accumulation_steps"}
    assert found["per_device_train_batch_size"] * found["gradient_accumulation_steps"] == 8  # type: ignore[operator]


def test_a_smaller_evaluation_costs_the_least() -> None:
    found = fit(24, length=1024, eval_strategy="steps", val_size=0.1)
    assert settings(found) == {"per_device_eval_batch_size": 1}


def test_checkpointing_comes_back_before_anything_is_lost() -> None:
    assert settings(fit(40, disable_gradient_checkpointing=True)) == {"disable_gradient_checkpointing": False}


def test_an_8b_model_on_24_gb_is_quantized() -> None:
    assert "quantization_bit" in settings(fit(16))


def test_full_training_of_8b_on_80_gb_takes_smaller_states() -> None:
    found = settings(fit(80, finetuning_type="full"))
    assert {"optim", "pure_bf16", "finetuning_type"} & set(found)


def test_several_gpus_may_share_the_states() -> None:
    found = settings(fit(80, finetuning_type="full", gpus=8))
    assert "deepspeed" in found


def test_what_would_be_refused_is_not_proposed() -> None:
    assert set(settings(fit(22))) == {"enable_liger_kernel"}
    assert set(settings(fit(22, taken=lambda made: "enable_liger_kernel" not in made))) != {
        "enable_liger_kernel"
    }
    assert fit(16, taken=lambda made: "quantization_bit" not in made) is None


def test_a_package_that_is_not_there_is_the_last_resort_and_is_named() -> None:
    assert set(settings(fit(22, lacks=("liger-kernel", "bitsandbytes")))) == {"cutoff_len"}
    only = fit(14, length=512, lacks=("bitsandbytes",))
    assert "quantization_bit" in settings(only)
    assert only is not None
    assert any("bitsandbytes, which is not in the pod's environment" in one.costs for one in only.changes)


def test_nothing_is_promised_where_nothing_helps() -> None:
    assert fit(24, "Qwen/Qwen2.5-72B") is None


@forall(
    st.sampled_from(["Qwen/Qwen3-4B", LLAMA, "EleutherAI/polyglot-ko-5.8b", "Qwen/Qwen3-14B"]),
    st.sampled_from([1, 4, 16]),
    st.sampled_from([1024, 4096]),
    st.sampled_from([8, 16, 24, 48, 80]),
    st.sampled_from(
        [{}, {"finetuning_type": "full"}, {"disable_gradient_checkpointing": True}, {"bf16": False}]
    ),
)
def test_what_is_proposed_holds_when_it_is_written_into_the_config(
    name: str, batch: int, length: int, memory_gb: int, values: dict[str, Any]
) -> None:
    """The changed settings are read back from a config, as a user would have them, and estimated anew."""
    found = fit(memory_gb, name, batch=batch, length=length, **values)
    if found is None:
        return
    start = {
        "stage": "sft",
        "bf16": True,
        "per_device_train_batch_size": batch,
        "cutoff_len": length,
        **values,
    }
    changed = {**start, **settings(found)}
    made = read_setup(given(**changed))
    load = Load(made.batch, min(made.length, length))
    again = estimate(shape(name), made, load)
    assert again.high == pytest.approx(found.peak.high)
    assert again.high <= memory_gb * 1e9
    assert made.batch * made.accumulation >= batch
