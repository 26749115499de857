"""Peak memory: what must hold whatever the constants are, and figures that others have published."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given as forall
from hypothesis import strategies as st

from millhand.errors import UsageError
from millhand.training.estimate.memory import Constants, Load, estimate, quantized_bytes
from millhand.training.estimate.models import table
from millhand.training.estimate.setup import read_setup
from millhand.training.estimate.trainable import find_trainable
from millhand.training.presets import load_preset, preset_paths
from tests.unit.training.estimate.given import LLAMA, given, peak, setup, shape

_FULL = {"finetuning_type": "full"}
# Adapters may also be named by modules that every model in the table has.
_METHODS: list[dict[str, Any]] = [
    {},
    {"lora_rank": 64},
    {"quantization_bit": 4},
    {"quantization_bit": 8},
    {"use_dora": True, "lora_dropout": 0.1},
    _FULL,
    {**_FULL, "pure_bf16": True},
    {**_FULL, "optim": "adamw_bnb_8bit"},
    {"finetuning_type": "freeze"},
    {"disable_gradient_checkpointing": True},
    {"flash_attn": "disabled"},
    {"flash_attn": "fa2", "enable_liger_kernel": True},
    {"stage": "dpo"},
    {"bf16": False},
]
_MODELS = sorted(name for name, base in table().items() if base.config["model_type"] != "gpt2")


def settings_of(method: dict[str, Any]) -> dict[str, Any]:
    return {"gradient_accumulation_steps": 4, **method}


@forall(st.sampled_from(_MODELS), st.sampled_from(_METHODS), st.integers(1, 16), st.integers(64, 8192))
def test_parts_are_never_negative_and_add_up(
    name: str, method: dict[str, Any], batch: int, length: int
) -> None:
    found = peak(name, batch=batch, length=length, **settings_of(method))
    parts = [getattr(found.parts, field) for field in found.parts.__struct_fields__]
    assert min(parts) >= 0
    assert found.total == pytest.approx(sum(parts))
    assert found.high >= found.total >= found.allocated > 0


@forall(st.sampled_from(_MODELS), st.sampled_from(_METHODS), st.integers(1, 16), st.integers(64, 8192))
def test_more_rows_or_longer_ones_never_need_less(
    name: str, method: dict[str, Any], batch: int, length: int
) -> None:
    values = settings_of(method)
    small = peak(name, batch=batch, length=length, **values).total
    assert peak(name, batch=batch + 1, length=length, **values).total > small
    assert peak(name, batch=batch, length=length + 64, **values).total > small


@forall(st.sampled_from(_MODELS), st.integers(1, 8), st.integers(256, 4096))
def test_what_is_meant_to_save_memory_does(name: str, batch: int, length: int) -> None:
    def total(**values: Any) -> float:
        return peak(name, batch=batch, length=length, **values).total

    plain = total()
    # 8 bit unpacks the widest module, which in a small model weighs as much as it saves: weights alone
    assert peak(name, quantization_bit=4).parts.weights < peak(name, quantization_bit=8).parts.weights
    assert peak(name, quantization_bit=8).parts.weights < peak(name).parts.weights
    assert plain < total(disable_gradient_checkpointing=True)
    assert plain < total(finetuning_type="full")
    assert total(finetuning_type="full", pure_bf16=True) < total(finetuning_type="full")
    assert total(finetuning_type="full", optim="adamw_8bit") < total(finetuning_type="full")


@pytest.mark.parametrize(("bits", "low", "high"), [(4, 10e9, 12.5e9), (0, 19e9, 23e9)])
def test_a_7b_model_needs_about_what_is_commonly_seen(bits: int, low: float, high: float) -> None:
    """Qwen2.5-7B at one row of 2,048: QLoRA about 10 to 11 GiB, LoRA about 20."""
    values = {"quantization_bit": bits} if bits else {}
    assert low < peak("Qwen/Qwen2.5-7B", length=2048, **values).total < high


_CLAIMS = {name: preset for name in preset_paths() if (preset := load_preset(name)).gpu_memory_gb >= 24}


@pytest.mark.parametrize("name", sorted(_CLAIMS))
def test_presets_fit_the_gpu_that_they_are_made_for(name: str) -> None:
    """At the worst: every row as long as cutoff_len, and the margin of what nothing has measured."""
    preset = _CLAIMS[name]
    values = preset.train.values()
    made = read_setup(given(**values))
    found = estimate(shape(values["model_name_or_path"]), made, Load(made.batch, made.length))
    assert found.high <= preset.gpu_memory_gb * 1e9


def test_liger_leaves_the_logits_out_where_it_knows_the_model_and_the_stage() -> None:
    def logits(name: str, **values: Any) -> float:
        return peak(name, length=4096, **values).parts.logits

    assert logits(LLAMA, enable_liger_kernel=True) < 0.1 * logits(LLAMA)
    assert logits(LLAMA, enable_liger_kernel=True, stage="dpo") == logits(LLAMA, stage="dpo")
    neox = "EleutherAI/polyglot-ko-5.8b"
    assert logits(neox, enable_liger_kernel=True) == logits(neox)


def test_frozen_weights_have_the_checkpoints_size() -> None:
    found, plain = peak(gradient_accumulation_steps=2), shape()
    assert found.parts.weights == plain.parameters * 2
    assert found.parts.adapters == found.trainable * 4
    assert found.parts.optimiser == found.trainable * 8
    assert found.parts.gradients == found.trainable * 4


def test_full_training_takes_sixteen_bytes_a_parameter() -> None:
    """float32 weights, gradients and AdamW's two numbers (``model/adapter.py``)."""
    found = peak("Qwen/Qwen3-0.6B", gradient_accumulation_steps=2, **_FULL)
    parts = found.parts
    assert parts.weights + parts.gradients + parts.optimiser == 16 * shape("Qwen/Qwen3-0.6B").parameters


