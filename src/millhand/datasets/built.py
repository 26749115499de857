"""build.json: what a build made of a recipe. It is written by builds alone; the recipe is a person's.

There is no time in it and no machine's path: the same sources and the same recipe give the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from millhand.datasets.definition import Definition, SourceFile
from millhand.datasets.steps.base import Tally
from millhand.errors import Finding, FindingsError
from millhand.files import write_text

FILE = "build.json"
MARKS = "marks.jsonl"
FILES: Mapping[str, str] = MappingProxyType(
    {"train": "rows.jsonl", "validation": "validation.jsonl", "test": "test.jsonl"}
)
OURS = (FILE, MARKS, *FILES.values())


class StepReport(msgspec.Struct, frozen=True):
    """What a step did; ``options`` are whole, those left to their defaults too."""

    name: str
    options: dict[str, object]
    tally: Tally
    findings: tuple[Finding, ...] = ()


class SourceReport(msgspec.Struct, frozen=True):
    """What came of a source file: its pieces, and what was wrong with it."""

    file: SourceFile
    licence: str
    pieces: int
    findings: tuple[Finding, ...] = ()


class Built(msgspec.Struct, frozen=True, kw_only=True):
    """The content of build.json. ``key`` stands for the sources' bytes and all options of the steps."""

    key: str
    datasets: tuple[Definition, ...]
    sources: tuple[SourceReport, ...]
    steps: tuple[StepReport, ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All that was wrong, in the order in which it was met."""
        of_sources = (finding for source in self.sources for finding in source.findings)
        return (*of_sources, *(finding for step in self.steps for finding in step.findings))


def without_marks(reports: Sequence[StepReport]) -> tuple[tuple[StepReport, ...], list[dict[str, object]]]:
    """The reports without the places that steps noted, and those places, each with its step's name.

    There may be many: they lie in a file of their own.
    """
    marks: list[dict[str, object]] = [
        {"step": report.name, **{name: getattr(mark, name) for name in mark.__struct_fields__}}
        for report in reports
        for mark in report.tally.marks
    ]
    return tuple(_with_tally(report, marks=[]) for report in reports), marks


def for_others(built: Built) -> Built:
    """The build as others may see it: without texts of what was dropped, what was wrong, or an endpoint."""
    steps = []
    for report in built.steps:
        options = {name: value for name, value in report.options.items() if name != "url"}
        shown = _with_tally(report, samples=[], marks=[])
        steps.append(msgspec.structs.replace(shown, options=options, findings=()))
    sources = tuple(msgspec.structs.replace(source, findings=()) for source in built.sources)
    return msgspec.structs.replace(built, steps=tuple(steps), sources=sources)


def _with_tally(report: StepReport, **changes: Any) -> StepReport:
    return msgspec.structs.replace(report, tally=msgspec.structs.replace(report.tally, **changes))


def dataset_name(name: str, split: str) -> str:
    """What a split's dataset is called: ``manual``, ``manual_validation``, ``manual_test``."""
    return name if split == "train" else f"{name}_{split}"


def write_built(path: Path, built: Built) -> None:
    """Write a build.json, whole or not at all; the same value gives the same bytes."""
    text = msgspec.json.format(msgspec.json.encode(built, order="deterministic"), indent=2)
    write_text(path, text.decode("utf-8") + "\n")


def read_built(path: Path) -> Built | None:
    """What the last build made; None where there was none.

    Raises:
        FindingsError: The file is broken.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Built)
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError as error:
        finding = Finding(
            id="data.broken-build",
            severity="error",
            message=f"is not what a build wrote: {error}",
            file="/".join(path.parts[-3:]),
            why="It names the dataset's rows.",
            mend=f"Make it anew: `millhand data build {path.parent.name}`.",
        )
        raise FindingsError([finding]) from error
