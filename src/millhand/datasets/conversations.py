"""Conversations in sharegpt or openai form -> rows as they are written: LLaMA-Factory's default tags.

openai's form is not handed to LLaMA-Factory's own ``formatting: openai``: that puts "detailed thinking
off" into the system's text of every sample without tools.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from types import MappingProxyType
from typing import Any

import orjson

from millhand.datasets import faults
from millhand.datasets.alpaca import Written, tools_text
from millhand.datasets.faults import Fault
from millhand.documents.rows import shorten
from millhand.text.normal import did_you_mean, nfc

MESSAGE_COLUMNS = ("conversations", "messages", "conversation", "dialogue", "dialog", "chat", "대화")
_ROLE_KEYS, _TEXT_KEYS = ("from", "role"), ("value", "content")
_ROLES = MappingProxyType(
    {
        "human": "human",
        "user": "human",
        "gpt": "gpt",
        "chatgpt": "gpt",
        "assistant": "gpt",
        "model": "gpt",
        "system": "system",
        "developer": "system",
        "observation": "observation",
        "tool": "observation",
        "function": "observation",
        "function_call": "function_call",
    }
)
_ASKING, _ANSWERING = ("human", "observation"), ("gpt", "function_call")
# How LLaMA-Factory joins the results of several tools that were called at once.
_BETWEEN_RESULTS = "\n</tool_response>\n<tool_response>\n"

Said = tuple[str, str]


def messages_column(columns: Sequence[str], values: Mapping[str, Any]) -> str | None:
    """The column that holds the messages, going by a row: a known name first, else any list of messages."""
    ordered = [name for name in MESSAGE_COLUMNS if name in columns] + list(columns)
    return next((name for name in ordered if is_conversation(values.get(name))), None)


def is_conversation(value: object) -> bool:
    """Say whether a value looks like a list of messages."""
    if not isinstance(value, list) or not value or not isinstance(value[0], dict):
        return False
    return any(key in value[0] for key in _ROLE_KEYS)


class ConversationConverter:
    """Makes a row of conversations, system and tools of a source's row."""

    base = ("conversations",)

    def __init__(self, column: str, *, system: str = "", ranking: bool = False, kto_tag: str = "") -> None:
        self.column, self.system, self.ranking, self.kto_tag = column, system, ranking, kto_tag

    def __call__(self, values: Mapping[str, Any]) -> Written | list[Fault]:
        """The row to write, or all that is wrong with it."""
        found: list[Fault] = []
        said = list(self._messages(values, found))
        texts = (
            [text for role, text in said if role == "system"] if said[:1] and said[0][0] == "system" else []
        )
        turns = _joined(said[1:] if texts else said)
        if not found:
            found += self._order(turns)
        row: Written = {"conversations": [{"from": role, "value": text} for role, text in turns]}
        self._optional(row, values, texts[:1], found)
        return found or row

    def _messages(self, values: Mapping[str, Any], found: list[Fault]) -> Iterator[Said]:
        messages = values.get(self.column)
        if not isinstance(messages, list) or not messages:
            what = f"is no list of messages: {shorten(str(messages))}"
            found.append(faults.conversation("no-messages", what, self.column))
            return
        for number, message in enumerate(messages, 1):
            result = _read(message)
            if isinstance(result, str):
                found.append(
                    faults.conversation("broken-message", f"message {number}: {result}", self.column)
                )
            else:
                yield result

    def _order(self, turns: list[Said]) -> list[Fault]:
        for number, (role, _) in enumerate(turns):
            due = _ANSWERING if number % 2 else _ASKING
            if role not in due:
                what = f"turn {number + 1} is {role}'s, where {' or '.join(due)} is due"
                return [faults.conversation("role-order", what, self.column)]
        if not turns:
            return [faults.conversation("no-messages", "only the system speaks", self.column)]
        if (len(turns) % 2 == 1) != self.ranking:
            last = "the person" if self.ranking else "the model"
            what = f"has {len(turns)} turns, and the last is not {last}'s"
            return [faults.conversation("odd-turns", what, self.column)]
        return self._silent(turns)

    def _silent(self, turns: list[Said]) -> list[Fault]:
        empty = next(((i, role) for i, (role, text) in enumerate(turns) if not text.strip()), None)
        if empty is None or empty[1] == "observation":
            return []
        make = faults.empty_answer if empty[1] in _ANSWERING else faults.empty_question
        return [make(f"{self.column}[{empty[0]}]")]

    def _optional(
        self, row: Written, values: Mapping[str, Any], system: list[str], found: list[Fault]
    ) -> None:
        own = values.get("system")
        text = system[0] if system else nfc(own) if isinstance(own, str) else ""
        if text or self.system:
            row["system"] = text or self.system
        if values.get("tools"):
            row["tools"] = tools_text("tools", values["tools"], found)
        if self.ranking:
            row |= {name: self._choice(name, values.get(name), found) for name in ("chosen", "rejected")}
        if self.kto_tag:
            if not isinstance(values.get(self.kto_tag), bool):
                found.append(faults.broken_tag(self.kto_tag, shorten(str(values.get(self.kto_tag)))))
            row["kto_tag"] = values.get(self.kto_tag)

    def _choice(self, name: str, value: Any, found: list[Fault]) -> dict[str, str]:
        result = ("gpt", nfc(value)) if isinstance(value, str) else _read(value)
        if isinstance(result, str):
            found.append(faults.conversation("broken-message", result, name))
            return {}
        if not result[1].strip():
            found.append(faults.empty_answer(name))
        return {"from": result[0], "value": result[1]}


