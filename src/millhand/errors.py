"""The error tree and the finding. Imports nothing of Millhand.

::

    MillhandError              failed: exit 1
    ├── UsageError             the command was asked for in a way that cannot work: exit 2
    │   └── NoWorkspaceError   no workspace in this folder or above it
    ├── FindingsError          the input has faults, all of them listed: exit 3
    ├── CommandError           a program ended with a code that is not 0
    ├── PodLostError           the pod is gone; another can go on with what is safe
    ├── TrainingError          LLaMA-Factory did not do what was asked, whatever its exit code says
    ├── StoppedError           stopped on request; what is done is kept: exit 130
    └── MissingPackageError    an optional package is needed and not installed

Every error says what is wrong; ``mend`` holds the next thing to type.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from millhand.wording import counted

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One fault of an input: what, where, why it matters and what mends it.

    ``id`` is stable (``data.missing-column``); ``line`` and ``row`` count from 1, and a table's row 1
    is its header, as a spreadsheet shows it.
    """

    id: str
    severity: Severity
    message: str
    file: str = ""
    line: int | None = None
    row: int | None = None
    column: str | None = None
    why: str = ""
    mend: str = ""

    @property
    def where(self) -> str:
        """File, line, row and column as far as they are known: ``qa.csv, row 12, column 답변``."""
        parts = [self.file] if self.file else []
        parts += [f"{word} {value}" for word, value in self._numbered() if value is not None]
        return ", ".join(parts)

    def _numbered(self) -> tuple[tuple[str, int | str | None], ...]:
        return ("line", self.line), ("row", self.row), ("column", self.column)

    def __str__(self) -> str:
        head = f"{self.where}: {self.message}" if self.where else self.message
        return " ".join(part for part in (head, self.why, self.mend) if part)


class MillhandError(Exception):
    """The root of what Millhand raises on purpose.

    Args:
        message: What is wrong, with its place.
        mend: The next thing to type or to edit.
    """

    exit_code = 1

    def __init__(self, message: str, *, mend: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.mend = mend

    def __str__(self) -> str:
        return f"{self.message}\n{self.mend}" if self.mend else self.message


class UsageError(MillhandError):
    """What was asked for cannot be done that way."""

    exit_code = 2


class NoWorkspaceError(UsageError):
    """A command that works in a workspace was called outside of one."""


class FindingsError(MillhandError):
    """The input has faults; ``findings`` lists every one of them."""

    exit_code = 3

    def __init__(self, findings: Iterable[Finding], *, message: str = "") -> None:
        self.findings = tuple(findings)
        errors = sum(finding.severity == "error" for finding in self.findings)
        super().__init__(message or f"{counted(errors, 'error')} found; nothing was written.")

    def __str__(self) -> str:
        return "\n".join([*(str(finding) for finding in self.findings), self.message])


class CommandError(MillhandError):
    """A program ended with a code that is not 0.

    Args:
        shown: The command as a person may read it, secrets masked.
        code: Its exit code, or the negative number of the signal that ended it.
        tail: The last lines it printed.
    """

    def __init__(self, shown: str, code: int, tail: str, *, mend: str = "") -> None:
        self.shown, self.code, self.tail = shown, code, tail
        super().__init__(f"`{shown}` ended with code {code}:\n{tail.rstrip()}", mend=mend)


class PodLostError(MillhandError):
    """The pod is gone, with all that did not lie on a network volume. Another one can go on."""


class TrainingError(MillhandError):
    """LLaMA-Factory did not do what was asked, whatever its exit code says."""


class StoppedError(MillhandError):
    """Stopped on request. What was done is kept and can be gone on from."""

    exit_code = 130


class MissingPackageError(MillhandError):
    """An optional package is needed for this and is not installed."""
