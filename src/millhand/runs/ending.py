"""Ending pods on request: which are meant, what is running on them, and in what order that ends."""

from __future__ import annotations

from dataclasses import dataclass

from millhand.errors import UsageError
from millhand.runs.live import Live, Occupants
from millhand.runs.pod_ledger import PodEntry
from millhand.runs.pod_lookup import OtherKeyError, look
from millhand.runs.release import Released, Releaser
from millhand.runs.standing import named
from millhand.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Ending:
    """One wish to end pods; ``stop`` and ``lose`` as :meth:`Releaser.release` has them."""

    workspace: Workspace
    releaser: Releaser
    stop: bool = False
    lose: bool = False

    def live(self, entries: list[PodEntry]) -> list[Live]:
        """What runs on the pods that would be ended."""
        occupants = Occupants(self.workspace, self.releaser)
        return [one for entry in entries if self._may(entry) for one in occupants.of(entry)]

    def end(self, entry: PodEntry, live: list[Live]) -> Released:
        """End a pod; runs on it save first, where what they save outlives it.

        Raises:
            UsageError: What lies on it would be lost.
            ApiError: The API refuses, or does not answer; what was begun, `reap` ends.
        """
        mine = [one for one in live if one.pod == entry.name]
        if self._may(entry) and mine and self._outlives(entry):
            Occupants(self.workspace, self.releaser).save(entry, mine)
        begun = entry.state == "ending"  # what would be lost was asked about then
        fresh = self.releaser.ledger.find(entry.name) or entry
        return self.releaser.release(fresh, stop=self.stop and not begun, lose=self.lose or begun)

    def _may(self, entry: PodEntry) -> bool:
        return self.stop or self.lose or entry.keeps

    def _outlives(self, entry: PodEntry) -> bool:
        storage = entry.terms.storage
        return storage == "network" or (storage == "persistent" and self.stop)


def chosen(releaser: Releaser, text: str, *, every: bool) -> list[PodEntry]:
    """The pod that ``text`` means (:func:`named`), with those of it whose end was begun already.

    Args:
        every: Take all that it means.

    Raises:
        UsageError: There is none of that name, or there are several.
        ApiError: The API refuses, or does not answer.
    """
    found = named(releaser, text)
    exact = [entry for entry in found if entry.name == text]
    standing = exact or [entry for entry in found if entry.state != "ending"]
    if every or exact or len(standing) < 2:
        return found if every else exact or found
    there = [entry for entry in standing if _is_there(releaser, entry)]
    if len(there) > 1:
        raise _several(text, there)
    return [*(entry for entry in found if entry.state == "ending"), *(there or standing)]


def _is_there(releaser: Releaser, entry: PodEntry) -> bool:
    try:
        return look(releaser.account, releaser.ledger, entry) is not None
    except OtherKeyError:
        return True


def _several(text: str, entries: list[PodEntry]) -> UsageError:
    listed = "; ".join(_shown(entry) for entry in entries)
    whole = " ".join(filter(None, ("millhand down", text, "--all")))
    of = f" of {text}" if text else ""
    return UsageError(
        f"There are {len(entries)} pods{of}: {listed}.",
        mend=f"Name one in full: `millhand down {entries[0].name}`; or end them all: `{whole}`.",
    )


def _shown(entry: PodEntry) -> str:
    whose = f"run {entry.run}" if entry.run else "`millhand up`"
    return f"{entry.name} ({whose}, ${entry.hourly_usd:.2f} an hour)"
