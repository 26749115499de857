"""How many tokens the rows of a dataset have once the template stands around them.

With the model's tokenizer.json and the package ``tokenizers`` the count is LLaMA-Factory's own, row by row;
without, it is estimated from the characters, between two bounds.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from millhand.datasets.records import Record
from millhand.llamafactory.templates import THOUGHT_WORDS, Template
from millhand.training.check.lengths import infer_seqlen

Count = Callable[[str], float]
Basis = Literal["tokenizer", "characters"]
_SAMPLE = 4000
_LONGEST = 64

# Tokens a character, at the least and at the most, over the tokenizers of the presets' models: those made
# for Korean (polyglot-ko) take half a token for a syllable, those of mostly English text one and more.
_HANGUL, _LATIN, _OTHER = (0.45, 1.2), (0.2, 0.4), (0.5, 1.5)


class Length(NamedTuple):
    """A row's tokens: of each pair of question and answer, cut as LLaMA-Factory cuts them, and before."""

    tokens: float
    uncut: float


class Lengths(msgspec.Struct, frozen=True, kw_only=True):
    """The rows of one dataset: how many there are and how long they are, in tokens.

    ``sample`` holds the lengths that were counted, all or evenly spread ones; ``longest`` is the longest of
    all, cut at cutoff_len; ``high`` is the factor that the true counts may be larger by (1 with a tokenizer).
    """

    rows: int
    sample: tuple[float, ...]
    longest: float
    truncated: float
    basis: Basis
    high: float = 1.0

    @property
    def mean(self) -> float:
        """The mean of the sample."""
        return sum(self.sample) / max(1, len(self.sample))

    @property
    def tokens(self) -> float:
        """The tokens of all rows."""
        return self.mean * self.rows


class Speaker:
    """Counts the tokens of a record as a template and a tokenizer make them.

    Args:
        limit: cutoff_len, less one where rows are packed.
        bos: Whether the tokenizer has a token for the beginning of a text.
    """

    def __init__(
        self,
        count: Count,
        template: Template,
        *,
        limit: int,
        stage: str = "sft",
        mask_history: bool = False,
        default_system: str | None = None,
        bos: bool = True,
    ) -> None:
        self.count, self.template, self.limit, self.bos = count, template, limit, bos
        self.stage, self.mask_history = stage, mask_history
        self.system = template.default_system if default_system is None else default_system
        self.words = tuple(word.strip() for word in template.thought_words or THOUGHT_WORDS)
        self.thought = count(template.empty_thought) if template.reasoning else 0.0

    def length(self, record: Record) -> Length:
        """A record's tokens (``data/processor/supervised.py``: _encode_data_example)."""
        if self.stage == "pt":
            text = record.messages[0].value if record.messages else record.question
            uncut = self.count(text) + 1
            return Length(min(uncut, self.limit), uncut)
        pairs = self._pairs(record)
        end = 1 if self.template.efficient_eos else 0
        uncut = end + sum(question + answer for question, answer in pairs)
        total = float(end)
        for question, answer in reversed(pairs) if self.mask_history else pairs:
            if total >= self.limit:
                break
            total += sum(infer_seqlen(round(question), round(answer), int(self.limit - total)))
        return Length(total, uncut)

    def _pairs(self, record: Record) -> list[tuple[float, float]]:
        said = list(_said(record))
        head = self._apply("prefix", "")
        system = (record.system or self.system) + record.tools
        head += self._apply("system", system) if system else 0.0
        pairs = []
        for index in range(0, len(said) - 1, 2):
            (role, asked), (spoke, answered) = said[index], said[index + 1]
            question = self._apply("observation" if role == "observation" else "user", asked)
            answer = self._apply("function" if spoke == "function_call" else "assistant", answered)
            if self.thought and not any(word in answered for word in self.words):
                answer += self.thought
            pairs.append((question + (head if index == 0 else 0.0), answer))
        return pairs

    def _apply(self, role: str, content: str) -> float:
        """The tokens of a message's pieces, each encoded apart (``_convert_elements_to_ids``)."""
        total = 0.0
        for slot in self.template.slots(role):
            if isinstance(slot, str):
                text = slot.replace("{{content}}", content, 1)
                total += self.count(text) if text else 0.0
            else:
                total += self.bos or slot[0] != "bos_token"
        return total