def test_nf4_takes_half_a_byte_and_its_scales() -> None:
    assert quantized_bytes(setup(quantization_bit=4)) == pytest.approx(0.5 + 1 / 64 + 4 / 16384)
    assert quantized_bytes(setup(quantization_bit=4, double_quantization=False)) == 0.5625
    assert quantized_bytes(setup(quantization_bit=8)) == 1


@pytest.mark.parametrize("method", ["bitsandbytes", "gptq", "BNB"])
def test_a_word_that_llamafactory_does_not_know_quantizes_nothing(method: str) -> None:
    assert peak(quantization_bit=4, quantization_method=method).parts.weights == peak().parts.weights


def test_a_reference_model_lies_beside_one_that_is_trained_whole() -> None:
    whole, beside = peak(**_FULL).parts.weights, peak(stage="dpo", **_FULL).parts.weights
    assert beside - whole == shape().parameters * 2
    assert peak(stage="dpo").parts.weights == peak().parts.weights


def test_losses_that_compare_with_nothing_keep_no_reference() -> None:
    alone = peak(**_FULL).parts.weights
    for loss in ("orpo", "simpo"):
        assert peak(stage="dpo", pref_loss=loss, **_FULL).parts.weights == alone
        assert peak(stage="dpo", pref_loss=loss, ref_model="org/other").parts.weights == peak().parts.weights
    assert peak(stage="kto", pref_loss="orpo", **_FULL).parts.weights > alone


def test_a_reference_of_its_own_may_be_quantized() -> None:
    plain = peak().parts.weights
    whole = peak(stage="dpo", ref_model="org/other").parts.weights - plain
    quarter = peak(stage="dpo", ref_model="org/other", ref_model_quantization_bit=4).parts.weights - plain
    assert whole == shape().parameters * 2
    assert 0.25 * whole < quarter < 0.45 * whole


def test_longer_rows_of_an_evaluation_may_be_the_peak() -> None:
    made = setup(eval_strategy="steps", val_size=0.1)
    short, long = (estimate(shape(), made, Load(1, 128, 1, evaluated)) for evaluated in (128, 8192))
    assert long.phase == "evaluation"
    assert long.total > short.total + 1e9


@pytest.mark.parametrize(
    ("stage", "less"), [(1, ("optimiser",)), (2, ("optimiser", "gradients")), (3, ("weights",))]
)
def test_zero_deals_states_out(tmp_path: Path, stage: int, less: tuple[str, ...]) -> None:
    (tmp_path / "ds.json").write_text(json.dumps({"zero_optimization": {"stage": stage}}))
    values = {"stage": "sft", "bf16": True, "deepspeed": "ds.json", "gradient_accumulation_steps": 2, **_FULL}
    made = read_setup(given(tmp_path, **values))
    one, four = (estimate(shape(), made, Load(1, 1024, gpus)) for gpus in (1, 4))
    for part in less:
        assert getattr(four.parts, part) == getattr(one.parts, part) / 4
    assert four.margin > peak().margin
    assert any("deepspeed" in note for note in four.notes)


