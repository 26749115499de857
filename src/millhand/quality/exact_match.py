"""Exact match: how many questions a model answers word for word."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from millhand.datasets.records import Turn
from millhand.endpoint import Endpoint, Message
from millhand.text.normal import nfc


@dataclass(frozen=True, slots=True)
class Answer:
    """One question, the answer wanted and the answer given."""

    question: str
    wanted: str
    given: str

    @property
    def exact(self) -> bool:
        """Whether they are the same text, blanks around it and Unicode's form aside."""
        return nfc(self.wanted).strip() == nfc(self.given).strip()


@dataclass(frozen=True, slots=True)
class ExactMatch:
    """All answers to a set of questions."""

    answers: tuple[Answer, ...]

    @property
    def exact(self) -> int:
        """How many are exact."""
        return sum(answer.exact for answer in self.answers)

    @property
    def asked(self) -> int:
        """How many were asked."""
        return len(self.answers)

    @property
    def rate(self) -> float:
        """The share of exact answers, 0 to 1; 0 of none."""
        return self.exact / self.asked if self.asked else 0.0

    @property
    def wrong(self) -> list[Answer]:
        """The answers that are not exact."""
        return [answer for answer in self.answers if not answer.exact]


def messages(turn: Turn) -> list[Message]:
    """A turn's question with all that comes before it, as messages."""
    system = [{"role": "system", "content": turn.system}] if turn.system else []
    earlier = [
        {"role": role, "content": text}
        for question, answer in turn.history
        for role, text in (("user", question), ("assistant", answer))
    ]
    return [*system, *earlier, {"role": "user", "content": turn.question}]


def measure(
    endpoint: Endpoint,
    turns: Iterable[Turn],
    *,
    in_flight: int = 1,
    told: Callable[[int], object] | None = None,
) -> ExactMatch:
    """Ask every question, greedily, and compare.

    Args:
        endpoint: Whom to ask.
        turns: Question and wanted answer of each.
        in_flight: How many to ask at a time.
        told: Called with the number of answers so far.
    """
    asked: Sequence[Turn] = list(turns)
    answers: list[Answer] = []
    with ThreadPoolExecutor(max_workers=in_flight) as pool:
        for turn, given in zip(asked, pool.map(lambda t: _ask(endpoint, t), asked), strict=True):
            answers.append(Answer(turn.question, turn.answer, given))
            if told is not None:
                told(len(answers))
    return ExactMatch(tuple(answers))


def _ask(endpoint: Endpoint, turn: Turn) -> str:
    return endpoint.chat(messages(turn), temperature=0.0)
