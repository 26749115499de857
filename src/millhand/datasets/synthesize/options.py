"""What may stand behind ``generate`` in a dataset.yaml."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

Purpose: TypeAlias = Literal["qa", "procedure", "summary", "multi_turn", "rewrite"]
Whole: TypeAlias = Annotated[int, Meta(ge=1)]
OrNone: TypeAlias = Annotated[int, Meta(ge=0)]
PURPOSES: tuple[Purpose, ...] = ("qa", "procedure", "summary", "multi_turn", "rewrite")
LEVELS = {"beginner": "처음 배우는 사람", "practitioner": "실무 담당자", "expert": "해당 분야 전문가"}


class Pair(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A question and its answer."""

    question: str
    answer: str


class Example(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A passage and what is wanted of it, shown to the model before it is asked.

    ``turns`` holds one pair, or for ``multi_turn`` several.
    """

    passage: str
    turns: Annotated[tuple[Pair, ...], Meta(min_length=1)]
    purpose: Literal["qa", "procedure", "summary", "multi_turn"] = "qa"


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The options of the step ``generate``.

    Args:
        generator: ``outline`` makes records of headings and lists without any model.
        url: The endpoint, up to and with ``/v1``; else the setting ``MILLHAND_ENDPOINT``.
        model: The name that the endpoint knows the model by; else the setting ``MILLHAND_MODEL``.
        key: The *name* of the setting that holds the key, as ``OPENAI_API_KEY``.
        local_only: Refuse an endpoint that is not on this machine: the documents are confidential.
        purposes: What is asked for.
        levels: Of ``rewrite``: whom a question is put in the words of.
        turns: Of ``multi_turn``: questions in one conversation.
        system: By purpose: a system prompt in place of Millhand's own.
        examples: Shown before the passage.
        chars_per_item: One question and answer for so many characters of a passage.
        items_at_most: From one part of a passage.
        min_chars: A passage with fewer characters is not asked about.
        part_chars: A longer passage is asked about in parts.
        structured: ``schema`` sends a JSON schema and the prompt asks for JSON too; ``prompt`` only asks.
            ``auto`` sends the schema until a server refuses it.
        temperature: Given to the model; null: the server's own.
        max_tokens: Of one answer; 0: worked out from what is asked for.
        regenerate: How often what fails the judge is asked for again.
        min_overlap: Share of an answer's Hangul words that must begin like a word of the passage.
        concurrency: Requests under way at once.
        requests_per_minute: 0: no limit.
        tokens_per_minute: 0: no limit.
        attempts: Of one request, where the endpoint is busy or breaks off.
        timeout_s: For one answer.
        usd_per_million_in: Price of a million tokens of questions.
        usd_per_million_out: Price of a million tokens of answers.
    """

    generator: Literal["outline", "model"] = "outline"
    url: str = ""
    model: str = ""
    key: str = ""
    local_only: bool = False
    purposes: Annotated[tuple[Purpose, ...], Meta(min_length=1)] = ("qa",)
    levels: Annotated[tuple[str, ...], Meta(min_length=1)] = tuple(LEVELS)
    turns: Annotated[int, Meta(ge=2, le=8)] = 3
    system: dict[Purpose, str] = {}
    examples: tuple[Example, ...] = ()
    chars_per_item: Whole = 300
    items_at_most: Annotated[int, Meta(ge=1, le=20)] = 8
    min_chars: Whole = 40
    part_chars: Annotated[int, Meta(ge=500)] = 6000
    structured: Literal["auto", "schema", "prompt"] = "auto"
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = 0.3
    max_tokens: OrNone = 0
    regenerate: Annotated[int, Meta(ge=0, le=5)] = 2
    min_overlap: Annotated[float, Meta(ge=0, le=1)] = 0.4
    concurrency: Annotated[int, Meta(ge=1, le=256)] = 4
    requests_per_minute: Annotated[float, Meta(ge=0)] = 0
    tokens_per_minute: Annotated[float, Meta(ge=0)] = 0
    attempts: Annotated[int, Meta(ge=1, le=20)] = 6
    timeout_s: Annotated[float, Meta(gt=0)] = 120.0
    usd_per_million_in: Annotated[float, Meta(ge=0)] | None = None
    usd_per_million_out: Annotated[float, Meta(ge=0)] | None = None

    def __post_init__(self) -> None:
        """Refuse what could make nothing.

        Raises:
            ValueError: Levels or purposes are named twice, or only questions that nothing makes are reworded.
        """
        for name in ("levels", "purposes"):
            values = getattr(self, name)
            if len(set(values)) < len(values):
                raise ValueError(f"{name} names one twice")
        if not set(self.purposes) & {"qa", "procedure", "summary", "multi_turn"}:
            raise ValueError("purposes: rewrite needs questions to reword; name qa as well")
