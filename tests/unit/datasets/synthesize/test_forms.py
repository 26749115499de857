"""The JSON of an answer is read strictly: all of it, or none."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millhand.datasets.synthesize.forms import UnreadableError, pairs, rewordings, turns
from millhand.datasets.synthesize.options import Pair

ITEM = {"question": "언제 여나요?", "answer": "9시입니다."}
GOOD = json.dumps({"items": [ITEM]}, ensure_ascii=False)
PAIR = (Pair("언제 여나요?", "9시입니다."),)


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        f"\n {GOOD} \n",
        f"```json\n{GOOD}\n```",
        f"```\n{GOOD}\n```",
        f"<think>먼저 {{생각}}한다</think>\n{GOOD}",
        f"<think>a</think>```json\n{GOOD}\n```",
        json.dumps({"items": [ITEM], "note": "more"}),
    ],
)
def test_json_is_read_behind_thoughts_and_in_a_fence(text: str) -> None:
    assert pairs(text) == [PAIR]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "네, 알겠습니다.\n" + GOOD,
        GOOD + "\n도움이 되었기를 바랍니다.",
        GOOD[:-3],
        "[]",
        "null",
        '{"items": {}}',
        '{"items": [{"question": "q"}]}',
        '{"items": [{"question": "q", "answer": 3}]}',
        '{"items": [{"question": "q", "answer": "a", "why": "b"}]}',
        "{'items': []}",
        '{"items": [{"question": "q", "answer": "\\ud800"}]}',
        '{"items": NaN}',
        "{" * 5000,
        "[" * 100_000,
    ],
)
def test_anything_else_is_unreadable(text: str) -> None:
    with pytest.raises(UnreadableError):
        pairs(text)


def test_conversations_and_levels() -> None:
    assert turns(json.dumps({"turns": [ITEM, ITEM]})) == [PAIR * 2]
    assert turns('{"turns": []}') == []
    said = rewordings(
        '{"items": [{"level": "expert", "question": " 가 "}, {"level": "expert", "question": "나"}]}'
    )
    assert said == {"expert": "가"}


_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40).filter(
    lambda text: text == text.strip() and text.isascii()
)


@given(st.lists(st.tuples(_TEXTS, _TEXTS), max_size=5), st.booleans())
def test_what_is_written_as_json_comes_back(said: list[tuple[str, str]], escaped: bool) -> None:
    text = json.dumps({"items": [{"question": q, "answer": a} for q, a in said]}, ensure_ascii=escaped)
    assert pairs(text) == [(Pair(q, a),) for q, a in said]


@given(st.text(max_size=100))
def test_any_text_is_read_or_unreadable(text: str) -> None:
    with pytest.raises(UnreadableError):
        pairs(text)


@given(st.integers(0, len(GOOD) - 1))
def test_no_part_of_an_answer_passes_for_a_whole_one(length: int) -> None:
    with pytest.raises(UnreadableError):
        pairs(GOOD[:length])
