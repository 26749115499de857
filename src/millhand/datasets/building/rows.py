"""The last stage's pieces -> rows.jsonl, validation.jsonl, test.jsonl; each row with where it came from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from millhand.datasets.built import FILES, StepReport, dataset_name
from millhand.datasets.definition import Definition, Format, SourceFile
from millhand.datasets.pieces import SPLITS, Piece
from millhand.datasets.records import Record, Source
from millhand.datasets.writer import RowWriter
from millhand.errors import Finding, FindingsError
from millhand.files import sha256_file

_ALPACA, _RANKED = ("instruction", "input", "output"), ("instruction", "input", "chosen", "rejected")
_TALK, _RANKED_TALK = ("conversations",), ("conversations", "chosen", "rejected")


class Draft(msgspec.Struct, frozen=True):
    """What all parts of a dataset have in common."""

    name: str
    description: str
    licence: str
    sources: tuple[SourceFile, ...]


def write_rows(
    folder: Path, pieces: Iterable[Piece], draft: Draft, reports: Sequence[StepReport] = ()
) -> tuple[Definition, ...]:
    """Write the rows of each split into ``folder``; a split without rows has no file.

    Raises:
        FindingsError: A piece is still a passage, rows are of several shapes, or there is none.
    """
    writers: dict[str, _Part] = {}
    try:
        for piece in pieces:
            split = piece.split or "train"
            if split not in writers:
                writers[split] = _Part(folder / FILES[split], _record(piece))
            writers[split].write(piece)
    finally:
        for part in writers.values():
            part.writer.finish()
    if "train" not in writers:
        raise FindingsError([_fault(f"no row is left to train on: {_funnel(reports)}", _NOTHING)])
    return tuple(writers[split].definition(draft, split) for split in SPLITS if split in writers)


_NOTHING = "Loosen the step that dropped them."


def _funnel(reports: Sequence[StepReport]) -> str:
    """Where the rows went: ``normalise 12 → 12, filter 12 → 0 (12 too short)``."""
    parts = []
    for report in reports:
        why = ", ".join(f"{count:,} {reason}" for reason, count in report.tally.dropped.items())
        parts.append(
            f"{report.name} {report.tally.came:,} → {report.tally.went:,}" + (f" ({why})" if why else "")
        )
    return ", ".join(parts) or "there are no steps"


class _Part:
    """The rows of one split."""

    def __init__(self, path: Path, first: Record) -> None:
        self.path, self.shape = path, _shape(first)
        self.writer = RowWriter(path, _columns(first), "", "")

    def write(self, piece: Piece) -> None:
        record = _record(piece)
        if _shape(record) != self.shape:
            mend = "Make one dataset of each: a recipe for the tables, another for the conversations."
            raise FindingsError([_fault(f"row {piece.id} is of another shape than those before it", mend)])
        self.writer.write_sourced(row_of(record), source_row(_whole(piece)))

    def definition(self, draft: Draft, split: str) -> Definition:
        format_, ranking = self.shape
        return Definition(
            name=dataset_name(draft.name, split),
            sources=draft.sources,
            shape=format_,
            format=format_,
            columns=self.writer.columns,
            rows=self.writer.rows,
            sha256=sha256_file(self.path),
            description=draft.description,
            licence=draft.licence,
            ranking=ranking,
            file="" if split == "train" else f"{draft.name}/{FILES[split]}",
        )


def row_of(record: Record) -> dict[str, Any]:
    """A record as it stands in a file; optional fields only where they hold something."""
    row = _spoken(record) if record.messages else _asked(record)
    row |= {name: value for name in ("system", "tools") if (value := getattr(record, name))}
    if record.history and not record.messages:
        row["history"] = [list(pair) for pair in record.history]
    return row if record.kto_tag is None else row | {"kto_tag": record.kto_tag}


def _spoken(record: Record) -> dict[str, Any]:
    row: dict[str, Any] = {"conversations": msgspec.to_builtins(record.messages)}
    if record.chosen:
        row |= {"chosen": _said(record.chosen), "rejected": _said(record.rejected)}
    return row


def _said(value: str) -> dict[str, str]:
    return {"from": "gpt", "value": value}


def _asked(record: Record) -> dict[str, Any]:
    names = _RANKED if record.chosen else _ALPACA
    return {name: getattr(record, name) for name in names}


def source_row(source: Source) -> dict[str, Any]:
    """A source with all its members: Arrow wants the same in every row."""
    return {name: getattr(source, name) for name in source.__struct_fields__}


def _record(piece: Piece) -> Record:
    if piece.record is None:
        mend = "Add the step `generate`: it makes questions and answers of passages."
        raise FindingsError([_fault(f"{piece.id} is a passage, not a row to train on", mend)])
    return piece.record


def _whole(piece: Piece) -> Source:
    """The source of a row, which is never without one."""
    source = piece.source
    generated = bool(source.place) <= bool(source.generator and source.prompt_sha256)
    if not (
        source.document and source.sha256 and source.licence and (source.row or source.place) and generated
    ):
        raise AssertionError(f"a row without its provenance: {piece.id}: {source}")
    return source


def _shape(record: Record) -> tuple[Format, bool]:
    return ("sharegpt" if record.messages else "alpaca"), bool(record.chosen)


def _columns(record: Record) -> tuple[str, ...]:
    spoken, ranked = bool(record.messages), bool(record.chosen)
    base = (_RANKED_TALK if ranked else _TALK) if spoken else (_RANKED if ranked else _ALPACA)
    return base if record.kto_tag is None else (*base, "kto_tag")


def _fault(message: str, mend: str) -> Finding:
    return Finding(
        id="data.no-rows", severity="error", message=message, why="Rows are what is trained.", mend=mend
    )
