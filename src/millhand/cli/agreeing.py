"""Before a pod is rented that nobody asked for by name: its price, and the question."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millhand.cli.output import ask_first

if TYPE_CHECKING:
    from millhand.runs.pod_ledger import PodEntry
    from millhand.runs.renting import Renting


def agree(renting: Renting, stopped: PodEntry | None) -> None:
    """Go on only when a person agrees to what it costs.

    Args:
        renting: What would be rented.
        stopped: The pod that would be started again instead.

    Raises:
        UsageError: Nobody is there to answer.
        click.Abort: The answer is no.
    """
    if stopped is not None:
        _ask(renting, f"{stopped.name} is stopped. Start it again, for ${stopped.hourly_usd:.2f} an hour?")
        return
    from millhand.cli.up import tell_plan

    plan = renting.plan()
    if plan.candidates and not plan.to_make:  # else renting says what is missing, before it costs anything
        tell_plan(renting.spec, plan)
        _ask(renting, f"No pod of {renting.pod_file.name} is up. Rent one?")


def _ask(renting: Renting, question: str) -> None:
    from millhand.errors import UsageError

    try:
        ask_first(question)
    except UsageError as error:
        mend = f"Have one first: `millhand up {renting.pod_file.name} --yes`."
        raise UsageError(error.message, mend=mend) from error
