"""The parts of the page, each a function of the build and the facts of its rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from millhand.datasets.built import Built, StepReport
from millhand.datasets.report.facts import Crossing, Facts, Ruler, Shown
from millhand.datasets.report.figures import bar, histogram, stacked
from millhand.datasets.report.funnel import chip, funnel, samples
from millhand.datasets.report.markup import Html, el, join, number, share, table
from millhand.errors import Finding
from millhand.text.pii import LABELS, veiled
from millhand.wording import counted

_LABELS = {str(kind): label.strip("[]") for kind, label in LABELS.items()}
_LONGEST = 1500
_BUCKETS = 48
_MOST_FINDINGS = 100


def section(name: str, title: str, *children: object) -> Html:
    """A part of the page that the menu leads to."""
    return el("section", el("h2", title), *children, id=name)


def steps_called(built: Built, name: str) -> list[StepReport]:
    """All steps of that name, in their order."""
    return [step for step in built.steps if step.name == name]


def step_called(built: Built, name: str) -> StepReport | None:
    """The last step of that name; None where the recipe has none."""
    return next((step for step in reversed(built.steps) if step.name == name), None)


def sources(built: Built, facts: Facts) -> Html:
    """Every file that was read, with its licence."""
    rows: list[list[object]] = [
        [
            el("span", source.file.path),
            source.licence or "not said",
            _bytes(source.file.bytes),
            number(source.pieces),
            _faults(source.findings),
            el("span", source.file.sha256[:12], class_="mono", title=source.file.sha256),
        ]
        for source in built.sources
    ]
    licences = sorted({source.licence or "not said" for source in built.sources})
    files = f"{counted(len(rows), 'file')} under {', '.join(licences)}"
    told = f"{files}. Every row names its file, and its page or row."
    head = ("file", "licence", "size", "passages or rows", "findings", "SHA-256")
    chips = [chip(count, f"rows under {licence}") for licence, count in facts.licences.most_common()]
    shown = table(head, rows, numbers=(2, 3, 4))
    return section("sources", "Sources and licences", el("p", told), shown, el("div", *chips, class_="chips"))


def _faults(findings: tuple[Finding, ...]) -> str:
    return number(len(findings)) if findings else "–"


def _bytes(size: int) -> str:
    for unit, scale in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}"
    return f"{size} B"


def steps(built: Built) -> Html:
    """The funnel."""
    told = (
        "What came to each step and what went on. Opened, a step shows its options and some of what it did."
    )
    return section("steps", "Steps", el("p", told), funnel(built))


def lengths(facts: Facts, ruler: Ruler) -> Html:
    """How long rows are, against what a config lets through."""
    whole = facts.whole()
    limit = ruler.limit if ruler.unit == "tokens" else None
    rows: list[list[object]] = []
    for split, some in facts.lengths.items():
        marks = [some.at(0), some.at(0.5), round(some.mean), some.at(0.95), some.at(0.99), some.at(1)]
        over = number(facts.over[split]) if limit else "–"
        rows.append([split, number(some.total), *map(number, marks), over])
    head = ("split", "rows", "shortest", "median", "mean", "95%", "99%", "longest", "over cutoff_len")
    drawn = histogram(whole.histogram(_BUCKETS), limit=limit, unit=ruler.unit)
    told = el("p", _against(facts, ruler))
    return section(
        "lengths", f"Lengths in {ruler.unit}", told, drawn, table(head, rows, numbers=tuple(range(1, 9)))
    )


def _against(facts: Facts, ruler: Ruler) -> str:
    if ruler.why:
        return ruler.why
    over, of = facts.over.total(), f"cutoff_len {ruler.limit:,} of config {ruler.config}"
    if not over:
        return f"Counted by the model's tokenizer, with its template: all rows fit into {of}."
    cut = f"{over:,} rows ({share(over, facts.total)}) are longer than {of}: LLaMA-Factory cuts them."
    return f"Counted by the model's tokenizer, with its template: {cut}"


def duplicates(built: Built, facts: Facts) -> Html:
    """What was dropped as the same, and what is still there twice."""
    every = steps_called(built, "dedup")
    checks = [
        _check(facts.same_rows == 0, f"rows that say the same as another one: {facts.same_rows:,}"),
        _check(
            facts.same_questions == 0,
            f"questions that stand twice, with different answers: {facts.same_questions:,}",
        ),
    ]
    if not every:
        told = "There is no step dedup: duplicates were not looked for."
        return section("duplicates", "Duplicates", el("p", told), el("ul", *checks, class_="checks"))
    return section(
        "duplicates",
        "Duplicates",
        *(part for step in every for part in _dropped(step)),
        el("ul", *checks, class_="checks"),
    )


def _dropped(step: StepReport) -> Iterator[Html | None]:
    dropped = step.tally.dropped
    gone = sum(dropped.values())
    yield el("p", f"{gone:,} of {step.tally.came:,} were dropped because another one says the same.")
    chips = [chip(count, f"{reason} duplicates", kind="out") for reason, count in dropped.items()]
    chips += [chip(count, name) for name, count in step.tally.counts.items() if count]
    yield el("div", *chips, class_="chips")
    yield samples(step.tally.samples)


def personal(built: Built, facts: Facts) -> Html:
    """Personal data by kind, never a value."""
    every = steps_called(built, "pii")
    found: Counter[str] = Counter()
    for step in [step for step in every if step.options.get("action") != "report"] or every[-1:]:
        found.update(step.tally.counts)
    kinds = [kind for kind in (*LABELS, *found) if found.get(kind) or facts.personal[kind]]
    kinds = list(dict.fromkeys(kinds))
    most = max((max(found.get(kind, 0), facts.personal[kind]) for kind in kinds), default=0)
    rows: list[list[object]] = [
        [
            kind,
            el("span", _LABELS.get(kind, ""), lang="ko"),
            bar(found.get(kind, 0), most),
            number(found.get(kind, 0)),
            number(facts.personal[kind]),
        ]
        for kind in kinds
    ]
    head = ("kind", "", "", "found in the sources", "left in the rows")
    body = table(head, rows, numbers=(3, 4)) if rows else None
    return section("personal", "Personal data", el("p", _personal_told(every, facts)), body)


def _personal_told(every: list[StepReport], facts: Facts) -> str:
    left = facts.personal.total()
    after = f" Left in the rows: {left:,}." if left else " None is left in the rows."
    if not every:
        return "There is no step pii: sources were not searched." + after
    found = " ".join(map(_found, every))
    return f"{found}{after} Values are shown nowhere on this page."


def _found(step: StepReport) -> str:
    deeds = {"mask": "masked", "drop": "dropped with their passages", "report": "only counted"}
    deed = deeds.get(str(step.options.get("action")), "found")
    return f"{sum(step.tally.counts.values()):,} were found and {deed}."


def splits(built: Built, facts: Facts) -> Html:
    """The sizes of the splits, and that nothing stands in two."""
    step = step_called(built, "split")
    by = str(step.options.get("by", "")) if step else ""
    drawn = stacked({name: facts.rows[name] for name in ("train", "validation", "test") if facts.rows[name]})
    told = (
        f"Each {by} went whole to one split, with its near duplicates. Checked again in the rows as written:"
        if step
        else "There is no step split: all rows are for training."
    )
    counts = step.tally.counts if step else {}
    chips = [chip(count, name) for name, count in counts.items() if "in two splits" not in name and count]
    checks = el("ul", *_proof(by, facts, counts), class_="checks")
    return section("splits", "Splits", el("p", told), drawn, checks, el("div", *chips, class_="chips"))


def _proof(by: str, facts: Facts, counts: Mapping[str, int]) -> Iterator[Html]:
    parted = {"section": ("document",), "record": ("document", "section")}.get(by, ())
    for name, crossing in (("document", facts.documents), ("section", facts.sections)):
        yield _crossing(name, crossing, meant=name in parted)
    yield _crossing("row", facts.texts, meant=False)
    if "clusters of near duplicates" in counts:
        over = counts.get("clusters in two splits", 0)
        every = counts["clusters of near duplicates"]
        yield _check(over == 0, f"clusters of near duplicates in two splits: {over:,} of {every:,}")
    yield _check(
        facts.without_source == 0, f"rows that do not say where they come from: {facts.without_source:,}"
    )


def _crossing(name: str, crossing: Crossing, *, meant: bool) -> Html:
    told = f"{name}s in two splits: {len(crossing.crossed):,} of {len(crossing.seen):,}"
    if meant and crossing.crossed:
        return _mark("info", "·", f"{told}; the recipe parts them on purpose")
    return _check(not crossing.crossed, told)


def _check(good: bool, told: str) -> Html:
    return _mark("good", "✓", told) if good else _mark("bad", "✗", told)


def _mark(kind: str, sign: str, told: str) -> Html:
    return el("li", el("span", sign, class_="mark"), el("span", told), class_=kind)


def findings(built: Built) -> Html:
    """All that was wrong, with what mends it."""
    every = built.findings
    if not every:
        return section("findings", "Findings", el("p", "Nothing was wrong."))
    told = f"{counted(len(every), 'thing')} to look at, in the order in which they were met."
    shown = [_finding(finding) for finding in every[:_MOST_FINDINGS]]
    if len(every) > _MOST_FINDINGS:
        shown.append(el("p", f"… and {len(every) - _MOST_FINDINGS:,} more in build.json.", class_="quiet"))
    return section("findings", "Findings", el("p", told), *shown)


def _finding(finding: Finding) -> Html:
    if Path(finding.file).is_absolute():  # of this machine: nothing for the page
        finding = replace(finding, file=Path(finding.file).name)
    where = f" {finding.where}" if finding.where else ""
    head = join(el("span", finding.severity, class_=finding.severity), f"{where}: {veiled(finding.message)} ")
    more = [el("p", line, class_="quiet") for line in (finding.why, finding.mend) if line]
    return el("div", head, el("code", finding.id), *more, class_="finding")


def random_rows(facts: Facts) -> Html:
    """Some rows as they are trained, each with its source."""
    told = f"{len(facts.shown)} of {facts.total:,} rows, drawn by lot. Personal data is starred out here."
    return section("rows", "Random rows", el("p", told), *map(_row, facts.shown))


def _row(shown: Shown) -> Html:
    record, source = shown.record, shown.source
    before = [f"System: {record.system}"] if record.system else []
    before += [f"Q: {asked}\nA: {answered}" for asked, answered in record.history]
    place = source.place or f"row {source.row}"
    lines = (source.document, place, source.section, source.licence, source.generator)
    return el(
        "div",
        el("p", veiled("\n".join(before)), class_="said before", lang="ko") if before else None,
        el("p", _short(record.question), class_="said q", lang="ko"),
        el("p", _short(record.answer), class_="said", lang="ko"),
        el("p", _short(f"Rejected: {record.rejected}"), class_="said before") if record.rejected else None,
        el(
            "div",
            el("span", shown.split, class_=f"badge {shown.split}"),
            *(el("span", veiled(line)) for line in lines if line),
            class_="from",
        ),
        class_="row",
    )


def _short(text: str) -> str:
    text = veiled(text)
    return (
        text if len(text) <= _LONGEST else f"{text[:_LONGEST]} … ({len(text) - _LONGEST:,} more characters)"
    )
