"""What is typed for a run: every command reads it the same way."""

from __future__ import annotations

from millhand.errors import UsageError
from millhand.runs.ledger import Ledger, Run
from millhand.text.normal import did_you_mean


def runs_meant(ledger: Ledger, name: str) -> list[Run]:
    """The runs that a name means, oldest first: all of a project, or one.

    A project wins over a run of that name: its first run has it. ``PROJECT/RUN`` is one run for sure.
    """
    runs, (project, _, own) = ledger.runs(), name.partition("/")
    return (
        [run for run in runs if run.project == name]
        or [run for run in runs if run.name == name]
        or [run for run in runs if (run.project, run.name) == (project, own)]
    )


def find_run(ledger: Ledger, name: str) -> Run:
    """The last of the runs that a name means (:func:`runs_meant`).

    Raises:
        UsageError: There is none.
    """
    found = runs_meant(ledger, name)
    if found:
        return found[-1]
    known = [typed for run in ledger.runs() for typed in (run.project, run.name)]
    mend = did_you_mean(name, known) or "`millhand runs` lists them."
    raise UsageError(f"There is no run {name!r}.", mend=mend)


def typed_for(ledger: Ledger, run: Run) -> str:
    """What to type to mean this run: its name, or with its project's where another one is meant by that."""
    plain = runs_meant(ledger, run.name)[-1:]
    return run.name if [found.name for found in plain] == [run.name] else f"{run.project}/{run.name}"
