"""What a model would cost, before anything is sent."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from millhand.datasets.pieces import Piece
from millhand.datasets.synthesize.options import Options, Pair, Purpose
from millhand.datasets.synthesize.prompts import Ask, request
from millhand.datasets.synthesize.quota import asks, rewording
from millhand.endpoint.cache import FILE, AnswerCache
from millhand.endpoint.order import Request

# Tokens a character, in the middle of what tokenizers of today take: about 0.6 (o200k) to 1.1 (cl100k)
# for a syllable of Hangul, a quarter to a half for other signs. A reply's items, in tokens, are what
# answers of 100 to 200 syllables come to.
_HANGUL, _OTHER = 0.8, 0.35
_OUT: dict[Purpose, int] = {"qa": 150, "procedure": 450, "summary": 220, "multi_turn": 150, "rewrite": 60}
_REPLY = 20
_SYLLABLE = re.compile(r"[가-힣]")
_LIKELY = Pair("이 절차에서 가장 먼저 해야 하는 일은 무엇인가요?", "답" * 120)


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """What the step would cost.

    Args:
        requests: To be sent if every answer passes.
        requests_at_most: If each is asked again as often as ``regenerate`` allows.
        cached: Requests that are answered already, and cost nothing more.
        items: Questions that are asked for.
        tokens_in: Of the requests to be sent.
        tokens_out: Of their answers.
        usd: None where no price is given.
        usd_at_most: With ``requests_at_most``.
        basis: How tokens were counted.
    """

    requests: int = 0
    requests_at_most: int = 0
    cached: int = 0
    items: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    usd: float | None = None
    usd_at_most: float | None = None
    basis: str = "no model is asked"


def price(options: Options, pieces: Iterable[Piece], *, cache: Path | None = None, model: str = "") -> Price:
    """Price the step for these pieces.

    Args:
        cache: The folder of the answers; its answers cost nothing, and its usage is the measure.
        model: Where the options name none.
    """
    if options.generator == "outline":
        return Price()
    model = options.model or model
    if cache is None or not (cache / FILE).is_file():
        return _priced(options, pieces, model, None)
    answers = AnswerCache(cache)
    try:
        return _priced(options, pieces, model, answers)
    finally:
        answers.close()


@dataclass
class _Sum:
    """Requests still to be sent, with what they and their answers come to."""

    requests: int = 0
    cached: int = 0
    items: int = 0
    characters: int = 0
    tokens_in: float = 0.0
    tokens_out: float = 0.0

    def add(self, ask: Ask, asked: Request, options: Options, times: int) -> None:
        """Count a request that is sent so many times, each time with other words."""
        self.requests += times
        self.characters += times * asked.characters
        self.tokens_in += times * _tokens(msgspec.json.encode(asked.body).decode())
        self.tokens_out += times * (_REPLY + _OUT[ask.purpose] * _replies(ask, options))


def _priced(options: Options, pieces: Iterable[Piece], model: str, answers: AnswerCache | None) -> Price:
    total = _Sum()
    for ask, times in _all(pieces, options):
        total.items += times * ask.count
        asked = request(ask, options, model)
        if answers is not None and ask.original is None and answers.get(asked.key) is not None:
            total.cached += 1
        else:
            total.add(ask, asked, options, times)
    rate, basis = _measured(answers, model)
    return _price(options, total, total.characters * rate if rate else total.tokens_in, basis)


def _price(options: Options, total: _Sum, tokens_in: float, basis: str) -> Price:
    usd, rounds = _usd(options, tokens_in, total.tokens_out), 1 + options.regenerate
    return Price(
        requests=total.requests,
        requests_at_most=total.requests * rounds,
        cached=total.cached,
        items=total.items,
        tokens_in=round(tokens_in),
        tokens_out=round(total.tokens_out),
        usd=usd,
        usd_at_most=None if usd is None else round(usd * rounds, 4),
        basis=basis,
    )


def _all(pieces: Iterable[Piece], options: Options) -> Iterator[tuple[Ask, int]]:
    """Each ask with how often it is sent: a rewording stands for all questions of its part."""
    for piece in pieces:
        for ask in asks(piece.passage, options) if piece.passage else ():
            yield ask, 1
            if "rewrite" in options.purposes and ask.purpose != "multi_turn":
                yield rewording(ask, _LIKELY, options), ask.count


def _replies(ask: Ask, options: Options) -> int:
    if ask.purpose == "rewrite":
        return len(options.levels)
    return options.turns if ask.purpose == "multi_turn" else ask.count


def _tokens(text: str) -> float:
    syllables = len(_SYLLABLE.findall(text))
    return syllables * _HANGUL + (len(text) - syllables) * _OTHER


def _measured(answers: AnswerCache | None, model: str) -> tuple[float, str]:
    """Tokens a character of the requests, from answers whose tokens the server counted; 0 without any."""
    usage = answers.usage(model) if answers else None
    if usage is None or not usage.tokens_in or not usage.characters_in:
        return 0.0, f"estimated: {_HANGUL} tokens a Hangul syllable, {_OTHER} any other sign"
    rate = usage.tokens_in / usage.characters_in
    return rate, f"as the server counted earlier requests: {rate:.2f} tokens a character"


def _usd(options: Options, tokens_in: float, tokens_out: float) -> float | None:
    if options.usd_per_million_in is None or options.usd_per_million_out is None:
        return None
    million = 1e6
    asked, answered = options.usd_per_million_in * tokens_in, options.usd_per_million_out * tokens_out
    return round((asked + answered) / million, 4)
