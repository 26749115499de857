"""What was asked for and not made: each in a file, their reasons as findings. Nothing goes missing unseen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from millhand.datasets.synthesize.judge import CODES
from millhand.datasets.synthesize.works import Work
from millhand.errors import Finding

_ENDPOINT = ("not served", "not asked")
_AGAIN = "`millhand data build NAME --fresh` asks for these again; no answer is paid for twice."
_SHOWN_PARTS = 5
_LOOK = "Look through the file. Raise `regenerate`, mend `system` or `examples`, or take another model."


class NotMade(msgspec.Struct, frozen=True):
    """One question that was asked for and not made.

    ``id`` is the one its record would have had; ``told`` is all that was wrong with the last draft,
    ``question`` is that draft's, ``prompt_sha256`` that of the request it came from.
    """

    id: str
    code: str
    told: tuple[str, ...]
    question: str = ""
    prompt_sha256: str = ""


class Listing:
    """Counts what was asked, answered and listed, and writes a line for each that is listed."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.asked = self.answered = self.again = 0
        self.codes: Counter[str] = Counter()

    @property
    def listed(self) -> int:
        """How many were not made."""
        return self.codes.total()

    def add(self, work: Work) -> None:
        """Count the slots of a work."""
        for slot in work.slots:
            self.asked += 1
            if slot.draft is not None:
                self.answered += 1
                self.again += work.round_ > 1
        for line in not_made(work):
            self.codes[line.code] += 1
            self._file.write(msgspec.json.encode(line) + b"\n")

    def findings(self, path: Path) -> Iterator[Finding]:
        """A finding for each reason. ``path`` is told from the workspace: builds know no machine's paths.

        What the endpoint left unanswered is an error: the same command could make it. What the judge
        refused was made and is no good: a warning.
        """
        for code, count in self.codes.most_common():
            yield Finding(
                id=f"data.not-made.{code.replace(' ', '-')}",
                severity="error" if code in _ENDPOINT else "warning",
                message=f"{count:,} of {self.asked:,} questions were not made: {CODES[code]}",
                file=shown(path),
                why="Each is listed in the file with what was wrong with it; none is in the dataset.",
                mend=_AGAIN if code in _ENDPOINT else _LOOK,
            )


def shown(path: Path) -> str:
    """A list as a person in the workspace sees it: ``.millhand/builds/NAME/cache/not-made-….jsonl``."""
    return "/".join(path.parts[-_SHOWN_PARTS:])


def not_made(work: Work) -> Iterator[NotMade]:
    """The slots of a work that have no draft."""
    for slot in work.open:
        told = tuple(fault.told for fault in slot.faults)
        number = f"{work.piece.id}/{work.ask.purpose}/{slot.number}"
        yield NotMade(number, slot.faults[0].code, told, slot.question, slot.key)
