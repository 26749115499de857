"""The parts of the page that tell who made the rows: generators, what they did not make, and a person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from millhand.datasets.built import Built, StepReport
from millhand.datasets.report.facts import Facts
from millhand.datasets.report.figures import bar
from millhand.datasets.report.funnel import chip, difference
from millhand.datasets.report.markup import Html, el, join, number, share, table
from millhand.datasets.report.sections import section, step_called, steps_called
from millhand.datasets.review.corrections import Correction
from millhand.datasets.steps.base import TAKEN
from millhand.documents.rows import shorten
from millhand.text.pii import veiled
from millhand.wording import counted

_MOST = 30
_NOT_MADE = "data.not-made."


class NotMade(msgspec.Struct, frozen=True):
    """A line of what a generator was asked for and did not make."""

    id: str
    code: str
    told: tuple[str, ...] = ()
    question: str = ""


class Failures(NamedTuple):
    """The first of the lines, and how many there are."""

    first: list[NotMade]
    total: int


def read_failures(folder: Path, built: Built) -> Failures:
    """What the last build listed as not made.

    The list lies below the workspace where a finding says; where another machine built the dataset, only
    their number is known.
    """
    first, total = list[NotMade](), 0
    for step in steps_called(built, "generate"):
        found = _read(folder.parent.parent, step)
        first, total = [*first, *found.first][:_MOST], total + found.total
    return Failures(first, total)


def _read(root: Path, step: StepReport) -> Failures:
    named = {root / finding.file for finding in step.findings if finding.id.startswith(_NOT_MADE)}
    path = next((path for path in sorted(named) if path.is_file()), None)
    if path is None:
        return Failures([], step.tally.counts.get("listed", 0))
    first, count = list[NotMade](), 0
    with path.open("rb") as file:
        for count, line in enumerate(file, 1):
            if count <= _MOST:
                first.append(msgspec.json.decode(line, type=NotMade))
    return Failures(first, count)


def generation(built: Built, facts: Facts, failures: Failures) -> Html:
    """What made the rows, and what was asked for and not made."""
    every = steps_called(built, "generate")
    rows: list[list[object]] = [
        [name, bar(count, facts.total), number(count), share(count, facts.total)]
        for name, count in facts.generators.most_common()
    ]
    counts: Counter[str] = Counter()
    for step in every:
        counts.update(step.tally.counts)
    chips = [chip(count, name) for name, count in counts.items() if count and name != TAKEN]
    return section(
        "generation",
        "Who made the rows",
        el("p", _made_of(every)),
        table(("generator", "", "rows", "share"), rows, numbers=(2, 3)),
        el("div", *chips, class_="chips") if chips else None,
        *(_failed(failures) if every else ()),
    )


def _made_of(every: Sequence[StepReport]) -> str:
    """How many rows were made of how many passages, and how many were rows already.

    A row that one generator made comes to the next one as a row: only the first tells what the sources held.
    """
    if not every:
        return "Rows were taken as they stood in the sources."
    taken = every[0].tally.counts.get(TAKEN, 0)
    made = sum(step.tally.went - step.tally.counts.get(TAKEN, 0) for step in every)
    passages = sum(step.tally.came - step.tally.counts.get(TAKEN, 0) for step in every)
    told = f"{_were(made)} made of {counted(passages, 'passage')}." if passages or not taken else ""
    return f"{told} {_were(taken)} taken as they stood in the sources.".strip() if taken else told


def _were(rows: int) -> str:
    return f"{counted(rows, 'row')} {'was' if rows == 1 else 'were'}"


def _failed(failures: Failures) -> Iterator[Html]:
    if not failures.total:
        yield el("p", "Nothing is listed as not made.", class_="quiet")
        return
    if not failures.first:
        told = (
            f"{failures.total:,} are listed as not made; the list is on the machine that built the dataset."
        )
        yield el("p", told, class_="quiet")
        return
    rows: list[list[object]] = [
        [el("span", line.id, class_="mono"), line.code, veiled(line.question), "; ".join(line.told)]
        for line in failures.first
    ]
    shown = f"the first {len(rows)}" if failures.total > len(rows) else "all of them"
    yield el("h3", f"Asked for and not made: {failures.total:,}")
    yield el(
        "details",
        el("summary", f"show {shown}"),
        table(("what", "why", "last question", "what was wrong with it"), rows),
    )


def corrections(built: Built, every: list[Correction]) -> Html | None:
    """What a person changed, and what of it found no row; nothing where nobody did."""
    step = step_called(built, "corrections")
    if step is None and not every:
        return None
    told = f"{len(every):,} corrections are kept in corrections.jsonl."
    if step is None:
        told += " They are not in the rows yet: build the dataset again."
    tally = step.tally if step else None
    chips = [chip(tally.changed, "corrected")] if tally else []
    chips += [chip(count, reason, kind="out") for reason, count in tally.dropped.items()] if tally else []
    chips += [chip(count, name) for name, count in tally.counts.items() if count] if tally else []
    shown = [_correction(correction) for correction in every[:_MOST]]
    opened = el("details", el("summary", f"{len(shown)} corrections"), *shown) if shown else None
    return section(
        "corrections", "Corrected by a person", el("p", told), el("div", *chips, class_="chips"), opened
    )


def _correction(correction: Correction) -> Html:
    place = " · ".join(part for part in (correction.document, correction.section, correction.note) if part)
    was, now = correction.was, correction.now
    if correction.delete:
        body = el("pre", el("del", veiled(f"{was.question}\n{was.answer}")), lang="ko")
    elif now:
        before, after = (
            veiled("\n".join(p for p in (w.question, w.input, w.answer) if p)) for w in (was, now)
        )
        body = el("pre", *difference(before, after), lang="ko")
    else:
        body = el("pre", veiled(shorten(was.question, 200)), lang="ko")
    return el("div", el("div", join(place), class_="tag"), body, class_="sample")
