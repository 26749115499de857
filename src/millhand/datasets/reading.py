"""Rows of a registered file -> records, following the entry as LLaMA-Factory does.

What LLaMA-Factory would leave out of training (a conversation in the wrong order, an answer that is no
text) is left out here too, so that what is counted and evaluated is what is trained.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

import msgspec

from millhand.datasets.info import columns_of, tags_of
from millhand.datasets.records import Message, Pairs, Record, Role, Source, from_messages

Reader: TypeAlias = Callable[[Mapping[str, Any]], Record | None]

_ROLES: Mapping[str, Role] = {
    "user_tag": "human",
    "assistant_tag": "gpt",
    "observation_tag": "observation",
    "function_tag": "function_call",
}
_ASKING, _ANSWERING = ("human", "observation"), ("gpt", "function_call")


def record_reader(entry: Mapping[str, Any]) -> Reader:
    """The function that makes a record of a row of ``entry``'s file, or None of a row that is not trained."""
    if entry.get("formatting", "alpaca") == "alpaca":
        return _AlpacaReader(entry)
    return _ConversationReader(entry)


def text_of(value: object) -> str:
    """``value`` if it is text, else nothing: what LLaMA-Factory can train on."""
    return value if isinstance(value, str) else ""


def ordered(messages: tuple[Message, ...], *, ranking: bool) -> bool:
    """Say whether LLaMA-Factory trains on these: a person first, in turns, the model last.

    In a ranking dataset a person is last, since the answers stand in ``chosen`` and ``rejected``.
    """
    turns = all(m.role in (_ANSWERING if i % 2 else _ASKING) for i, m in enumerate(messages))
    return bool(messages) and turns and (len(messages) % 2 == 1) == ranking


class _AlpacaReader:
    def __init__(self, entry: Mapping[str, Any]) -> None:
        self.columns = columns_of(entry)
        self.ranking = bool(entry.get("ranking"))

    def __call__(self, row: Mapping[str, Any]) -> Record | None:
        value = {member: row.get(column) for member, column in self.columns.items() if column}
        tag = value.get("kto_tag")
        return Record(
            instruction=text_of(value.get("prompt")),
            input=text_of(value.get("query")),
            output=text_of(value.get("response")),
            system=text_of(value.get("system")),
            history=_pairs(value.get("history")),
            source=_source(row),
            tools=text_of(value.get("tools")),
            chosen=text_of(value.get("chosen")) if self.ranking else "",
            rejected=text_of(value.get("rejected")) if self.ranking else "",
            kto_tag=tag if isinstance(tag, bool) else None,
        )


class _ConversationReader:
    def __init__(self, entry: Mapping[str, Any]) -> None:
        self.columns, tags = columns_of(entry), tags_of(entry)
        self.ranking = bool(entry.get("ranking"))
        self.role_tag, self.content_tag = tags["role_tag"] or "from", tags["content_tag"] or "value"
        self.system_tag = tags["system_tag"]
        self.roles = {tags[member]: role for member, role in _ROLES.items() if tags[member]}

    def __call__(self, row: Mapping[str, Any]) -> Record | None:
        raw = [m for m in self._value(row, "messages") or () if isinstance(m, dict)]
        system = self._value(row, "system")
        if raw and self.system_tag and raw[0].get(self.role_tag) == self.system_tag:
            system = raw.pop(0).get(self.content_tag)
        messages = tuple(m for m in map(self._message, raw) if m)
        if len(messages) != len(raw) or not ordered(messages, ranking=self.ranking):
            return None
        tag, tools = self._value(row, "kto_tag"), self._value(row, "tools")
        return from_messages(
            messages,
            system=text_of(system),
            tools=tools if isinstance(tools, str) else json.dumps(tools, ensure_ascii=False) if tools else "",
            source=_source(row),
            chosen=self._choice(row, "chosen"),
            rejected=self._choice(row, "rejected"),
            kto_tag=tag if isinstance(tag, bool) else None,
        )

    def _value(self, row: Mapping[str, Any], member: str) -> Any:
        column = self.columns[member]
        return row.get(column) if column else None

    def _message(self, raw: Mapping[str, Any]) -> Message | None:
        role = self.roles.get(raw.get(self.role_tag))
        return Message(role, text_of(raw.get(self.content_tag))) if role else None

    def _choice(self, row: Mapping[str, Any], member: str) -> str:
        choice = self._value(row, member) if self.ranking else None
        return text_of(choice.get(self.content_tag)) if isinstance(choice, dict) else ""


def _pairs(value: object) -> Pairs:
    if not isinstance(value, list):
        return ()
    return tuple((text_of(pair[0]), text_of(pair[1])) for pair in value if len(pair) == 2)


def _source(row: Mapping[str, Any]) -> Source | None:
    """The provenance of a row of ours; a column of that name in somebody else's file is something else."""
    value = row.get("source")
    if not isinstance(value, dict) or "row" not in value:
        return None
    try:
        return msgspec.convert(value, Source)
    except msgspec.ValidationError:
        return None


def read_records(entry: Mapping[str, Any], rows: Iterator[dict[str, Any]]) -> Iterator[Record]:
    """The records of ``rows``, less those that LLaMA-Factory does not train on."""
    return (record for record in map(record_reader(entry), rows) if record is not None)
