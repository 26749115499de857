"""Shapes: totals as the models' own cards state them, and what is refused."""

from __future__ import annotations

import pytest

from millhand.errors import UsageError
from millhand.training.estimate.models import table
from millhand.training.estimate.shapes import read_shape
from millhand.training.presets import load_preset, preset_paths
from tests.unit.training.estimate.given import LLAMA, shape

# The totals that the makers state on the models' cards.
STATED = {
    "meta-llama/Meta-Llama-3-8B-Instruct": 8_030_261_248,
    "Qwen/Qwen3-0.6B": 596_049_920,
    "EleutherAI/polyglot-ko-1.3b": 1_331_810_304,
    "EleutherAI/polyglot-ko-3.8b": 3_809_974_272,
    "EleutherAI/polyglot-ko-5.8b": 5_885_059_072,
    "EleutherAI/polyglot-ko-12.8b": 12_893_603_840,
    "LGAI-EXAONE/EXAONE-3.5-7.8B-Instruct": 7_818_448_896,
    "LGAI-EXAONE/EXAONE-3.5-2.4B-Instruct": 2_405_327_360,
    "LGAI-EXAONE/EXAONE-3.5-32B-Instruct": 32_003_200_000,
}


@pytest.mark.parametrize(("name", "parameters"), STATED.items())
def test_a_shape_has_as_many_parameters_as_its_maker_states(name: str, parameters: int) -> None:
    assert shape(name).parameters == parameters


@pytest.mark.parametrize("name", sorted(table()))
def test_every_shipped_shape_can_be_read_and_names_its_source(name: str) -> None:
    base = table()[name]
    assert base.source.startswith("https://")
    found = read_shape(base.config, name)
    assert found.parameters > 0
    assert found.model_type == base.config["model_type"]
    assert found.queries % found.head_dim == 0


@pytest.mark.parametrize("preset", sorted(preset_paths()))
def test_the_model_of_every_preset_ships(preset: str) -> None:
    name = load_preset(preset).train.values()["model_name_or_path"]
    assert name in table() or name.startswith("models/"), name


def test_what_is_tied_is_counted_once() -> None:
    tied, apart = shape("Qwen/Qwen3-4B"), shape("Qwen/Qwen3-8B")
    assert (tied.head, apart.head) == (0, apart.vocab * apart.hidden)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"model_type": "mamba"}, "'mamba' are not estimated"),
        ({}, "'(none)'"),
        ({"model_type": "gemma3", "text_config": {}, "vision_config": {}}, "text and images"),
        ({"model_type": "llama", "hidden_size": 64}, "num_attention_heads"),
        ({"model_type": "llama", "hidden_size": "wide", "num_attention_heads": 4}, "wide"),
    ],
)
def test_what_is_not_covered_is_said(config: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said.replace("(", r"\(").replace(")", r"\)")):
        read_shape(config, "owner/model")


@pytest.mark.parametrize(
    ("key", "value", "size"),
    [
        ("dtype", "bfloat16", 2),
        ("torch_dtype", "float16", 2),
        ("torch_dtype", "torch.float32", 4),
        ("x", "", 4),
    ],
)
def test_the_checkpoints_type_is_what_is_loaded(key: str, value: str, size: int) -> None:
    config = {k: v for k, v in table()[LLAMA].config.items() if k != "torch_dtype"}
    assert read_shape({**config, key: value}, "m").weight_bytes == size


def test_a_quantized_checkpoint_is_seen_and_one_that_is_unpacked_is_not() -> None:
    config = table()[LLAMA].config
    bnb = read_shape(
        {**config, "quantization_config": {"quant_method": "bitsandbytes", "load_in_8bit": True}}, "m"
    )
    gptq = read_shape({**config, "quantization_config": {"quant_method": "gptq", "bits": 3}}, "m")
    fp8 = read_shape({**config, "quantization_config": {"quant_method": "fp8"}}, "m")
    assert [(s.quantized, s.quantized_bits) for s in (bnb, gptq, fp8)] == [
        ("bitsandbytes", 8),
        ("gptq", 3),
        ("", 0),
    ]
