"""`millhand check` and LLaMA-Factory itself over the same cases: they agree.

A slice of the whole comparison (`python -m tests.differential`), whose report is docs/check-report.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest

from tests.cases import check as made
from tests.differential.__main__ import bench
from tests.differential.compare import Bench, Outcome
from tests.differential.mutations import config_case, dataset_case

pytestmark = pytest.mark.real

GENERATED = 16
# every so many of the cases by hand; all of them are put to the check in tests/unit/training
CONFIGS, ROWS = 4, 2


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    made_bench = bench(tmp_path_factory.mktemp("differential") / "ws")
    yield made_bench
    made_bench.worker.stop()


def agree(outcomes: list[Outcome]) -> None:
    assert [(o.name, o.real) for o in outcomes if o.missed] == []
    assert [(o.name, o.errors) for o in outcomes if o.wrong] == []


def test_configs_by_hand(both: Bench) -> None:
    agree([both.config(case) for case in made.cases("configs")[::CONFIGS]])


def test_datasets_by_hand(both: Bench) -> None:
    agree([both.dataset(case) for case in made.cases("rows")[::ROWS]])


def test_datasets_generated(both: Bench) -> None:
    random = Random(7)
    agree([both.dataset(dataset_case(random)) for _ in range(GENERATED)])


def test_configs_generated(both: Bench) -> None:
    random = Random(7)
    agree([both.config(config_case(random)) for _ in range(GENERATED)])
