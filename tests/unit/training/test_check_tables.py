"""Every refusal in LLaMA-Factory's source and every mistake that is known has a finding, and that a case."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from millhand.training.check.explain import names
from tests.cases import check as made

TESTS = Path(__file__).parents[2]


def rows(table: str) -> list[dict[str, str]]:
    with (made.HERE / f"{table}.tsv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


@pytest.fixture(scope="module")
def shown() -> set[str]:
    """The findings that a case, or a test with an input of its own, brings about."""
    configs = {case["found"] for case in made.cases("configs")}
    found = {name for case in made.cases("rows") for name in case["found"]}
    files = [*TESTS.glob("unit/training/test_*.py"), *TESTS.glob("unit/cli/test_check*.py")]
    text = "".join(file.read_text(encoding="utf-8") for file in files if file.name != Path(__file__).name)
    return configs | found | {name for name in names() if f'"{name}"' in text}


@pytest.mark.parametrize("table", ["refusals", "mistakes"])
def test_every_row_has_a_finding_with_a_case_or_a_reason(table: str, shown: set[str]) -> None:
    known = set(names())
    for row in rows(table):
        finding = row["finding"]
        if finding.startswith("- "):
            assert finding.endswith("."), row
        else:
            assert finding in known, row
            assert finding in shown, row


def test_most_refusals_are_found() -> None:
    without = [row for row in rows("refusals") if row["finding"].startswith("- ")]
    assert (len(rows("refusals")), len(without)) == (142, 23)
