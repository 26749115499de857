"""The step pii: masks, drops and reports; no value reaches a tally."""

from __future__ import annotations

import sys

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millhand.datasets.pieces import Piece
from millhand.datasets.records import Message, Source, from_messages
from millhand.datasets.steps.base import Tally
from millhand.datasets.steps.pii import STEP
from millhand.documents.document import Picture, Table
from millhand.errors import MissingPackageError
from millhand.text import presidio
from millhand.text.pii import find_pii
from tests.unit.datasets.steps.making import PLACE, Ran, passage, record
from tests.unit.text.personal import FORMS, planted

PHONE, RESIDENT, MAIL = "010-1234-5678", "900101-1234567", "kim@example.com"
EXECUTIVES = Table(
    rows=(
        ("성명", "출생년월", "취임일", "연락처"),
        ("홍길동", "1968.03", "2021.03", "0311234567"),
        ("생년월일", "1970.01", "1971.02", ""),
    ),
    place=PLACE,
    header_rows=1,
)


def everything(piece: Piece) -> str:
    return msgspec.json.encode(piece).decode()


def test_every_text_of_a_passage_is_masked() -> None:
    piece = passage(
        f"문의 {PHONE}", EXECUTIVES, Picture(f"담당 {MAIL}", PLACE), headings=(f"1. 담당 {PHONE}",)
    )
    ran = Ran(STEP, [piece])
    made = everything(ran.pieces[0])
    assert not any(value in made for value in (PHONE, MAIL, "1968.03", "0311234567", "1970.01", "1971.02"))
    assert "2021.03" in made
    assert ran.pieces[0].source.section == "1. 담당 [휴대전화번호]"
    assert ran.tally.counts == {"mobile": 2, "birth": 3, "landline": 1, "email": 1}
    assert ran.tally.changed == 1


def test_every_text_of_a_record_is_masked_and_a_conversation_once() -> None:
    talk = from_messages(
        (
            Message("human", f"저는 {RESIDENT}입니다"),
            Message("gpt", "네"),
            Message("human", f"전화는 {PHONE}"),
            Message("gpt", f"{MAIL}로 보냅니다"),
        ),
        system=f"담당 {PHONE}",
        tools=f'[{{"name": "call", "description": "{PHONE}"}}]',
        source=Source("a.jsonl", "00", section=f"문의 {PHONE}"),
    )
    ran = Ran(STEP, [Piece("c1", Source("a.jsonl", "00"), record=talk), record(answer=MAIL, chosen=PHONE)])
    made = "".join(map(everything, ran.pieces))
    assert not any(value in made for value in (PHONE, RESIDENT, MAIL))
    assert ran.pieces[0].record
    assert ran.pieces[0].record.instruction == "전화는 [휴대전화번호]"
    assert [mark.field for mark in ran.tally.marks if mark.piece == "c1"] == [
        "system", "message 1", "message 3", "message 4", "tools",
    ]  # fmt: skip


def test_marks_are_places_in_the_text_as_it_came() -> None:
    text = f"㈜한국 ﾞ 담당자 ０１０-1234-5678, {MAIL}"
    (piece,) = [record(answer=text)]
    marks = Ran(STEP, [piece], action="report").tally.marks
    assert [(m.piece, m.field, text[m.start : m.end], m.kind) for m in marks] == [
        ("r1", "output", "０１０-1234-5678", "mobile"),
        ("r1", "output", MAIL, "email"),
    ]


@pytest.mark.parametrize("action", ["report", "mask", "drop"])
def test_no_tally_holds_a_value(action: str) -> None:
    given = [passage(f"문의 {PHONE}", EXECUTIVES), record(f"{MAIL}?", RESIDENT)]
    ran = Ran(STEP, given, action=action)
    told = msgspec.json.encode(ran.tally).decode()
    assert not any(value in told for value in (PHONE, MAIL, RESIDENT, "1968.03", "0311234567"))
    assert ("***-****-****" in told) == (action != "report")
    assert ran.ids == ([] if action == "drop" else ["p1", "r1"])
    assert (ran.pieces == given) == (action == "report")
    assert ran.tally.dropped == ({"personal data": 2} if action == "drop" else {})


def test_no_sample_of_any_step_shows_a_value() -> None:
    tally = Tally()
    piece = passage(f"문의 {PHONE}", EXECUTIVES)
    tally.drop(piece, "too short")
    tally.drop(piece, "near", kept=piece)
    tally.change(piece, passage(f"문의:{PHONE}", EXECUTIVES), "blanks")
    told = msgspec.json.encode(tally).decode()
    assert "***-****-****" in told
    assert "2021.03" in told
    assert not any(value in told for value in (PHONE, "1968.03", "0311234567"))


def test_companies_numbers_stay_unless_asked_for() -> None:
    given = [record(answer="사업자등록번호 124-81-00998")]
    assert Ran(STEP, given).pieces == given
    assert Ran(STEP, given, kinds=["business"]).tally.counts == {"business": 1}


def test_a_mask_of_the_same_length() -> None:
    (piece,) = Ran(STEP, [record(answer=f"전화 {PHONE}")], style="shape").pieces
    assert piece.record
    assert piece.record.output == "전화 ***-****-****"


def test_a_mask_that_would_break_tools_drops_the_row() -> None:
    ran = Ran(
        STEP,
        [
            record(tools='[{"default": 01012345678}]'),
            record(id="r2", tools='[{"default": 4111111111111111}]'),
        ],
    )
    assert ran.tally.dropped == {"personal data": 2}


@pytest.mark.parametrize("kind", FORMS)
@given(data=st.data())
def test_what_is_planted_in_a_row_does_not_come_out(kind: str, data: st.DataObject) -> None:
    value, lead = data.draw(planted(kind))
    ran = Ran(STEP, [record(f"{lead}{value} 맞나요?", f"네, {lead}{value} 입니다.")], kinds=list(FORMS))
    assert value not in everything(ran.pieces[0])
    assert value not in msgspec.json.encode(ran.tally).decode()


def test_presidio_is_asked_about_what_the_patterns_do_not_know(monkeypatch: pytest.MonkeyPatch) -> None:
    iban = "DE89 3704 0044 0532 0130 00"
    assert find_pii(iban) == []
    ran = Ran(STEP, [record(answer=f"송금은 {iban} 으로")])
    assert ran.pieces[0].record
    assert ran.pieces[0].record.output == "송금은 [계좌번호] 으로"
    given = [record(answer=f"송금은 {iban} 으로")]
    assert Ran(STEP, given, presidio=False).pieces == given


def test_without_presidio_the_mend_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    presidio._recognisers.cache_clear()
    monkeypatch.setitem(sys.modules, "presidio_analyzer", None)
    assert Ran(STEP, [record(answer=f"전화 {PHONE}")]).tally.counts == {"mobile": 1}
    with pytest.raises(MissingPackageError, match=r"millhand\[clean\]"):
        Ran(STEP, [record(answer="DE89 3704 0044 0532 0130 00")])