def test_offloaded_states_lie_in_the_machines_memory() -> None:
    zero = {
        "zero_optimization": {
            "stage": 3,
            "offload_optimizer": {"device": "cpu"},
            "offload_param": {"device": "cpu"},
        }
    }
    parts = peak(deepspeed=zero, **_FULL).parts
    assert (parts.weights, parts.optimiser) == (0, 0)


def test_an_evaluation_of_eight_rows_needs_more_than_training_on_one() -> None:
    """transformers evaluates eight rows at once unless it is told otherwise (issue 5419 of LLaMA-Factory)."""
    evaluated = {"eval_strategy": "steps", "val_size": 0.1}
    plain, eight = peak(), peak(**evaluated)
    assert (plain.phase, eight.phase) == ("loss", "evaluation")
    assert eight.total > plain.total
    assert peak(per_device_eval_batch_size=1, **evaluated).total == plain.total
    assert peak(eval_strategy="steps").total == plain.total, "no rows to evaluate on"


def test_an_unknown_optimiser_is_taken_for_the_larger_and_said() -> None:
    found = peak(use_galore=True, **_FULL)
    assert found.parts.optimiser == peak(**_FULL).parts.optimiser
    assert any("galore" in note for note in found.notes)


def test_ppo_and_oft_are_refused_honestly() -> None:
    with pytest.raises(UsageError, match="ppo is not estimated"):
        peak(stage="ppo")
    with pytest.raises(UsageError, match="oft is not estimated"):
        peak(finetuning_type="oft")


def test_calibrated_constants_scale_what_they_name() -> None:
    low = estimate(shape(), setup(), Load(1, 1024), Constants(context=0, reserve=0, work=1, margin=0))
    high = estimate(shape(), setup(), Load(1, 1024), Constants(context=1e9, reserve=0.1, work=2, margin=0.5))
    assert low.parts.overhead == 0
    assert high.parts.activations == 2 * low.parts.activations
    assert high.parts.weights == low.parts.weights
    assert high.margin == 0.5


# Adapters


def test_lora_on_all_modules_has_ranks_times_both_ends() -> None:
    assert find_trainable(shape("Qwen/Qwen3-4B"), setup()).parameters == 16_515_072  # LLaMA-Factory's own log
    assert find_trainable(shape(), setup()).parameters == 20_971_520
    assert find_trainable(shape(), setup(lora_target="q_proj,v_proj")).parameters == 3_407_872


def test_all_finds_gpt_neoxs_output_layer_and_not_llamas() -> None:
    neox = shape("EleutherAI/polyglot-ko-5.8b")
    named = "query_key_value,dense,dense_h_to_4h,dense_4h_to_h"
    found, without = find_trainable(neox, setup()), find_trainable(neox, setup(lora_target=named))
    assert found.parameters - without.parameters == 8 * (neox.vocab + neox.hidden)
    assert "lm_head" not in find_trainable(shape(), setup()).adapted


def test_a_target_that_is_no_module_says_which_there_are() -> None:
    with pytest.raises(UsageError, match="names no module") as caught:
        find_trainable(shape("EleutherAI/polyglot-ko-5.8b"), setup(lora_target="q_proj"))
    assert "query_key_value" in caught.value.mend


def test_a_resized_vocabulary_trains_both_ends_whole() -> None:
    plain, resized = find_trainable(shape(), setup()), find_trainable(shape(), setup(add_tokens="<a>,<b>"))
    assert resized.copies == 2 * shape().embedding
    assert resized.adapter == plain.adapter


def test_freeze_counts_layers_and_modules() -> None:
    llama = shape()
    whole = find_trainable(llama, setup(finetuning_type="freeze", freeze_trainable_layers=3))
    assert whole.parameters == 3 * (llama.layer_linears + llama.layer_norms)
    mlp = find_trainable(llama, setup(finetuning_type="freeze", freeze_trainable_modules="mlp"))
    assert mlp.parameters == 2 * 3 * llama.hidden * llama.intermediate
    with_head = find_trainable(llama, setup(finetuning_type="freeze", freeze_extra_modules="lm_head"))
    assert with_head.head
