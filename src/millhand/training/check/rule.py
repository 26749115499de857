"""A rule: one thing that must hold between the values of a config."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from millhand.errors import Finding, Severity
from millhand.training.check.subject import Config, FaultyValueError


@dataclass(frozen=True, slots=True)
class Rule:
    """What is wrong when ``broken`` says so.

    ``keys`` are what it is about, the likeliest culprit first; ``source`` the file and line of
    LLaMA-Factory 0.9.5, or of transformers, that it is taken from. ``refusal`` is what LLaMA-Factory says.
    """

    id: str
    keys: tuple[str, ...]
    broken: Callable[[Config], object]
    message: str
    mend: str | Callable[[Config], str]
    source: str
    refusal: str = ""
    why: str = ""
    severity: Severity = "error"

    @property
    def reason(self) -> str:
        """Why it matters."""
        return self.why or f"LLaMA-Factory stops: “{self.refusal}”."

    def find(self, config: Config) -> Finding | None:
        """The finding, or None where the rule holds or cannot be judged for another fault."""
        try:
            broken = self.broken(config)
        except FaultyValueError:
            return None
        if not broken:
            return None
        mend = self.mend if isinstance(self.mend, str) else self.mend(config)
        return config.finding(self.id, self.severity, self.keys, self.message, self.reason, mend)


def apply(rules: Iterable[Rule], config: Config) -> Iterator[Finding]:
    """What breaks of ``rules``."""
    for rule in rules:
        finding = rule.find(config)
        if finding is not None:
            yield finding
