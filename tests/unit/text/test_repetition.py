"""Gopher's shares, by hand and against a slow second count."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millhand.text.boilerplate import boilerplate_of, line_kind
from millhand.text.cautious import cautious, stands_in
from millhand.text.repetition import duplicate_share, repetition_of, top_share

_WORDS = st.lists(st.sampled_from(["가", "나다", "라마바"]), min_size=1, max_size=40)


def test_shares_by_hand() -> None:
    words = ["문을", "닫고", "문을", "닫고", "간다"]
    assert top_share(words, 2, 10) == 0.8
    assert duplicate_share(words, 2, 10) == 0.8
    assert top_share(words, 3, 10) == 0.0


@given(_WORDS, st.integers(1, 5))
def test_duplicates_hold_what_a_slow_count_says(words: list[str], n: int) -> None:
    grams = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
    held = {i + k for i, gram in enumerate(grams) if grams.count(gram) > 1 for k in range(n)}
    chars = sum(map(len, words))
    assert duplicate_share(words, n, chars) == pytest.approx(sum(len(words[i]) for i in held) / chars)
    assert 0 <= top_share(words, n, chars) <= 1


def test_short_texts_are_not_judged_by_shares() -> None:
    assert repetition_of("가 나 " * 20) is None
    assert repetition_of("가 나 " * 30)


def test_slack() -> None:
    text = " ".join([*(f"낱말{i}" for i in range(60)), *["전년 대비 오른 값이 많다"] * 5])
    assert repetition_of(text)
    assert repetition_of(text, 10) is None


@pytest.mark.parametrize("text", ["ㅋㅋㅋㅋㅋㅋㅋㅋㅋㅋㅋㅋ", "네네네네네네네네네네네", "알겠습니다" * 10])
def test_stuck(text: str) -> None:
    found = repetition_of(text)
    assert found
    assert found.what == "syllables"


@pytest.mark.parametrize("text", ["-" * 80, "1" * 40, "하하하, 그렇다"])
def test_not_stuck(text: str) -> None:
    assert repetition_of(text) is None


@given(st.text(max_size=300))
def test_any_text_has_an_answer(text: str) -> None:
    repetition_of(text * 20)
    boilerplate_of(text)


@pytest.mark.parametrize(
    "line", ["." * 300, "- " * 150, "홈 " * 100 + "가", " " * 299 + "1", "copyright " * 30]
)
def test_long_lines_of_few_signs_end(line: str) -> None:
    line_kind(line)


@given(st.text(alphabet="ab(){}[]*+?|\\1,^$.", max_size=20), st.text(alphabet="ab1\n", max_size=200))
def test_a_pattern_is_refused_or_ends(pattern: str, text: str) -> None:
    try:
        compiled = cautious(pattern)
    except ValueError:
        return
    stands_in(compiled, text)
