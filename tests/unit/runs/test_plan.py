"""Which run a `millhand train` means."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millhand.errors import UsageError
from millhand.runs.ledger import Run
from millhand.runs.plan import Choice, changed, choose, fingerprint

FACTS: dict[str, Any] = {"config": {"lora_rank": 8}, "data": {"qa": "a" * 64}}


def run(name: str, facts: dict[str, Any] = FACTS, output_dir: str = "", project: str = "qa") -> Run:
    return Run(name, project, "c", fingerprint(facts), "local", output_dir or f"outputs/{name}", 0.0, facts)


def pick(runs: list[Run], facts: dict[str, Any] = FACTS, taken: Collection[str] = (), **how: bool) -> Choice:
    return choose("qa", "outputs/qa", facts, runs, is_free=lambda folder: folder not in taken, **how)


def test_the_first_run_takes_the_name_and_folder_of_the_config() -> None:
    assert pick([]) == Choice("qa", "outputs/qa")


def test_the_same_inputs_mean_the_same_run() -> None:
    mine, other = run("qa"), run("other", project="other")
    assert pick([other, mine]) == Choice("qa", "outputs/qa", mine)
    assert pick([other, mine], resume=True).run == mine


def test_changed_inputs_or_new_mean_a_new_name() -> None:
    assert pick([run("qa")], {**FACTS, "config": {"lora_rank": 16}}) == Choice("qa-2", "outputs/qa-2")
    assert pick([run("qa"), run("qa-2")], new=True) == Choice("qa-3", "outputs/qa-3")


def test_no_run_takes_a_folder_or_a_name_that_is_taken() -> None:
    assert pick([], taken={"outputs/qa"}) == Choice("qa-2", "outputs/qa-2")
    stranger = run("qa-2", output_dir="elsewhere", project="qa-2")
    assert pick([stranger], taken={"outputs/qa"}) == Choice("qa-3", "outputs/qa-3")
    squatter = run("other", output_dir="outputs/qa", project="other")
    assert pick([squatter]) == Choice("qa-2", "outputs/qa-2")


def test_resume_without_a_run_of_these_inputs_says_what_changed() -> None:
    with pytest.raises(UsageError, match="has no run to resume"):
        pick([], resume=True)
    with pytest.raises(UsageError, match=r"config\.lora_rank: 8 -> 16"):
        pick([run("qa")], {**FACTS, "config": {"lora_rank": 16}}, resume=True)


_facts = st.recursive(
    st.integers() | st.text(max_size=3), lambda inner: st.dictionaries(st.text(max_size=3), inner)
)


@given(st.dictionaries(st.text(max_size=3), _facts), st.dictionaries(st.text(max_size=3), _facts))
def test_changes_are_named_exactly_when_fingerprints_differ(one: dict[str, Any], two: dict[str, Any]) -> None:
    if fingerprint(one) == fingerprint(two):
        assert changed(one, two) == []
    assert (changed(one, one), fingerprint(one)) == ([], fingerprint(dict(reversed(one.items()))))
