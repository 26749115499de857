"""What is typed for a run means the same to every command."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from millhand.errors import UsageError
from millhand.runs.finished import open_ledger
from millhand.runs.ledger import Ledger, Run
from millhand.runs.naming import find_run, typed_for
from millhand.workspace import Workspace
from tests.conftest import Millhand


def add(ledger: Ledger, project: str, name: str, created_s: float) -> Run:
    run = Run(name, project, "c", "f", "local", f"outputs/{name}", created_s, {"config": {}})
    ledger.add(run)
    return run


@pytest.fixture
def ledger(workspace: Workspace) -> Ledger:
    ledger = open_ledger(workspace)
    add(ledger, "bicycle", "bicycle", 1.0)
    add(ledger, "bicycle", "bicycle-2", 2.0)
    add(ledger, "qa", "qa", 3.0)
    return ledger


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("bicycle", "bicycle-2"), ("bicycle-2", "bicycle-2"), ("bicycle/bicycle", "bicycle"), ("qa", "qa")],
)
def test_a_project_means_its_last_run_and_each_run_can_be_named(
    ledger: Ledger, typed: str, meant: str
) -> None:
    assert find_run(ledger, typed).name == meant


def test_what_is_not_there_is_told_with_what_is_near(ledger: Ledger) -> None:
    with pytest.raises(UsageError, match="There is no run 'bicicle'") as caught:
        find_run(ledger, "bicicle")
    assert "bicycle" in caught.value.mend
    for name in ("bicycle/qa", "bicycle/", "/bicycle", "outputs/bicycle"):
        with pytest.raises(UsageError):
            find_run(ledger, name)


def test_what_is_told_to_be_typed_is_a_name_where_that_will_do(ledger: Ledger) -> None:
    assert [typed_for(ledger, run) for run in ledger.runs()] == ["bicycle/bicycle", "bicycle-2", "qa"]


NAMES = st.sampled_from(["a", "b", "a-2", "b-2", "a-3"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=30)
@given(runs=st.dictionaries(NAMES, NAMES, min_size=1))
def test_what_is_told_to_be_typed_means_that_run(
    runs: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    ledger = Ledger(tmp_path_factory.mktemp("ledger") / "runs.sqlite")
    made = [add(ledger, project, name, float(n)) for n, (name, project) in enumerate(runs.items())]
    assert [find_run(ledger, typed_for(ledger, run)) for run in made] == made


@pytest.mark.parametrize("command", ["attach", "logs", "stop"])
def test_the_commands_take_a_project_for_its_last_run(
    ledger: Ledger, millhand: Millhand, command: str
) -> None:
    result = millhand(command, "bicycle")
    assert "bicycle-2" in result.output + result.stderr
