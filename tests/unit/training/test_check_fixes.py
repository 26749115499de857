"""What ``millhand check --fix`` writes: only what is safe, and never a file that cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millhand.llamafactory.knowledge import shipped
from millhand.llamafactory.yaml import parse_yaml
from millhand.training.check.fixes import diff, mended
from millhand.training.check.keys import RENAMED
from millhand.training.check.preflight import check_config
from millhand.training.check.subject import Config


def fixed(text: str) -> str:
    document = parse_yaml(text, "train.yaml")
    return mended(document, text, check_config(Config("train", document, shipped(), Path())))


def test_what_is_safe_is_mended_and_the_rest_stays() -> None:
    text = (
        "# mine\nevaluation_strategy: steps  # often\nsave_safetensors: true\nsave_strategy: no\n"
        'learning_rate: "1e-4"\nbf16: "false"\nlora_rank: "a"\nlearning_rat: 1\n'
    )
    after = fixed(text)
    assert after == (
        '# mine\neval_strategy: steps  # often\nsave_strategy: "no"\n'
        'learning_rate: 1e-4\nbf16: false\nlora_rank: "a"\nlearning_rat: 1\n'
    )
    assert "+eval_strategy: steps  # often\n" in diff(text, after, "train.yaml")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("max_seq_length: 2048\nmodel_max_length: 1024\n", "cutoff_len: 2048\nmodel_max_length: 1024\n"),
        ("lr: 1e-4\nlearning_rate: 2e-4\n", "lr: 1e-4\nlearning_rate: 2e-4\n"),
        ("evaluation_strategy: no\n", 'eval_strategy: "no"\n'),
        ('lora_r: "8"\n', "lora_rank: 8\n"),
        ("lora_target_modules: [q_proj, v_proj]\n", "lora_target: [q_proj, v_proj]\n"),
        ("\ufefflr: 1e-4\nseed: 1\n", "\ufefflearning_rate: 1e-4\nseed: 1\n"),
        ("\ufeffsave_safetensors: true\nseed: 1\n", "\ufeffseed: 1\n"),
        ("seed: 1\r\nepochs: 3", "seed: 1\r\nnum_train_epochs: 3"),
        # what would not be a value of the key
        ("use_auth_token: true\n", "use_auth_token: true\n"),
        ("flash_attention: true\n", "flash_attention: true\n"),
        ("fp16: '1'\n", "fp16: '1'\n"),
        ("lora_rank: '1.5'\n", "lora_rank: '1.5'\n"),
    ],
)
def test_a_key_is_renamed_only_where_the_value_fits_and_nothing_has_the_name(before: str, after: str) -> None:
    assert fixed(before) == after


def test_the_last_line_of_a_diff_stands_alone() -> None:
    before = "seed: 1\nevaluation_strategy: steps"
    assert diff(before, fixed(before), "train.yaml").endswith(
        "-evaluation_strategy: steps\n+eval_strategy: steps\n"
    )


_VALUES = st.sampled_from(["1", '"1"', "true", "no", "'false'", "1e-4", "text", "[a, b]", "", "null", "2.5"])
_KEYS = st.sampled_from(
    [*RENAMED, *set(RENAMED.values()), "save_safetensors", "seed", "bf16", "save_strategy"]
)


@given(st.dictionaries(_KEYS, _VALUES, max_size=6))
def test_a_mended_file_can_be_read_and_mending_it_again_changes_nothing(values: dict[str, str]) -> None:
    text = "".join(f"{key}: {value}\n" for key, value in values.items())
    after = fixed(text)
    assert len(parse_yaml(after, "").values) >= len(values) - 1  # of these keys one may be taken out
    assert fixed(after) == after