def _read(message: object) -> Said | str:
    """A message's role and text in LLaMA-Factory's words, or what is wrong with it."""
    if not isinstance(message, dict):
        return f"is no object: {shorten(str(message))}"
    said = next((message[key] for key in _ROLE_KEYS if key in message), None)
    role = _ROLES.get(str(said).strip().casefold())
    if role is None:
        return f"the role {said!r} is unknown. {did_you_mean(str(said), _ROLES)}".rstrip()
    calls = message.get("tool_calls") or message.get("function_call")
    content = next((message[key] for key in _TEXT_KEYS if key in message), None)
    if calls:
        return _calls(calls, content)
    text = _text(content)
    if text is None:
        return f"its text is no text: {shorten(str(content))}"
    return _checked_call(text) if role == "function_call" else (role, text)


def _text(content: object) -> str | None:
    if content is None:
        return ""
    if isinstance(content, list) and all(isinstance(p, dict) and p.get("type") == "text" for p in content):
        content = "".join(str(part.get("text", "")) for part in content)
    return nfc(content) if isinstance(content, str) else None


def _calls(calls: Any, content: object) -> Said | str:
    """Calls of tools as LLaMA-Factory reads them: JSON of name and arguments, these an object and no text."""
    if isinstance(content, str) and content.strip():
        return f"speaks ({shorten(content)!r}) and calls tools at once; LLaMA-Factory would drop what it says"
    many = calls if isinstance(calls, list) else [calls]
    functions = [call.get("function", call) if isinstance(call, dict) else call for call in many]
    try:
        plain = [{"name": f["name"], "arguments": _arguments(f["arguments"])} for f in functions]
    except (KeyError, TypeError, orjson.JSONDecodeError):
        return f"its call of a tool has no name or no arguments in JSON: {shorten(str(calls))}"
    return "function_call", orjson.dumps(plain[0] if len(plain) == 1 else plain).decode()


def _arguments(value: Any) -> Any:
    return orjson.loads(value) if isinstance(value, str) else value


def _checked_call(text: str) -> Said | str:
    try:
        calls = orjson.loads(text)
    except orjson.JSONDecodeError:
        return f"its call of a tool is not JSON: {shorten(text)!r}"
    many = calls if isinstance(calls, list) else [calls]
    if not all(isinstance(call, dict) and {"name", "arguments"} <= call.keys() for call in many):
        return f"its call of a tool has no name or no arguments: {shorten(text)!r}"
    return "function_call", text


def _joined(said: list[Said]) -> list[Said]:
    """Results of tools that follow one another become one, as LLaMA-Factory does it."""
    turns: list[Said] = []
    for role, group in groupby(said, key=lambda one: one[0]):
        texts = [text for _, text in group]
        together = role == "observation"
        turns += [(role, _BETWEEN_RESULTS.join(texts))] if together else [(role, text) for text in texts]
    return turns
