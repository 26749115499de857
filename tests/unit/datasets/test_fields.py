"""Every text of a piece has a name and is edited once, and nothing else changes."""

from __future__ import annotations

import pytest

from millhand.datasets.fields import Field, rewritten, veiled_text
from millhand.datasets.pieces import Piece
from millhand.datasets.records import Message, Role, Source, from_messages
from millhand.documents.document import Code, ListItem, Picture, Table
from tests.unit.datasets.steps.making import PLACE, passage, record

TABLE = Table(
    (("성명", "생년월일"), ("가", "1968.03.15")), PLACE, header_rows=1, caption="표", unit="단위 : 명"
)
ROLES: tuple[Role, ...] = ("human", "gpt", "human", "gpt")


def talk(words: str, **more: str) -> Piece:
    messages = tuple(Message(role, text) for role, text in zip(ROLES, words, strict=False))
    return Piece("c1", Source("a", "0"), record=from_messages(messages, **more))  # type: ignore[arg-type]


PIECES = [
    passage(
        "가", TABLE, ListItem("나", PLACE), Code("다", PLACE), Picture("라", PLACE), headings=("장", "절")
    ),
    record("질문", "답", input="입력", system="체계", history=(("앞 질문", "앞 답"),), tools="[]"),
    record("질문", "", chosen="좋은 답", rejected="나쁜 답"),
    record("질문", "답", kto_tag=False),
    talk("가나다라", system="체계", tools="[]"),
    talk("가나다", chosen="좋은 답", rejected="나쁜 답"),
]


@pytest.mark.parametrize("piece", PIECES)
def test_an_edit_that_changes_nothing_changes_nothing(piece: Piece) -> None:
    assert rewritten(piece, lambda one: one.text) == piece


@pytest.mark.parametrize("piece", PIECES)
def test_every_text_is_edited_and_each_name_stands_for_one(piece: Piece) -> None:
    seen: list[Field] = []

    def edit(one: Field) -> str:
        seen.append(one)
        return "#" if one.text else ""

    done = rewritten(piece, edit)
    assert set(done.text) <= set("#\n\t- ")
    names = [one.name for one in seen if one.name != "section"]
    assert len(names) == len(set(names))


def test_a_cell_comes_with_its_column_and_the_label_beside_it() -> None:
    seen: dict[str, Field] = {}
    rewritten(passage(TABLE), lambda one: seen.setdefault(one.name, one).text)
    assert seen["block 1, row 2, column 2"] == ("block 1, row 2, column 2", "1968.03.15", "생년월일 가")
    assert veiled_text(passage(TABLE)).endswith("성명\t생년월일\n가\t****.**.**")
