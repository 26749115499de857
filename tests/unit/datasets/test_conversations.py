"""Conversations: openai and sharegpt forms become one; what LLaMA-Factory would skip is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from millhand.datasets.records import Turn
from millhand.datasets.registry import Registry
from tests.unit.datasets.conftest import Adder

_CALL = {"name": "날씨", "arguments": {"도시": "부산"}}
_TOOLS = [
    {"type": "function", "function": {"name": "날씨", "parameters": {"type": "object", "properties": {}}}}
]


def openai(*messages: tuple[str, str], **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": text} for role, text in messages], **more}


def sharegpt(*messages: tuple[str, str], **more: Any) -> dict[str, Any]:
    return {"conversations": [{"from": role, "value": text} for role, text in messages], **more}


def said(*messages: tuple[str, str]) -> list[dict[str, str]]:
    return [{"from": role, "value": text} for role, text in messages]


def test_openai_messages_become_sharegpts_and_the_system_a_column(add: Adder, registry: Registry) -> None:
    rows = add.rows(
        [
            openai(
                ("system", "짧게."),
                ("user", "가?"),
                ("assistant", "나."),
                ("user", "다?"),
                ("assistant", "라."),
            ),
            openai(("developer", "길게."), ("user", "마?"), ("assistant", "바.")),
            openai(("user", "사?"), ("assistant", "아.")),
        ]
    )
    assert [row["system"] for row in rows] == ["짧게.", "길게.", ""]
    assert rows[2]["conversations"] == said(("human", "사?"), ("gpt", "아."))
    entry = registry.entries()["qa"]
    assert entry["formatting"] == "sharegpt"
    assert entry["columns"] == {"messages": "conversations", "system": "system"}
    assert registry.dataset("qa").definition.shape == "openai"
    assert next(registry.dataset("qa").turns()) == Turn("짧게.", (("가?", "나."),), "다?", "라.")


def test_calls_of_tools_are_json_with_arguments_as_an_object(add: Adder) -> None:
    """LLaMA-Factory puts ``arguments`` through json.dumps: a text would be quoted twice."""
    messages = [
        {"role": "user", "content": "부산 날씨?"},
        {"role": "assistant", "content": None, "tool_calls": [_openai_call(), _openai_call()]},
        {"role": "tool", "content": "맑음"},
        {"role": "tool", "content": "흐림"},
        {"role": "assistant", "content": "맑습니다."},
    ]
    (row,) = add.rows([{"messages": messages, "tools": _TOOLS}])
    roles = [message["from"] for message in row["conversations"]]
    assert roles == ["human", "function_call", "observation", "gpt"]
    assert json.loads(row["conversations"][1]["value"]) == [_CALL, _CALL]
    assert row["conversations"][2]["value"] == "맑음\n</tool_response>\n<tool_response>\n흐림"
    assert json.loads(row["tools"]) == _TOOLS


def _openai_call() -> dict[str, Any]:
    return {"type": "function", "function": {**_CALL, "arguments": json.dumps(_CALL["arguments"])}}


def test_a_single_call_is_one_object(add: Adder) -> None:
    call = {"role": "assistant", "tool_calls": [_openai_call()]}
    end = [{"role": "tool", "content": "맑음"}, {"role": "assistant", "content": "네"}]
    (row,) = add.rows([{"messages": [{"role": "user", "content": "가?"}, call, *end]}])
    assert json.loads(row["conversations"][1]["value"]) == _CALL


def test_sharegpt_in_all_its_words(add: Adder) -> None:
    rows = [
        sharegpt(("system", "짧게."), ("human", "가?"), ("gpt", "나."), id=1),
        sharegpt(
            ("user", "가?"), ("function_call", json.dumps(_CALL)), ("observation", "맑음"), ("model", "네.")
        ),
    ]
    written = add.rows(rows)
    assert written[0] == {"conversations": said(("human", "가?"), ("gpt", "나.")), "system": "짧게."}
    assert [m["from"] for m in written[1]["conversations"]] == [
        "human",
        "function_call",
        "observation",
        "gpt",
    ]


def test_parts_of_text_are_joined(add: Adder) -> None:
    parts = [{"type": "text", "text": "가"}, {"type": "text", "text": "나?"}]
    messages = [{"role": "user", "content": parts}, {"role": "assistant", "content": "다."}]
    assert add.rows([{"messages": messages}])[0]["conversations"][0]["value"] == "가나?"


@pytest.mark.parametrize(
    ("messages", "id_", "words"),
    [
        (
            [("user", "가?"), ("user", "나?"), ("assistant", "다.")],
            "role-order",
            "turn 2 is human's, where gpt or",
        ),
        ([("assistant", "다."), ("user", "가?")], "role-order", "turn 1 is gpt's"),
        ([("user", "가?"), ("assistant", "나."), ("user", "다?")], "odd-turns", "has 3 turns"),
        ([("system", "짧게.")], "no-messages", "only the system speaks"),
        ([("user", "가?"), ("system", "짧게.")], "role-order", "turn 2 is system's"),
        (
            [("user", "가?"), ("asistant", "나.")],
            "broken-message",
            "'asistant' is unknown. Did you mean 'assistant'?",
        ),
        ([("user", "가?"), ("assistant", "")], "empty-output", "the answer is empty"),
        ([("user", " "), ("assistant", "나.")], "empty-instruction", "nothing is asked"),
        ([("user", "가?"), ("assistant", 7)], "broken-message", "its text is no text: 7"),
    ],
)
def test_what_llamafactory_would_skip_is_refused(
    add: Adder, messages: list[tuple[str, str]], id_: str, words: str
) -> None:
    good = openai(("user", "가?"), ("assistant", "나."))
    (finding,) = add.faults([good, openai(*messages)])
    assert (finding.id, finding.row) == (f"data.{id_}", 2)
    assert words in finding.message
    assert finding.column is not None


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (
            {"role": "assistant", "content": "잠시만요.", "tool_calls": [_openai_call()]},
            "calls tools at once",
        ),
        ({"role": "assistant", "tool_calls": [{"function": {"name": "a"}}]}, "no name or no arguments"),
        ({"role": "assistant", "tool_calls": ["a"]}, "no name or no arguments"),
        ({"from": "function_call", "value": "{"}, "is not JSON"),
        ({"from": "function_call", "value": "{}"}, "no name or no arguments"),
        ("안녕", "is no object"),
    ],
)
def test_calls_that_llamafactory_would_drop_or_stop_at_are_refused(
    add: Adder, message: object, words: str
) -> None:
    (finding,) = add.faults([{"messages": [{"role": "user", "content": "가?"}, message]}])
    assert finding.id == "data.broken-message"
    assert words in finding.message


def test_a_row_without_messages_among_others_is_refused(add: Adder) -> None:
    rows = [openai(("user", "가?"), ("assistant", "나.")), {"messages": []}, {"other": 1}]
    assert [(f.id, f.row) for f in add.faults(rows)] == [("data.no-messages", 2), ("data.no-messages", 3)]


def test_tools_that_are_no_list_are_refused(add: Adder) -> None:
    row = openai(("user", "가?"), ("assistant", "나."), tools="weather")
    assert [f.id for f in add.faults([row])] == ["data.broken-tools"]


def test_ranking_in_conversations(add: Adder, registry: Registry) -> None:
    row = sharegpt(
        ("human", "가?"), chosen={"from": "gpt", "value": "좋음"}, rejected={"from": "gpt", "value": "나쁨"}
    )
    (written,) = add.rows([row])
    assert written["chosen"] == {"from": "gpt", "value": "좋음"}
    assert registry.entries()["qa"]["ranking"] is True
    (record,) = registry.dataset("qa").records()
    assert (record.question, record.answer, record.rejected) == ("가?", "좋음", "나쁨")


def test_kto_in_conversations(add: Adder, registry: Registry) -> None:
    rows = [openai(("user", "가?"), ("assistant", "나."), label=label) for label in (True, False)]
    assert [row["kto_tag"] for row in add.rows(rows)] == [True, False]
    assert registry.entries()["qa"]["columns"] == {"messages": "conversations", "kto_tag": "kto_tag"}


def test_a_shape_that_the_file_does_not_have_is_refused(add: Adder) -> None:
    (finding,) = add.faults([{"instruction": "가?", "output": "나."}], shape="openai")
    assert finding.id == "data.missing-column"
