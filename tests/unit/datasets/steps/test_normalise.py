"""normalise: what changes in which texts of a piece, and what is said of it."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millhand.datasets.records import Message
from millhand.datasets.steps.normalise import STEP
from millhand.documents.document import Code, Table
from tests.unit.datasets.steps.making import PLACE, Ran, passage, record


def test_every_text_of_a_passage() -> None:
    table = Table(
        (("점검일\u200b", "2024.3.1."), ("결과", "양호  함")), PLACE, caption="표  1", unit="단위 : 원 "
    )
    code = Code("a  =  '2024.3.1.'", PLACE)
    (piece,) = Ran(STEP, [passage("시행일은 2024-03-01 이다", table, code, headings=("1.  순찰",))]).pieces
    assert piece.passage
    assert piece.passage.headings == ("1. 순찰",)
    assert piece.passage.blocks[0].text == "시행일은 2024년 3월 1일 이다"  # type: ignore[union-attr]
    made = piece.passage.blocks[1]
    assert isinstance(made, Table)
    assert made.rows == (("점검일", "2024년 3월 1일"), ("결과", "양호 함"))
    assert (made.caption, made.unit) == ("표 1", "단위 : 원")
    assert piece.passage.blocks[2] == code


def test_every_text_of_a_record() -> None:
    messages = (Message("human", "언제  부터?"), Message("gpt", "2024.3.1.부터"))
    given_ = record("언제  부터?", "2024.3.1.부터", messages=messages, history=(("가\u00a0?", "나 "),))
    (piece,) = Ran(STEP, [given_], dates="iso").pieces
    assert piece.record
    assert (piece.record.instruction, piece.record.output) == ("언제 부터?", "2024-03-01부터")
    assert [message.value for message in piece.record.messages] == ["언제 부터?", "2024-03-01부터"]
    assert piece.record.history == (("가 ?", "나"),)


def test_fenced_code_in_an_answer_stays() -> None:
    answer = "```\nDATE = 2024-03-01  # a\n```"
    (piece,) = Ran(STEP, [record(answer=answer)]).pieces
    assert piece.record
    assert piece.record.output == answer


def test_what_is_told() -> None:
    ran = Ran(
        STEP, [passage(id="same"), passage("가  나다", id="blanks"), passage("2024.3.1.  부터", id="dates")]
    )
    assert ran.tally.changed == 2
    assert ran.tally.counts == {"with dates rewritten": 1}
    assert [(s.piece, s.reason) for s in ran.tally.samples] == [
        ("blanks", "signs and blanks"),
        ("dates", "dates"),
    ]


def test_dates_may_be_kept() -> None:
    (piece,) = Ran(STEP, [passage("2024.3.1.  부터")], dates="keep").pieces
    assert piece.text.endswith("2024.3.1. 부터")


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        Ran(STEP, [], date="iso")


@given(st.text(max_size=80))
def test_twice_is_once(text: str) -> None:
    once = Ran(STEP, [passage(text)]).pieces
    twice = Ran(STEP, once)
    assert twice.pieces == once
    assert twice.tally.changed == 0
