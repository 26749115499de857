"""Numbers of headings, markers of lists, and what language a text is in."""

from __future__ import annotations

import pytest

from millhand.text.language import language_of
from millhand.text.numbering import split_marker, split_number, split_step


@pytest.mark.parametrize(
    ("text", "number", "kind", "rest"),
    [
        ("II. 사업의 내용", "II.", "roman", "사업의 내용"),
        ("Ⅲ. 재무", "Ⅲ.", "roman", "재무"),
        ("제 3 장 출입 통제", "제 3 장", "chapter", "출입 통제"),
        ("제12조의2 (목적)", "제12조의2", "clause", "(목적)"),
        ("2-1. 연결 재무상태표", "2-1.", "decimal", "연결 재무상태표"),
        ("1.2.3 순찰", "1.2.3", "decimal", "순찰"),
        ("7. 기타", "7.", "digit", "기타"),
        ("가. 개요", "가.", "hangul", "개요"),
        ("1) 문", "1)", "half", "문"),
        ("(가) 창", "(가)", "bracket", "창"),
        ("③ 불", "③", "circle", "불"),
    ],
)
def test_numbers(text: str, number: str, kind: str, rest: str) -> None:
    found = split_number(text)
    assert found is not None
    assert (found.number, found.kind, found.rest) == (number, kind, rest)


@pytest.mark.parametrize(
    "text", ["사업의 내용", "1.5배로 늘었다", "2023년 1월", "가나다라", "3.14", "제13장에 따라", ""]
)
def test_no_numbers(text: str) -> None:
    assert split_number(text) is None


def test_ranks_go_from_chapters_to_circles() -> None:
    texts = ["제1장 a", "제1절 a", "I. a", "1.1 a", "1. a", "가. a", "1) a", "(1) a", "① a"]
    ranks = [found.rank for found in map(split_number, texts) if found]
    assert ranks == sorted(ranks)
    assert len(set(ranks)) == len(texts)


@pytest.mark.parametrize(
    ("text", "marker", "rest"),
    [
        ("- 문", "-", "문"),
        ("•문", "•", "문"),
        ("ㆍ현금", "ㆍ", "현금"),
        ("① 불", "①", "불"),
        ("(1) 물", "(1)", "물"),
    ],
)
def test_markers(text: str, marker: str, rest: str) -> None:
    assert split_marker(text) == (marker, rest)


@pytest.mark.parametrize("text", ["-5%", "*주", "1. 문", "가. 문", "①", "-", "본문"])
def test_what_marks_no_list(text: str) -> None:
    assert split_marker(text) is None


def test_language() -> None:
    assert language_of("당사는 DRAM, NAND Flash를 생산합니다") == "ko"
    assert language_of("The company makes memory.") is None
    assert language_of("12,345") is None


@pytest.mark.parametrize(
    ("text", "parted"),
    [
        ("1. 문을 잠근다.", ("1.", "문을 잠근다.")),
        ("12. 불을 껐습니까?", ("12.", "불을 껐습니까?")),
        ("1. 목적", None),
        ("1.5배로 늘었다.", None),
        ("가. 문을 잠근다.", None),
    ],
)
def test_steps(text: str, parted: tuple[str, str] | None) -> None:
    assert split_step(text) == parted
