"""filter: each reason drops what it names, and nothing that is worth learning."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millhand.datasets.pieces import Piece
from millhand.datasets.steps.filter import STEP
from millhand.documents.document import Code, Table
from tests.unit.datasets.steps.making import PLACE, Ran, passage, record

_PROSE = (
    "경비원은 근무를 시작하기 전에 복장과 장비를 점검하고 인수인계 사항을 확인한다. 순찰은 정해진 "
    "경로를 따라 하며, 이상이 있으면 즉시 관제실에 알린다. "
    "방문객은 안내 데스크에서 신분을 확인한 뒤 출입증을 받는다."
)
_TABLE = Table((("구분", "금액"), *((f"항목 {i % 3}", "1,000") for i in range(60))), PLACE)


@pytest.mark.parametrize(
    ("piece", "reason"),
    [
        (passage(""), "empty"),
        (passage("끝."), "too short"),
        (record(answer=" "), "empty answer"),
        (record(question=""), "empty question"),
        (record(question="?"), "question too short"),
        (
            passage("목차\n제1장 출입 통제 ........ 3\n제2장 순찰 ·········· 12\n제3장 화재 … … … 20"),
            "table of contents",
        ),
        (passage("- 12 -\n13 / 40\nPage 14"), "page numbers"),
        (
            passage("Copyright © 2024 한빛시큐리티. All rights reserved.\n무단 전재 및 재배포 금지"),
            "copyright",
        ),
        (passage("이 페이지는 의도적으로 비워 두었습니다."), "blank on purpose"),
        (passage("This page intentionally left blank"), "blank on purpose"),
        (passage("홈 > 회사소개 > 오시는 길\n로그인 | 회원가입 | 사이트맵"), "menu"),
        (passage("로그인 회원가입 사이트맵 고객센터"), "menu"),
        (record(answer="로그인 | 회원가입 | 사이트맵"), "menu"),
        (passage("■■■■□□□□---===***///■■■■□□□□---===***/// 가나"), "mostly symbols"),
        (passage("문이 열\ufffd다고 한다. 그렇다."), "broken signs"),
        (record(answer="네 " + "알겠습니다" * 12), "repeated syllables"),
        (record(answer="\n".join([_PROSE] * 4)), "repeated lines"),
        (record(answer=" ".join([_PROSE, *["문을 닫고 불을 끈다"] * 20])), "repeated 3-grams"),
    ],
)
def test_dropped(piece: Piece, reason: str) -> None:
    ran = Ran(STEP, [piece])
    assert ran.tally.dropped == {reason: 1}
    assert not ran.pieces


@pytest.mark.parametrize(
    "piece",
    [
        passage(_PROSE),
        passage(_TABLE),
        passage(*[_PROSE] * 4),
        passage(Code("x = 1\n" * 60, PLACE), _PROSE),
        passage("1. 문을 잠근다.\n2. 불을 끈다.\n3. 열쇠를 넣는다."),
        passage("다음 페이지로 넘어간다. 이전 목록은 검색에서 본다."),
        passage("저작권법 제4조에 따라 저작물을 보호하는 방법을 정한다."),
        passage("여백을 두고 주차한다. 여백은 2미터이다."),
        record(answer="3"),
        record(answer="12쪽"),
        record(answer="네"),
        record(question="목차란?", answer="목차"),
        passage("출입 기록의 무단 복제 및 배포를 금지한다."),
        passage("저작권은 회사에 있으며 직원이 따로 쓸 수 없습니다."),
        record(answer="네, 무단 전재는 금지입니다"),
        record(answer="다음 검색 버튼을 누른다"),
        record(answer="이전/다음/목록 단추로 옮겨 갑니다."),
        record(answer="홈 > 검색 > 상세 설정을 누릅니다"),
        record(answer="홈 > 고객센터 > 문의를 누르고, 내용을 적습니다."),
    ],
)
def test_kept(piece: Piece) -> None:
    ran = Ran(STEP, [piece])
    assert ran.pieces == [piece]
    assert not ran.tally.dropped


@pytest.mark.parametrize(
    ("options", "piece", "reason"),
    [
        ({"min_chars": 100}, passage("짧은 글이다. 그렇다."), "too short"),
        ({"max_chars": 20}, passage(_PROSE), "too long"),
        ({"max_question_chars": 5}, record(), "question too long"),
        ({"max_answer_chars": 5}, record(), "answer too long"),
        ({"min_answer_chars": 50}, record(), "answer too short"),
        ({"language": "ko"}, passage("The guard closes the door and keeps the key."), "not Korean"),
        (
            {"max_digits": 0.5},
            passage("1,234 5,678 9,012 3,456 7,890 1,234 5,678 9,012 3,456"),
            "mostly digits",
        ),
        ({"prose_repetition": 1.0}, passage(*[_PROSE] * 4), "repeated lines"),
        ({"drop": ["^주의"]}, passage("문을 닫는다.\n주의: 뜨겁다."), "pattern ^주의"),
    ],
)
def test_options(options: dict[str, Any], piece: Piece, reason: str) -> None:
    assert Ran(STEP, [piece]).pieces == [piece]
    assert Ran(STEP, [piece], **options).tally.dropped == {reason: 1}


def test_a_korean_text_full_of_latin_names_is_korean() -> None:
    piece = passage("당사는 DRAM, NAND Flash, Mobile AP 등의 반도체를 생산하여 판매하고 있습니다.")
    assert Ran(STEP, [piece], language="ko").pieces == [piece]
    short = record(answer="DRAM")
    assert Ran(STEP, [short], language="ko").pieces == [short]


@pytest.mark.parametrize(
    "pattern",
    ["(a+)+$", "(a|aa)*b", r"(a)\1", "(", "a*b*c*", "(?P<x>a)(?P=x)", "(ab){2,}", "x" * 301, "((a{1,30}))+"],
)
def test_a_pattern_that_may_not_end_is_refused(pattern: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=r"pattern|repeat|refer|longer"):
        Ran(STEP, [], drop=[pattern])


@pytest.mark.parametrize(
    "pattern", [r"^\d{3}-\d{4}$", "광고|홍보", "[*+]+", r"a{2,5}", "(?:끝|마침)$", r"\(1\)*", "[)*]"]
)
def test_other_patterns_are_taken(pattern: str) -> None:
    assert Ran(STEP, [passage()], drop=[pattern]).pieces


@given(st.lists(st.text(alphabet="가나 a.1-|>·\n", max_size=300), max_size=5))
def test_what_comes_goes_on_or_is_counted(texts: list[str]) -> None:
    ran = Ran(STEP, [passage(text, id=str(i)) for i, text in enumerate(texts)])
    assert len(ran.pieces) + sum(ran.tally.dropped.values()) == len(texts)


def test_each_reason_has_its_samples() -> None:
    ran = Ran(STEP, [passage("", id=f"e{i}") for i in range(9)] + [passage("끝.", id="s")])
    assert ran.tally.dropped == {"empty": 9, "too short": 1}
    assert [sample.reason for sample in ran.tally.samples] == ["empty"] * 5 + ["too short"]
