"""Access keys: found where they are ones, let be where they only look like it."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millhand.hub.leaks import find_leaks, find_secrets, masked
from millhand.text.pii import find_pii

_B62 = string.ascii_letters + string.digits


def drawn(length: int, seed: int = 7) -> str:
    """Letters and digits without order."""
    return "".join(_B62[(seed * 7919 + n * n * 31 + n * 17) % 62] for n in range(length))


KEYS = {
    "a Hugging Face token": f"hf_{drawn(34)}",
    "an API key (sk-)": f"sk-proj-{drawn(40)}",
    "an AWS access key": "AKIA" + "ABCDEFGH23456789",
    "a GitHub token": f"ghp_{drawn(36)}",
    "a GitLab token": f"glpat-{drawn(20)}",
    "a RunPod key": f"rpa_{drawn(40)}",
    "a Google API key": f"AIza{drawn(35)}",
    "a Slack token": f"xoxb-{drawn(24)}",
    "a PyPI token": f"pypi-{drawn(60)}",
    "a JSON web token": f"eyJ{drawn(20)}.eyJ{drawn(20)}.{drawn(30)}",
}


@pytest.mark.parametrize(("kind", "key"), KEYS.items())
@pytest.mark.parametrize("around", ["{}", "키는 {} 입니다", '{{"a": "{}"}}', "x={};", "({})"])
def test_a_key_is_found_wherever_it_stands(kind: str, key: str, around: str) -> None:
    text = around.format(key)
    assert kind in {text[hit.start : hit.end] and hit.kind for hit in find_secrets(text)}
    assert key not in masked(text)


@pytest.mark.parametrize(
    "text",
    [
        "task-completions-with-many-words-2024-and-more", '"eos_token": "<|im_end|>"', "password: correct",
        "hf_short", "the secret is: ask", "my sk-learn-style-names-are-long-but-words",
        '"tokenizer_class": "PreTrainedTokenizerFast"',
        "https://host:8080/a@b", "token = os.environ['HF_TOKEN_OF_THE_TEAM']", "sha256: " + "ab12" * 16,
        "비밀번호는 대소문자와 숫자를 섞어 여덟 자 이상으로 만듭니다",
    ],
)  # fmt: skip
def test_what_only_looks_like_a_key_is_let_be(text: str) -> None:
    assert list(find_secrets(text)) == []
    assert masked(text) == text


@pytest.mark.parametrize("word", ["api_key", "API-KEY", "password", "client_secret", "비밀번호"])
@pytest.mark.parametrize("sign", ["=", ": ", '": "', " = '"])
def test_a_drawn_value_after_a_key_word_is_found(word: str, sign: str) -> None:
    assert [hit.kind for hit in find_secrets(f"{word}{sign}{drawn(24)}")] == ["a value that looks like a key"]


def test_a_private_key_is_masked_whole() -> None:
    lines = ("-----BEGIN OPENSSH PRIVATE KEY-----", drawn(60), drawn(60), "-----END OPENSSH PRIVATE KEY-----")
    text = "\n".join(["a", *lines, "b"])
    assert masked(text) == "a\n••••\nb"


@given(st.text(alphabet=st.sampled_from("hf_sk-AKIA:/@.=token aB3 \n"), max_size=60))
def test_masking_is_done_once(text: str) -> None:
    assert masked(masked(text)) == masked(text)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("주민번호 900101-1234568", "a resident number"),
        ("010-2345-6789 로 전화", "a mobile number"),
        ("kim.yuna@naver.com", "an e-mail address"),
        ("4111 1111 1111 1111", "a card number"),
    ],
)
def test_personal_data_is_named_by_its_kind(text: str, kind: str) -> None:
    assert [(hit.group, hit.kind) for hit in find_leaks(text)] == [("personal-data", kind)]


@given(st.text(st.sampled_from("0123456789０１- .@＠()[]atkR*abcdef주민번호"), max_size=40))
def test_what_is_passed_over_for_speed_holds_nothing(text: str) -> None:
    kinds = ("resident", "foreigner", "passport", "driver", "mobile", "card", "account")
    looked = [(hit.start, hit.end) for hit in find_pii(text, kinds)]
    assert [
        (hit.start, hit.end) for hit in find_leaks(text) if hit.group != "secrets" and "mail" not in hit.kind
    ] == looked


def test_a_hash_is_no_number_and_what_stands_beside_it_is_found() -> None:
    text = f'{{"sha256": "{"12345678" * 8}", "text": "010-2345-6789"}}'
    assert [text[hit.start : hit.end] for hit in find_leaks(text)] == ["010-2345-6789"]


@pytest.mark.parametrize("text", ["user@example.com", "4111 1111 1111 1112", "20240115000123"])
def test_what_names_nobody_is_let_be(text: str) -> None:
    assert list(find_leaks(text)) == []
