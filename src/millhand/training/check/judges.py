"""What LLaMA-Factory makes of a row: kept, left out, stopped at or trained wrongly.

Follows ``data/converter.py`` step by step, then the processor of the stage (``data/processor/``) and what
the template asks of a text (``data/formatter.py``).
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from millhand.datasets.info import columns_of, tags_of
from millhand.training.check.lengths import Dialogue, Lengths, Message
from millhand.training.check.media import Media, MediaJudge
from millhand.training.check.tools import are_tools, has_calls, is_call

Row = Mapping[str, Any]
# The fault's id, or None of a row that is trained on as it should be.
Judge = Callable[[Row], str | None]

_ANSWERS_NEEDED = {"sft": 1, "rm": 2, "dpo": 2, "kto": 2}
_ANY = Media()
_TURN = ("user", "assistant")
# What is said of a row that is trained on all the same.
_TRAINED = (None, "data.empty-answer", "data.empty-question")
_ASKING, _ANSWERING = ("user", "observation"), ("assistant", "function")


@dataclass(frozen=True, slots=True)
class Use:
    """What the rows are for.

    ``thought`` are the words that a reasoning template looks for in an answer, ``lengths`` what decides how
    long a row is, where that matters, ``media`` what decides which pictures are taken, ``first`` how
    many of the rows are looked at (max_samples).
    """

    stage: str = "sft"
    thought: tuple[str, ...] = ()
    lengths: Lengths | None = None
    media: Media = _ANY
    first: int | None = None


def make_judge(entry: Mapping[str, Any], use: Use) -> AlpacaJudge | ConversationJudge:
    """The judge of the rows of an entry."""
    if entry.get("formatting", "alpaca") == "alpaca":
        return AlpacaJudge(entry, use)
    return ConversationJudge(entry, use)


class _Base(ABC):
    def __init__(self, entry: Mapping[str, Any], use: Use) -> None:
        self.columns = columns_of(entry)
        self.media = MediaJudge(entry, use.media)
        self.ranking, self.stage = bool(entry.get("ranking")), use.stage
        self.openai = entry.get("formatting") == "openai"
        self.tool_format = use.lengths.tool_format if use.lengths else ""
        self.encodes = use.stage != "pt"  # pre-training takes the first text and no template

    def value(self, row: Row, member: str) -> Any:
        """What stands in the column that a member is mapped to; absent is null, as Arrow has it."""
        column = self.columns[member]
        return row.get(column) if column else None

    @abstractmethod
    def rendered(self, row: Row) -> Dialogue:
        """A row without a fault as the converter makes it."""

    def worst(self, fault: str | None, row: Row) -> str | None:
        """A text's fault, or a picture's where the text alone would be trained on."""
        return (self.pictures(row) or fault) if fault in _TRAINED else fault

    def pictures(self, row: Row) -> str | None:
        """The fault of what is no text in a row."""
        needed = self.media.needed and self.encodes
        return self.media(row, self.rendered(row)) if needed else None

    def around(self, row: Row) -> str | None:
        """The fault of system and tools."""
        system, tools = self.value(row, "system"), self.value(row, "tools")
        if not self.encodes:
            return None
        if system and not isinstance(system, str):
            return "data.not-text"
        if not tools or (self.openai and isinstance(tools, list | dict)):
            return None
        return None if are_tools(tools, self.tool_format) else "data.broken-tools"

    def dialogue(self, messages: list[Message], answers: list[Message], row: Row, system: Any) -> Dialogue:
        """A row without a fault, as the processor of the stage has it."""
        if self.stage == "ppo" and len(answers) != 1:
            answers = [("assistant", "")]
        return Dialogue(messages, answers, _text(system), _text(self.value(row, "tools")))

    def answers(self, count: int, *, labelled: bool) -> str | None:
        """The fault of a row that has ``count`` answers where the stage wants another number."""
        wanted = _ANSWERS_NEEDED.get(self.stage)
        if wanted is None or count == wanted or (wanted == 2 and count > 1):
            return None
        if labelled and wanted == 1:
            return "data.label-in-sft"
        if self.stage == "kto":
            return "data.no-kto-tag"
        return "data.no-pair" if wanted == 2 or self.ranking else "data.no-answer"


class AlpacaJudge(_Base):
    """Rows with an instruction, an input and an output under whatever names ``columns`` gives them."""

    def __init__(self, entry: Mapping[str, Any], use: Use) -> None:
        super().__init__(entry, use)
        self.prompt, self.query = self.columns["prompt"] or "", self.columns["query"] or ""
        self.response = self.columns["response"] or ""
        others = ("history", "system", "tools", "kto_tag")
        # Nearly all rows are of this kind; for them a few comparisons must do.
        plain = not any(self.columns[m] for m in others) and not self.media.needed
        self.simple = use.stage == "sft" and not self.ranking and plain

    def __call__(self, row: Row) -> str | None:
        """The fault of a row."""
        return self.worst(self._text_fault(row), row)

    def rendered(self, row: Row) -> Dialogue:
        """A row without a fault as the converter makes it."""
        history = self.value(row, "history")
        pairs = history if isinstance(history, list) else []
        messages: list[Message] = [
            (role, _text(text)) for pair in pairs for role, text in zip(_TURN, pair, strict=False)
        ]
        asked = [part for part in (self.value(row, "prompt"), self.value(row, "query")) if part]
        messages.append(("user", "\n".join(map(_text, asked))))
        members = ("chosen", "rejected") if self.ranking else ("response",)
        texts = [self.value(row, member) for member in members]
        answers: list[Message] = [("assistant", text) for text in texts if isinstance(text, str)]
        return self.dialogue(messages, answers, row, self.value(row, "system"))

    def _text_fault(self, row: Row) -> str | None:
        if self.simple:
            answer, prompt, query = row.get(self.response), row.get(self.prompt), row.get(self.query)
            if type(answer) is str is type(prompt) and prompt and (query is None or type(query) is str):
                return None if answer and not answer.isspace() else "data.empty-answer"
        stops = self._history(row) or self._question(row) or self.around(row) or self._answer(row)
        return self._asked(row) or stops if stops in _TRAINED else stops

    def _history(self, row: Row) -> str | None:
        history = self.value(row, "history")
        if not isinstance(history, list):
            used = (self.columns[member] for member in ("prompt", "query", "response"))
            lost = history and isinstance(history, str) and self.columns["history"] not in used
            return "data.history-lost" if lost else None
        if not all(isinstance(pair, list | str) and len(pair) == 2 for pair in history):
            return "data.history-pairs"
        texts = [text for pair in history for text in pair]
        return None if all(isinstance(text, str) for text in texts) else "data.not-text"

    def _question(self, row: Row) -> str | None:
        parts = [part for part in (self.value(row, "prompt"), self.value(row, "query")) if part]
        return None if all(isinstance(part, str) for part in parts) else "data.not-text"

    def _asked(self, row: Row) -> str | None:
        parts = (self.value(row, "prompt"), self.value(row, "query"))
        return None if any(part.strip() for part in parts if part) else "data.empty-question"

    def _answer(self, row: Row) -> str | None:
        tag, answer = self.value(row, "kto_tag"), self.value(row, "response")
        if isinstance(tag, bool):
            fault = self.answers(2, labelled=True)
            if fault or isinstance(answer, str):
                return fault or _empty([answer])
            # processor/feedback.py takes the other, empty, answer for a wanted one that is null
            spared = tag and answer is None and self.stage == "kto"
            return "data.empty-answer" if spared else "data.not-text"
        pair = [self.value(row, "chosen"), self.value(row, "rejected")] if self.ranking else []
        if pair and all(isinstance(text, str) for text in pair):
            return self.answers(2, labelled=False) or _empty(pair)
        count = int(isinstance(answer, str))
        return self.answers(count, labelled=False) or (_empty([answer]) if count and self.encodes else None)


class ConversationJudge(_Base):
    """Rows with a list of messages, in the sharegpt or the openai form."""

    def __init__(self, entry: Mapping[str, Any], use: Use) -> None:
        super().__init__(entry, use)
        tags = tags_of(entry)
        self.role_tag, self.content_tag = str(tags["role_tag"]), str(tags["content_tag"])
        members = ("user_tag", "assistant_tag", "observation_tag", "function_tag", "system_tag")
        words = ("user", "assistant", "observation", "function", "system")
        self.roles = {tags[member]: word for member, word in zip(members, words, strict=True)}
        if self.openai and tags["observation_tag"] is None:
            self.roles[None] = "observation"  # it is compared with before any other

    def __call__(self, row: Row) -> str | None:
        """The fault of a row."""
        return self.worst(self._text_fault(row), row)

    def _text_fault(self, row: Row) -> str | None:
        raw = self.value(row, "messages")
        if not isinstance(raw, list) or not all(isinstance(message, dict) for message in raw):
            return "data.no-messages"
        system = raw[0].get(self.content_tag) if raw and self._role(raw[0]) == "system" else None
        messages = raw[1:] if raw and self._role(raw[0]) == "system" else raw
        if self.encodes and system and not isinstance(system, str):
            return "data.not-text"
        if self.openai and not all(has_calls(one) for one in messages if self._role(one) in _ANSWERING):
            return "data.broken-call"
        turns = self._joined(messages) if self.openai else [self._turn(message) for message in messages]
        if turns is None:
            return "data.unknown-role"
        return self._order(turns) or self._texts(turns) or self.around(row) or self._answer(row, turns)

    def _role(self, message: Row) -> str | None:
        role = message.get(self.role_tag)
        return None if isinstance(role, list | dict) else self.roles.get(role)

    def _turn(self, message: Row) -> tuple[str | None, Any]:
        return self._role(message), message.get(self.content_tag)

    def _joined(self, messages: list[Row]) -> list[tuple[str | None, Any]] | None:
        """The turns of openai's form: tool calls become text, answers of tools in a row one observation."""
        turns: list[tuple[str | None, Any]] = []
        waiting: list[Any] = []
        for message in messages:
            role, content = self._turn(message)
            if role is None:
                return None
            if role in _ANSWERING and message.get("tool_calls"):
                calls = [call.get("function") for call in message["tool_calls"]]
                role, content = "function", json.dumps(calls, default=str)
            if role == "observation":
                waiting.append(content)
                continue
            if waiting:
                turns.append(("observation", _joined_text(waiting)))
                waiting = []
            turns.append((role, content))
        return turns

    def _order(self, turns: list[tuple[str | None, Any]]) -> str | None:
        for index, (role, _) in enumerate(turns):
            if role not in (_ANSWERING if index % 2 else _ASKING):
                return "data.role-order" if self.encodes else "data.no-messages"
        if not turns or (len(turns) % 2 == 1) != self.ranking:
            return "data.turn-count" if turns or self.encodes else "data.no-messages"
        return None

    def _texts(self, turns: list[tuple[str | None, Any]]) -> str | None:
        used = turns if self.encodes else turns[:1]
        if not all(isinstance(text, str) for _, text in used):
            return "data.not-text"
        calls = [text for role, text in used if role == "function"]
        return "data.broken-call" if self.encodes and not all(map(is_call, calls)) else None

    def _answer(self, row: Row, turns: list[tuple[str | None, Any]]) -> str | None:
        if isinstance(self.value(row, "kto_tag"), bool):
            return self.answers(2, labelled=True)
        pair = [self.value(row, "chosen"), self.value(row, "rejected")] if self.ranking else []
        if pair and all(isinstance(message, dict) for message in pair):
            roles = [self._role(message) for message in pair]
            texts = [message.get(self.content_tag) for message in pair]
            if None in roles:
                return "data.unknown-role"
            if not all(isinstance(text, str) for text in texts):
                return "data.not-text"
            return self.answers(2, labelled=False) or _empty(texts)
        if self.ranking:
            return self.answers(0, labelled=False)
        last = [text for role, text in turns if role == "assistant"][-1:]
        return self.answers(1, labelled=False) or (_empty(last) if self.encodes else None)

    def rendered(self, row: Row) -> Dialogue:
        """A row without a fault as the converter makes it."""
        raw = self.value(row, "messages")
        first = self._role(raw[0]) == "system"
        system = raw[0].get(self.content_tag) if first else self.value(row, "system")
        rest = raw[1:] if first else raw
        turns = (self._joined(rest) or []) if self.openai else [self._turn(message) for message in rest]
        messages = [(role or "user", _text(text)) for role, text in turns]
        if not self.ranking:
            return self.dialogue(messages[:-1], messages[-1:], row, system)
        pair = [self._turn(self.value(row, member) or {}) for member in ("chosen", "rejected")]
        return self.dialogue(
            messages, [(role or "assistant", _text(text)) for role, text in pair], row, system
        )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _joined_text(parts: list[Any]) -> str | None:
    return "\n".join(parts) if all(isinstance(part, str) for part in parts) else None


def _empty(answers: list[Any]) -> str | None:
    return None if all(answer.strip() for answer in answers) else "data.empty-answer"
