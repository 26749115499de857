"""Goes through a file's rows once: converts, checks and writes each, and collects what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import orjson

from millhand.datasets import faults
from millhand.datasets.definition import ROWS, Definition
from millhand.datasets.faults import Collector
from millhand.datasets.shapes import Plan
from millhand.datasets.store import REJECTED
from millhand.datasets.writer import RowWriter
from millhand.documents.rows import BadRow, Item, Row, RowFile, shorten
from millhand.errors import Finding, FindingsError
from millhand.text.normal import nfc
from millhand.wording import counted

_MEDIA = ("images", "videos", "audios", "image", "video", "audio")
_TICK_ROWS = 5000


@dataclass(frozen=True, slots=True)
class Converted:
    """What came of a file: rows read, written and rejected, the columns of each row, warnings."""

    read: int
    rows: int
    rejected: int
    columns: tuple[str, ...]
    warnings: tuple[Finding, ...]


def convert_rows(
    file: RowFile,
    plan: Plan,
    folder: Path,
    draft: Definition,
    on_rows: Callable[[int], None] | None = None,
) -> Converted:
    """Write ``file``'s rows to ``folder``'s rows.jsonl, with ``skip_bad`` the bad ones to rejected.jsonl.

    Raises:
        FindingsError: A row has a fault (without ``skip_bad``), no row is good, or the file breaks off.
    """
    base = [*plan.convert.base, *(("kto_tag",) if plan.convert.kto_tag else ())]
    base += ["chosen", "rejected"] if plan.format == "sharegpt" and plan.ranking else []
    source = draft.sources[0]
    with (
        RowWriter(folder / ROWS, base, nfc(file.name), source.sha256) as writer,
        (folder / REJECTED).open("xb") as rejected,
    ):
        run = _Run(file, plan, writer, rejected, skip_bad=draft.skip_bad)
        run.go(on_rows)
        run.judge()
        writer.finish()
    if not run.rejected_rows:
        (folder / REJECTED).unlink()
    return Converted(run.read, writer.rows, run.rejected_rows, writer.columns, tuple(run.warnings()))


class _Run:
    def __init__(
        self, file: RowFile, plan: Plan, writer: RowWriter, rejected: IO[bytes], *, skip_bad: bool
    ) -> None:
        self.file, self.plan, self.writer, self.rejected = file, plan, writer, rejected
        self.skip_bad = skip_bad
        self.found = Collector()
        self.read = self.rejected_rows = 0
        self.media = [name for name in _MEDIA if name in file.columns and file.kind == "objects"]

    def go(self, on_rows: Callable[[int], None] | None) -> None:
        """Read to the end, or to where nothing more can be read."""
        try:
            for item in self.file.items:
                self.read += 1
                self._take(item)
                if on_rows and self.read % _TICK_ROWS == 0:
                    on_rows(self.read)
        except FindingsError as error:
            raise FindingsError([*self.found.findings(), *error.findings]) from error

    def _take(self, item: Item) -> None:
        if isinstance(item, BadRow):
            self._reject(item, [item.finding])
            return
        row = self.plan.convert(item.values)
        if self.media and (column := self._has_media(item)):
            row = [faults.media(column)]
        if not isinstance(row, dict):
            self._reject(item, [fault.at(self.file.name, item.number) for fault in row])
            return
        try:
            self.writer.write(row, item.number)
        except orjson.JSONEncodeError as error:
            fault = faults.broken_text(shorten(repr(str(error))))
            self._reject(item, [fault.at(self.file.name, item.number)])

    def _has_media(self, row: Row) -> str | None:
        return next((name for name in self.media if row.values.get(name)), None)

    def _reject(self, item: Item, findings: list[Finding]) -> None:
        for finding in findings:
            self.found.add(finding)
        self.rejected_rows += 1
        if self.skip_bad:
            reasons = [{"id": f.id, "column": f.column, "message": f.message} for f in findings]
            content = item.raw if isinstance(item, BadRow) else item.values
            line = {"row": item.number, "reasons": reasons, "content": content}
            self.rejected.write(orjson.dumps(line, default=repr, option=orjson.OPT_APPEND_NEWLINE))

    def judge(self) -> None:
        """Raise unless there are rows, and faults only where they may be skipped."""
        if not self.read:
            raise FindingsError([self._nothing()])
        if self.rejected_rows and (not self.skip_bad or not self.writer.rows):
            total = sum(self.found.counts.values())
            faults = f"{counted(total, 'error')} in {self.rejected_rows:,} of {counted(self.read, 'row')}"
            raise FindingsError(self.found.findings(), message=f"{faults}; nothing was written.")

    def _nothing(self) -> Finding:
        table = self.file.kind == "table"
        return Finding(
            id="data.header-only" if table else "data.empty-file",
            severity="error",
            message=self.file.empty,
            file=self.file.name,
            row=1 if table else None,
            why="There is nothing to train on.",
            mend="Check that the export finished, and name the right file (or sheet: `--sheet`).",
        )

    def warnings(self) -> list[Finding]:
        """What does not stand in the way: rejected rows, and columns that Arrow will take for dates."""
        rejected = [_as_warning(finding) for finding in self.found.findings()]
        dates = [_dates(self.file.name, name, self.plan) for name in sorted(self.writer.dates)]
        return rejected + dates


def _as_warning(finding: Finding) -> Finding:
    import dataclasses

    return dataclasses.replace(
        finding, severity="warning" if finding.severity == "error" else "note", mend=""
    )


def _dates(file: str, name: str, plan: Plan) -> Finding:
    return Finding(
        id="data.only-dates",
        severity="warning",
        message=f"every {name} is a date in figures",
        file=file,
        column=plan.mapping.get(name, name),
        why="Arrow, which LLaMA-Factory reads with, takes such a column for timestamps, "
        "and LLaMA-Factory leaves out answers that are no text.",
        mend="Write at least one in words: 2024년 3월 1일.",
    )
