"""One form of a text: what is unseen goes, what is seen stays."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millhand.text.tidy import tidy

_SEEN = st.text(alphabet="가나 a1,.-%㈜①㎡·\n\t₩“”…", max_size=60)
_UNSEEN = st.sampled_from(["\x00", "\u200b", "\ufeff", "\u202e", "\xad", "\x7f", "\u2060", "\U000e0041"])
_ANY = st.text(
    alphabet=st.one_of(
        st.characters(exclude_categories=["Cs"]), st.sampled_from("\u200b\xa0 \t\r\n`~가각e\u0301")
    )
)


@pytest.mark.parametrize(
    ("text", "one"),
    [
        ("가\r\n나\r다\u2028라\x0c마", "가\n나\n다\n라\n마"),
        ("문을\u00a0\u3000 잠근다  ", "문을 잠근다"),
        ("\ufeff경\u200b비\x00원", "경비원"),
        ("1,234.50\u00a0백만원", "1,234.50 백만원"),
        ("㈜한빛 ①번 35㎡ ½ ２", "㈜한빛 ①번 35㎡ ½ ２"),
        ("- 하나\n  - 둘\n    - 셋", "- 하나\n  - 둘\n    - 셋"),
        ("구분 \t금액\n계\t\t12", "구분\t금액\n계\t\t12"),
        ("가\n\n\n\n나", "가\n\n나"),
        ("👨‍👩‍👧 가족", "👨‍👩‍👧 가족"),
        ("한\u200d글", "한글"),
        ("\u1112\u1161\u11ab", "한"),
        ("성명\u3164홍", "성명 홍"),
        ("", ""),
    ],
)
def test_one_form(text: str, one: str) -> None:
    assert tidy(text) == one


def test_code_stays_sign_by_sign() -> None:
    code = "```python\nx  =\t1   \n\n\n\ny = 2\u00a0\n```"
    assert tidy(f"앞  뒤\n{code}\n끝  끝") == f"앞 뒤\n{code}\n끝 끝"
    assert tidy("가  나\n~~~\na  b") == "가 나\n~~~\na  b"
    assert tidy("```a  b``` 가  나") == "```a b``` 가 나"


@given(_ANY)
def test_twice_is_once(text: str) -> None:
    assert tidy(tidy(text)) == tidy(text)


@given(_SEEN, _UNSEEN, st.integers(0, 60))
def test_an_unseen_sign_leaves_no_trace(text: str, sign: str, at: int) -> None:
    assert tidy(text[:at] + sign + text[at:]) == tidy(text)


@given(st.text(alphabet=st.characters(categories=["L", "N", "P", "S"]), max_size=80))
def test_letters_digits_and_punctuation_stay(text: str) -> None:
    blank = "\u2800\u3164\uffa0\u115f\u1160"
    seen = "".join(c for c in text if c not in blank)
    assert "".join(tidy(seen).split()) == "".join(unicodedata.normalize("NFC", seen).split())


def test_a_megabyte_of_blanks_is_quickly_gone() -> None:
    assert tidy("가" + " " * 1_000_000 + "\u00a0나" + " " * 1_000_000) == "가 나"
    assert tidy("가" + " " * 1_000_000 + "\t" * 1_000 + "나·")[-2:] == "나·"