def _said(record: Record) -> Iterator[tuple[str, str]]:
    """A record's messages in order, the answer last: for a pair of answers the longer one."""
    if record.messages:
        yield from ((message.role, message.value) for message in record.messages)
    else:
        for question, answer in record.history:
            yield from (("human", question), ("gpt", answer))
        yield "human", record.question
        if not record.chosen:
            yield "gpt", record.output
    if record.chosen:
        yield "gpt", max(record.chosen, record.rejected, key=len)


def measure(records: Iterable[Record], speaker: Speaker, basis: Basis, *, sample: int = _SAMPLE) -> Lengths:
    """Count a dataset: all rows of a small one, else evenly spread ones and those of the most characters."""
    chosen, longest, rows = _choose(records, sample)
    lengths = [speaker.length(record) for record in chosen]
    ends = [speaker.length(record) for record in longest]
    every = [*lengths, *ends]
    cut_off = sum(length.uncut > speaker.limit for length in lengths)
    return Lengths(
        rows=rows,
        sample=tuple(length.tokens for length in lengths),
        longest=max((length.tokens for length in every), default=0.0),
        truncated=cut_off / max(1, len(lengths)),
        basis=basis,
        high=1.0 if basis == "tokenizer" else _HANGUL[1] / sum(_HANGUL) * 2,
    )


def _choose(records: Iterable[Record], size: int) -> tuple[list[Record], list[Record], int]:
    """At most twice ``size`` evenly spread records, the longest ones, and how many there are.

    When the list is full every second one is dropped and from then on every second is skipped, so that
    memory is bounded and the spread even whatever the number of rows.
    """
    chosen: list[Record] = []
    longest: list[tuple[int, int, Record]] = []
    step, rows = 1, 0
    for rows, record in enumerate(records, start=1):
        if (rows - 1) % step == 0:
            chosen.append(record)
            if len(chosen) >= 2 * size:
                chosen, step = chosen[::2], step * 2
        entry = (sum(map(len, record.texts())), rows, record)
        if len(longest) < _LONGEST:
            heapq.heappush(longest, entry)
        elif entry > longest[0]:
            heapq.heapreplace(longest, entry)
    return chosen, [record for _, _, record in longest], rows


def by_characters(text: str) -> float:
    """An estimate of a text's tokens from its characters: the middle of the two bounds."""
    hangul = sum("가" <= character <= "힣" or "\u1100" <= character <= "\u11ff" for character in text)
    latin = sum(character.isascii() for character in text)
    other = len(text) - hangul - latin
    counts = ((hangul, _HANGUL), (latin, _LATIN), (other, _OTHER))
    return max(1.0, sum(number * sum(bounds) / 2 for number, bounds in counts))


def load_count(path: Path | None) -> tuple[Count, Basis]:
    """A counter of tokens: the tokenizer.json's where the package ``tokenizers`` is, else by characters."""
    if path is None:
        return by_characters, "characters"
    try:
        from tokenizers import Tokenizer
    except ImportError:
        return by_characters, "characters"
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_truncation()

    def count(text: str) -> float:
        return float(len(tokenizer.encode(text, add_special_tokens=False).ids))

    return count, "tokenizer"


def packed(lengths: Sequence[float], capacity: int, batch: int = 1000) -> int:
    """How many packed rows come of these, as ``PackedSupervisedDatasetProcessor`` fills its knapsacks.

    Rows longer than ``capacity`` are dropped; each ``batch`` of them (preprocessing_batch_size) is packed by
    itself.
    """
    import bisect

    count = 0
    for start in range(0, len(lengths), batch):
        left = sorted(length for length in lengths[start : start + batch] if length <= capacity)
        while left:
            room = float(capacity)
            while left and (index := bisect.bisect(left, room)):
                room -= left.pop(index - 1)
            count += 1
    return count
