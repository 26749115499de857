"""What a sync did, what it would do, and whom it tells on the way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol

from millhand.errors import Finding, FindingsError

Action = Literal["new", "changed", "meta", "folder", "link", "delete"]


class Progress(Protocol):
    """Whom a sync tells what it does. Called from any thread, one at a time; totals may grow."""

    def total(self, files: int, size: int) -> None:
        """So many files and bytes are to be brought, as far as is known."""

    def done(self, files: int, size: int) -> None:
        """So many more files and bytes are there; bytes that were there already count too."""


class Quiet:
    """Tells nobody."""

    def total(self, files: int, size: int) -> None:
        """Nothing."""

    def done(self, files: int, size: int) -> None:
        """Nothing."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One thing that is to be done; ``size`` in bytes of the file's content."""

    action: Action
    path: str
    size: int = 0


@dataclass
class Report:
    """What was done, or with ``dry_run`` would be.

    Args:
        files, size: Files that were brought, and the bytes of their content.
        checked: Files that were looked at.
        deleted: Files, links and folders that were removed.
        reused: Bytes of content that the other side had already, in an old file or from a broken session.
        sent, received: Bytes on the line, before the connection's own compression and encryption.
        again: Files that changed while they were sent and were sent again.
        lines: Connections that were used.
        planned: With ``dry_run``, all that would be done, sorted by path.
        findings: What was left out, and why.
    """

    dry_run: bool = False
    files: int = 0
    size: int = 0
    checked: int = 0
    deleted: int = 0
    reused: int = 0
    sent: int = 0
    received: int = 0
    again: int = 0
    lines: int = 1
    seconds: float = 0.0
    planned: list[Planned] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def check(self) -> Report:
        """Return itself.

        Raises:
            FindingsError: Something was left out.
        """
        if any(finding.severity == "error" for finding in self.findings):
            told = (
                "These would be left out." if self.dry_run else "The rest was brought; these were left out."
            )
            raise FindingsError(self.findings, message=told)
        return self
