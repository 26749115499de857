"""Korean text's one form, and names that people would call the same."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millhand.text.normal import clean_cell, did_you_mean, match_key, nearest, nfc, slug
from millhand.workspace import check_name


@given(st.text())
def test_composing_is_pythons_and_idempotent(text: str) -> None:
    assert nfc(text) == unicodedata.normalize("NFC", text)
    assert nfc(nfc(text)) == nfc(text)


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("  답변 ", "답변"),
        ("\ufeff질문", "질문"),
        ("a\r\n\r\nb\rc", "a\n\nb\nc"),
        ("가  나", "가  나"),
        ("\u200b\u3000가\u00a0", "가"),
        ("\n", ""),
    ],
)
def test_a_cell_keeps_what_is_inside_and_loses_what_is_around(cell: str, text: str) -> None:
    assert clean_cell(cell) == text


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("질문 (필수)", "질문"),
        ("질문내용", "질문"),
        (unicodedata.normalize("NFD", "답변"), "답변"),
        ("Answer Text", "answer"),
        ("system_prompt", "System Prompt"),
    ],
)
def test_columns_that_a_person_calls_the_same_match(one: str, other: str) -> None:
    assert match_key(one) == match_key(other)


def test_columns_that_differ_do_not_match() -> None:
    keys = {match_key(name) for name in ("질문", "질문자", "질문일", "답변", "답변자", "내용", "(비고)")}
    assert len(keys) == 7


@given(st.text(max_size=30))
def test_any_files_stem_gives_a_legal_name(stem: str) -> None:
    try:
        assert check_name(slug(stem), "dataset") == slug(stem)
    finally:
        assert "/" not in slug(stem)


def test_a_slug_keeps_hangul() -> None:
    assert slug(unicodedata.normalize("NFD", "민원 상담(2024)")) == "민원_상담_2024"
    assert slug("...") == "dataset"


def test_the_nearest_name_is_found() -> None:
    assert nearest("ouput", ["input", "output", "system"]) == ["output"]
    assert did_you_mean("답변내용", ["질문", "답변"]) == "Did you mean '답변'?"
    assert did_you_mean("zzz", ["질문"]) == ""
