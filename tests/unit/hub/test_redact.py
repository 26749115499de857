"""What of a text is taken for a machine's, and what is let be."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millhand.hub.redact import machine_words, without_machine, without_machine_in


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("/home/kim/models/llama", "…/llama"),
        ("/home/kim lee/my models/llama", "…/llama"),
        ("/home/kim", "…"),
        ("~/models/x", "…"),
        ("~kim", "…"),
        ("C:\\Users\\kim\\data\\x.csv", "…/x.csv"),
        ("\\\\server\\share\\kim\\x", "…/x"),
        ("../../kim/x", "…"),
        ("file:///home/kim/a/x", "…/x"),
        ("see /home/kim/x.txt, and D:/data/kim", "see …, and …"),
        ("a=/home/kim/a,/home/kim/b", "a=…,…"),
    ],
)
def test_a_path_of_a_machine_is_taken_out(text: str, left: str) -> None:
    assert "kim" not in without_machine(text)
    if not text.startswith("~/"):
        assert without_machine(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "org/base", "models/tiny", "outputs/qa-2", "https://huggingface.co/org/base", "기사/사설/칼럼",
        "and/or", "1/2/3", "/no_think 로 묻습니다", "~입니다", "</think>\n\n", "10:20", "{{ .System }}</s>",
        "a: b/c", "### Instruction:\n", "비율은 3/4, 값은 1/2", "~100개",
    ],
)  # fmt: skip
def test_what_is_no_path_of_a_machine_is_let_be(text: str) -> None:
    assert without_machine(text) == text


def test_words_are_taken_out_whole_and_behind_letters_where_they_are_paths() -> None:
    assert without_machine("자리는/srv/kim/x 입니다", ["/srv/kim"]) == "자리는…/x 입니다"
    assert without_machine("swordfish and swordfishes", ["swordfish"]) == "… and swordfishes"
    assert without_machine("no words", [""]) == "no words"


def test_every_text_of_a_value_is_looked_at_and_keys_named_like_secrets_are_masked() -> None:
    value = {"hub_token": "abc", "a": ["/home/kim/x/y", {"b": 1, "/home/kim/q/z": True}], "eos_token_id": 3}
    assert without_machine_in(value) == {
        "hub_token": "••••",
        "a": ["…/y", {"b": 1, "…/z": True}],
        "eos_token_id": 3,
    }


def test_the_home_folder_and_those_given_are_words(tmp_path: Path) -> None:
    words = machine_words(tmp_path)
    assert str(tmp_path) in words
    assert list(words) == sorted(words, key=len, reverse=True)
    assert "/root" not in words


@given(st.text(st.sampled_from("/\\~.:aC ,'\n한"), max_size=60))
def test_it_ends_and_is_done_once(text: str) -> None:
    assert without_machine(without_machine(text)) == without_machine(text)
