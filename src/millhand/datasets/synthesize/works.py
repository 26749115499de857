"""One thing that is asked of a passage, until each of its items is made or given up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest

from msgspec.structs import replace

from millhand.datasets.pieces import Piece
from millhand.datasets.records import Record
from millhand.datasets.synthesize.forms import Draft, UnreadableError
from millhand.datasets.synthesize.ground import Ground
from millhand.datasets.synthesize.judge import Fault, faults, question_faults
from millhand.datasets.synthesize.options import Options
from millhand.datasets.synthesize.prompts import Ask, Complaint, drafts, request
from millhand.endpoint.order import Failure, Reply, Request

_CUT_OFF = ("length", "max_tokens")
_REFUSED = ("content_filter", "refusal")


@dataclass
class Slot:
    """One item: its draft once one was kept, else what was wrong with the last one.

    ``question`` is that of the last draft that was not kept; ``key`` that of the request it came from.
    """

    number: int
    draft: Draft | None = None
    faults: tuple[Fault, ...] = ()
    question: str = ""
    key: str = ""

    def keep(self, draft: Draft, key: str) -> None:
        """Take a draft that passed."""
        self.draft, self.faults, self.question, self.key = draft, (), "", key

    def refuse(self, faults: tuple[Fault, ...], question: str, key: str) -> None:
        """Note why there is no draft."""
        self.draft, self.faults, self.question, self.key = None, faults, question, key


@dataclass
class Work:
    """An ask and its slots.

    ``grounds`` is shared by the works of a passage, and filled when something is to be judged. ``given_up``
    once no request for it can be served; ``settled`` once no draft of it is a duplicate.
    """

    piece: Piece
    ask: Ask
    slots: list[Slot]
    options: Options
    grounds: dict[str, Ground]
    round_: int = 0
    given_up: bool = False
    settled: bool = False

    @property
    def ground(self) -> Ground:
        """What its answers are held against."""
        seen = self.ask.seen
        if seen not in self.grounds:
            self.grounds[seen] = Ground(seen)
        return self.grounds[seen]

    @property
    def open(self) -> list[Slot]:
        """Slots without a draft; each level of a rewording is one of its own."""
        return [slot for slot in self.slots if slot.draft is None]

    @property
    def due(self) -> bool:
        """Whether it is to be asked, for the first time or again."""
        return bool(self.open) and not self.given_up and self.round_ <= self.options.regenerate

    def request(self, model: str) -> Request:
        """What is to be sent next."""
        kept = [slot.draft[0].question for slot in self.slots if slot.draft]
        complaints = [Complaint(slot.question, tuple(f.told for f in slot.faults)) for slot in self.open]
        wanted = len(self.open)
        return request(
            self.ask,
            self.options,
            model,
            wanted=wanted,
            round_=self.round_,
            kept=kept if self.round_ else (),
            complaints=complaints if self.round_ else (),
        )

    def take(self, answer: Reply | Failure, key: str) -> None:
        """Put what came of a request into the slots."""
        self.round_ += 1
        if isinstance(answer, Failure):
            self.given_up = True
            code = "not asked" if answer.why == "not asked" else "not served"
            self._refuse_all(Fault(code, answer.told), key)
        elif answer.finish in _REFUSED:
            self._refuse_all(Fault("refusal", "답을 거절했습니다."), key)
        else:
            self._fill(answer, key)

    def _fill(self, answer: Reply, key: str) -> None:
        try:
            given = drafts(self.ask, self.options, answer.text)
        except UnreadableError as error:
            self._refuse_all(_unreadable(answer, error), key)
            return
        for slot, draft in self._matched(given):
            if draft is None:
                slot.refuse((Fault("missing", "이 항목이 빠졌습니다."),), "", key)
                continue
            found = self._judged(draft)
            if found:
                slot.refuse(found, draft[-1].question, key)
            else:
                slot.keep(draft, key)

    def _matched(self, given: list[Draft | None]) -> Iterator[tuple[Slot, Draft | None]]:
        if self.ask.original is not None:  # a level's slot takes that level's question
            pairs = zip_longest(self.slots, given)
            return ((slot, draft) for slot, draft in pairs if slot is not None and slot.draft is None)
        return ((slot, draft) for slot, draft in zip_longest(self.open, given) if slot is not None)

    def _judged(self, draft: Draft) -> tuple[Fault, ...]:
        if self.ask.original is not None:
            return tuple(question_faults(draft[0].question, self.ground))
        least = self.options.min_overlap
        found = [
            f for pair in draft for f in faults(pair.question, pair.answer, self.ground, min_overlap=least)
        ]
        if self.ask.purpose == "multi_turn" and len(draft) < 2:
            found.append(Fault("missing", "대화에 질문이 둘 이상 있어야 합니다."))
        return tuple(found)

    def _refuse_all(self, fault: Fault, key: str) -> None:
        for slot in self.open:
            slot.refuse((fault,), "", key)

    def pieces(self, model: str) -> Iterator[Piece]:
        """The records that were made."""
        for slot in self.slots:
            if slot.draft is not None:
                yield _piece(self.piece, f"{self.ask.purpose}/{slot.number}", slot.draft, model, slot.key)


def _unreadable(answer: Reply, error: UnreadableError) -> Fault:
    if not answer.text.strip():
        return Fault("empty", "답이 비어 있습니다.")
    if answer.finish in _CUT_OFF:
        return Fault("cut off", "답이 너무 길어 중간에 끊겼습니다. 더 짧게 쓰십시오.")
    return Fault("unreadable", f"요청한 형식의 JSON이 아닙니다({error}). JSON만 출력하십시오.")


def _piece(passage: Piece, place: str, draft: Draft, model: str, key: str) -> Piece:
    source = replace(passage.source, generator=model, prompt_sha256=key)
    history = tuple((pair.question, pair.answer) for pair in draft[:-1])
    record = Record(instruction=draft[-1].question, output=draft[-1].answer, history=history, source=source)
    return Piece(f"{passage.id}/{place}", source, record=record, split=passage.split, cluster=passage.cluster)
