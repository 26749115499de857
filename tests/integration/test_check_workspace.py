"""A workspace as `millhand demo` leaves it has no finding but notes."""

from __future__ import annotations

import pytest

from millhand.cli.demo import steps
from tests.integration.conftest import Bench

pytestmark = pytest.mark.real


def test_the_demonstrations_workspace_is_clean(bench: Bench) -> None:
    for step in steps()[:4]:  # up to `config new`
        bench.call(*step)
    before = bench.answer("check", "all")
    assert (before["error"], before["warning"]) == (0, 0), before["findings"]
    bench.call("train", "qa")
    after = bench.answer("check", "all")
    assert (after["error"], after["warning"]) == (0, 0), after["findings"]
    assert {finding["id"] for finding in after["findings"]} <= {"train.resumes", "train.output-full"}
