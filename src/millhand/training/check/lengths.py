"""How many tokens a row has behind its template, and what LLaMA-Factory cuts off of it.

Follows ``data/template.py`` (``_encode``, ``encode_multiturn``, ``encode_oneturn``) and the processors, with
the `tokenizers` library alone. A row with fewer bytes than cutoff_len cannot be cut: a token has a byte at
least. Only the others are counted; where they are many, every second, fourth … of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from millhand.llamafactory.templates import THOUGHT_WORDS, Slots, Template

# Bytes of text that are counted exactly; beyond them every second row, then every fourth.
BUDGET = 8 << 20
_WIDE = 4  # bytes of a usual token, for an estimate without the tokenizer
Message = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Lengths:
    """What decides the length of a row: the tokenizer, the template and the keys of the config.

    ``tokenizer`` is None where it is not at hand; then rows that may be too long are only estimated.
    ``added`` are the tokens that the template and the config add to the vocabulary. Tools are counted as
    the JSON that they are given as, within ``tool_prompt``: about what LLaMA-Factory makes of them in
    ``tool_format``.
    """

    template: Template
    cutoff_len: int
    tokenizer: Path | None = None
    eos: bool = True
    bos: bool = False
    added: tuple[str, ...] = ()
    default_system: str | None = None
    thinks: bool | None = True
    keeps_thought: bool = False
    mask_history: bool = False
    tool_prompt: str = "{tool_text}"
    tool_format: str = "default"

    @property
    def system(self) -> str:
        """The system text of a row that has none."""
        return self.template.default_system if self.default_system is None else self.default_system

    def turn_bytes(self) -> int:
        """The most tokens that the template adds to a question and an answer."""
        thought = len(self.template.empty_thought.encode()) if self.template.reasoning else 0
        sides = (("user", "observation"), ("assistant", "function"))
        return 4 + thought + sum(max(map(self._slot_bytes, roles)) for roles in sides)

    def frame_bytes(self, *, tools: bool = False) -> int:
        """The most tokens that it adds once a row."""
        around = self.system + (self.tool_prompt if tools else "")
        return sum(map(self._slot_bytes, ("prefix", "system"))) + len(around.encode()) + 2

    def _slot_bytes(self, role: str) -> int:
        slots = self.template.slots(role)
        return sum(len(slot.encode()) if isinstance(slot, str) else 1 for slot in slots)

    @property
    def harmless(self) -> int:
        """The bytes of a row of one question and answer that cannot be too long."""
        return max(self.cutoff_len - self.frame_bytes() - self.turn_bytes(), 0)


@dataclass(slots=True)
class Dialogue:
    """A row as the converter makes it: the messages up to the last question, the answers, what is around."""

    messages: list[Message]
    answers: list[Message]
    system: str = ""
    tools: str = ""

    @property
    def size(self) -> int:
        """Bytes of text."""
        texts = [self.system, self.tools, *(text for _, text in (*self.messages, *self.answers))]
        return sum(len(text.encode("utf-8", "replace")) for text in texts)


@dataclass
class Cuts:
    """What was counted: rows that may be too long, those counted, those cut, by what they lose.

    ``answers`` and ``questions`` are estimated where ``counted`` is less than ``long``.
    """

    long: int = 0
    likely: int = 0
    counted: int = 0
    answers: int = 0
    questions: int = 0
    longest: int = 0
    first: list[int] = field(default_factory=list)

    def merge(self, other: Cuts, offset: int) -> None:
        """Add what was counted in a later part of the file."""
        for name in ("long", "likely", "counted", "answers", "questions"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.longest = max(self.longest, other.longest)
        self.first = [*self.first, *(row + offset for row in other.first)][:5]


@cache
def _encoder(path: Path, added: tuple[str, ...]) -> Callable[[str], int] | None:
    """Counts the tokens of a text; None where the tokenizer cannot be read here."""
    try:
        from tokenizers import AddedToken, Tokenizer
    except ImportError:
        return None
    try:
        made = Tokenizer.from_file(str(path))
    except Exception:  # noqa: BLE001 - the library raises Exception itself
        return None
    made.no_truncation()
    made.add_special_tokens([AddedToken(token, special=True) for token in added])
    return lambda text: len(made.encode(text, add_special_tokens=False).ids)


class Ruler:
    """Counts the rows of one part of a file; ``budget`` bytes of text exactly, then a part of them."""

    def __init__(self, lengths: Lengths, stage: str, budget: int = BUDGET) -> None:
        self.lengths, self.stage, self.budget, self.further = lengths, stage, budget, budget // 16
        self.cuts, self.stride = Cuts(), 1
        path = lengths.tokenizer
        self.count = _encoder(path, lengths.added) if path is not None else None

    def measure(self, row: int, size: int, made: Callable[[], Dialogue]) -> None:
        """Count a row of ``size`` bytes that may be too long; ``made`` gives it as the converter would."""
        if self.count is None:
            size = self._bytes(made())
            if size <= self.lengths.cutoff_len:
                return
        self.cuts.long += 1
        self.cuts.likely += size > _WIDE * self.lengths.cutoff_len
        # scattered, so that long and short rows in turns are not all of one kind (Knuth's multiplier)
        if self.count is None or (self.cuts.long * 2654435761 >> 16) % self.stride:
            return
        self._note(row, *self._cut(made()))
        self.budget -= size
        if self.budget <= 0:
            self.stride, self.budget = self.stride * 2, self.further

    def _bytes(self, dialogue: Dialogue) -> int:
        """The most tokens that a row can have."""
        turns = len(dialogue.messages) // 2 + 1
        frame = self.lengths.frame_bytes(tools=bool(dialogue.tools))
        return dialogue.size + frame + turns * self.lengths.turn_bytes()

    def _note(self, row: int, lost: str, tokens: int) -> None:
        self.cuts.counted += 1
        self.cuts.longest = max(self.cuts.longest, tokens)
        if lost:
            self.cuts.answers += self.stride * (lost == "answer")
            self.cuts.questions += self.stride * (lost == "question")
            if len(self.cuts.first) < 5:
                self.cuts.first.append(row)

    def _cut(self, dialogue: Dialogue) -> tuple[str, int]:
        if self.stage == "pt":
            tokens = self._text(dialogue.messages[0][1]) + 1
            return ("answer" if tokens > self.lengths.cutoff_len else ""), tokens
        pairs = self.pairs(dialogue)
        end = self.stage == "sft" and self.lengths.template.efficient_eos
        tokens = sum(source + target for source, target in pairs) + end
        return cut(pairs, self.lengths, multiturn=self.stage == "sft"), tokens

    def pairs(self, dialogue: Dialogue) -> list[tuple[int, int]]:
        """The tokens of each question and answer; of all but the last one where only that is trained."""
        if self.stage == "sft":
            encoded = self._encoded([*dialogue.messages, *dialogue.answers[:1]], dialogue)
            return list(zip(encoded[::2], encoded[1::2], strict=True))
        sides = [self._encoded([*dialogue.messages, answer], dialogue) for answer in dialogue.answers]
        eos = int(self.lengths.template.efficient_eos)
        return [(sum(sides[0][:-1]), max(side[-1] for side in sides) + eos)]

    def _encoded(self, messages: list[Message], around: Dialogue) -> list[int]:
        found = []
        cleaned = self._cleaned(messages)
        for index, (role, text) in enumerate(cleaned):
            system = self._system(around) if index == 0 else ""
            found.append(self._message(role, text, system, first=index == 0))
        self._add_thoughts(cleaned, found)
        return found

    def _system(self, around: Dialogue) -> str:
        tools = self.lengths.tool_prompt.replace("{tool_text}", around.tools) if around.tools else ""
        return (around.system or self.lengths.system) + tools

    def _message(self, role: str, text: str, system: str, *, first: bool) -> int:
        template, tokens = self.lengths.template, 0
        if first:
            tokens += self._slots(template.slots("prefix"), "")
            if system and template.kind == "Llama2Template":
                text = str(template.slots("system")[0]).replace("{{content}}", system, 1) + text
            elif system:
                tokens += self._slots(template.slots("system"), system)
        return tokens + self._slots(template.slots(role), text)

    def _slots(self, slots: Slots, content: str) -> int:
        tokens = 0
        for slot in slots:
            if isinstance(slot, str):
                tokens += self._text(slot.replace("{{content}}", content, 1))
            else:
                tokens += self._one(slot[0])
        return tokens

    def _one(self, name: str) -> bool:
        """Whether a slot of the tokenizer's own becomes a token: it has none of that role at times."""
        own = {"bos_token": self.lengths.bos, "eos_token": self.lengths.eos, "token": True}
        return own.get(name, False)  # the template phi_small has a name that LLaMA-Factory does not know

    def _text(self, text: str) -> int:
        return self.count(text) if text and self.count else 0

    def _cleaned(self, messages: list[Message]) -> list[Message]:
        """The messages of a reasoning template, less the thoughts that it takes away."""
        own = self.lengths
        if not own.template.reasoning:
            return messages
        earlier, last = not own.keeps_thought, own.thinks is False
        if self.stage == "sft":
            earlier = last or (own.mask_history and earlier)
        goes = [earlier] * (len(messages) - 1) + [last]
        return [
            (role, self._without_thought(text) if index % 2 and goes[index] else text)
            for index, (role, text) in enumerate(messages)
        ]

    def _without_thought(self, text: str) -> str:
        import re

        begin, end = self.lengths.template.thought_words or THOUGHT_WORDS
        return re.sub(f"{re.escape(begin)}(.*?){re.escape(end)}", "", text, flags=re.S).lstrip("\n")

    def _add_thoughts(self, messages: Sequence[Message], found: list[int]) -> None:
        own = self.lengths
        if not own.template.reasoning:
            return
        words = [word.strip() for word in own.template.thought_words or THOUGHT_WORDS]
        only_last = self.stage != "sft" or (own.mask_history and not own.keeps_thought)
        turns: Iterable[int] = [len(messages) - 2] if only_last else range(0, len(messages), 2)
        for turn in turns:
            if not any(word in messages[turn + 1][1] for word in words):
                found[turn if not own.thinks else turn + 1] += self._text(own.template.empty_thought)


def cut(pairs: Sequence[tuple[int, int]], lengths: Lengths, *, multiturn: bool) -> str:
    """What a row loses: ``answer`` (with the end token), ``question``, or nothing (data/processor/*.py)."""
    limit, total = lengths.cutoff_len, 0
    if multiturn:
        total = int(lengths.template.efficient_eos)
    lost = ""
    for number, (source, target) in enumerate(reversed(pairs) if lengths.mask_history else pairs):
        # with mask_history the last answer comes first, and what stands before it is only read
        trained = not (lengths.mask_history and number)
        if total >= limit:
            return "answer" if trained else "question"
        new_source, new_target = infer_seqlen(source, target, limit - total)
        if new_target < target and trained:
            return "answer"
        if new_source < source or new_target < target:
            lost = "question"
        total += new_source + new_target
    return lost


def infer_seqlen(source: int, target: int, cutoff: int) -> tuple[int, int]:
    """What is kept of a question and an answer (data/processor/processor_utils.py)."""
    if target * 2 < cutoff:
        most = cutoff
    elif source * 2 < cutoff:
        most = cutoff - source
    else:
        most = int(cutoff * (target / (source + target)))
    kept = min(most, target)
    return min(max(cutoff - kept, 0), source), kept
