"""What a step would cost, held against what it then asks."""

from __future__ import annotations

from millhand.datasets.synthesize import Options, Price, price
from tests.openai_fake import MODEL, FakeOpenAI
from tests.unit.datasets.synthesize.conftest import Builder, passage, steps_passage

ALL = ("qa", "procedure", "summary", "multi_turn", "rewrite")


def options(**given: object) -> Options:
    return Options(**{"generator": "model", "chars_per_item": 40, **given})  # type: ignore[arg-type]


def test_the_outline_costs_nothing() -> None:
    assert price(Options(), [passage(1)]) == Price()


def test_what_is_priced_is_what_is_asked(build: Builder, fake: FakeOpenAI) -> None:
    pieces = [passage(n) for n in range(6)] + [steps_passage(9)]
    priced = price(options(purposes=ALL), pieces)
    built = build(pieces, purposes=ALL)
    assert built.counts["requests sent"] <= priced.requests_at_most
    assert priced.items == built.counts["asked"]
    assert priced.requests == len({str(order["messages"]) for order in fake.orders})
    assert priced.usd is None


def test_dollars_are_tokens_times_prices() -> None:
    priced = price(options(usd_per_million_in=1.0, usd_per_million_out=10.0), [passage(1)])
    assert priced.usd == round((priced.tokens_in + 10 * priced.tokens_out) / 1e6, 4)
    assert priced.usd_at_most is not None
    assert priced.usd_at_most > priced.usd
    assert "estimated" in priced.basis


def test_answers_that_are_there_cost_nothing_and_are_the_measure(build: Builder) -> None:
    build([passage(n) for n in range(3)])
    priced = price(options(), [passage(n) for n in range(5)], cache=build.cache, model=MODEL)
    assert (priced.cached, priced.requests) == (3, 2)
    assert "1.00 tokens a character" in priced.basis  # the fake counts characters
