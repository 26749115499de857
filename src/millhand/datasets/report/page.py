"""The page as a whole: one file, no script, nothing fetched, the same bytes for the same dataset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.resources import files

from millhand.datasets.built import Built
from millhand.datasets.definition import FILE as RECIPE
from millhand.datasets.recipe import is_recipe, read_recipe
from millhand.datasets.registry import Registry
from millhand.datasets.report import sections
from millhand.datasets.report.facts import Facts, Ruler, gather
from millhand.datasets.report.made import Failures, corrections, generation, read_failures
from millhand.datasets.report.markup import Html, el, join, number
from millhand.datasets.report.veil import for_page
from millhand.datasets.review.corrections import Correction, read_corrections
from millhand.datasets.standing import find_made, name_of

FILE = "report.html"
# Nothing may be fetched or run, whatever stands in a row.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


@dataclass(frozen=True)
class Report:
    """All that the page tells."""

    built: Built
    facts: Facts
    ruler: Ruler
    failures: Failures
    corrections: list[Correction]
    licence: str = ""
    description: str = ""


def make_report(registry: Registry, name: str, ruler: Ruler, *, seed: int = 0) -> Report:
    """Gather what there is to tell of the last build of dataset ``name``.

    Raises:
        UsageError: There is no such dataset, or nothing is known of it.
        FindingsError: Its rows or corrections are broken.
    """
    built = find_made(registry, name)
    folder = registry.folder / name_of(built)
    made = built.datasets[0]
    recipe = read_recipe(folder / RECIPE) if is_recipe(folder / RECIPE) else None
    return Report(
        built,
        gather(registry, built, ruler, seed=seed),
        ruler,
        read_failures(folder, built),
        read_corrections(folder),
        recipe.licence if recipe else made.licence,
        recipe.description if recipe else made.description,
    )


def render(report: Report) -> str:
    """The HTML of a report; personal data is starred out of all that it shows."""
    report = _veiled(report)
    built, facts = report.built, report.facts
    parts = [
        sections.sources(built, facts),
        sections.steps(built),
        sections.lengths(facts, report.ruler),
        sections.duplicates(built, facts),
        sections.personal(built, facts),
        sections.splits(built, facts),
        generation(built, facts, report.failures),
        corrections(built, report.corrections),
        sections.findings(built),
        sections.random_rows(facts),
    ]
    name = name_of(built)
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        el("title", f"{name} · dataset report"),
        el("style", Html(_style())),
    )
    body = el("body", _top(report), _menu(built, report), el("main", *parts, _footer(built)))
    return f"<!doctype html>\n{el('html', head, body, lang='en')}\n"


def _veiled(report: Report) -> Report:
    facts = replace(
        report.facts,
        licences=for_page(report.facts.licences),
        generators=for_page(report.facts.generators),
        shown=for_page(report.facts.shown),
    )
    return replace(
        report,
        built=for_page(report.built),
        facts=facts,
        failures=for_page(report.failures),
        corrections=for_page(report.corrections),
        licence=for_page(report.licence),
        description=for_page(report.description),
    )


def _style() -> str:
    return files("millhand.datasets.report").joinpath("page.css").read_text(encoding="utf-8")


def _top(report: Report) -> Html:
    name = name_of(report.built)
    told = el("p", report.description.strip(), class_="quiet") if report.description else None
    inner = (
        el("div", "DATASET REPORT", class_="eyebrow"),
        el("h1", name),
        told,
        el("div", *_tiles(report), class_="tiles"),
    )
    return el("header", el("div", *inner, class_="top"))


def _tiles(report: Report) -> Sequence[Html]:
    built, facts, ruler = report.built, report.facts, report.ruler
    splits = " · ".join(f"{number(count)} {split}" for split, count in facts.rows.items())
    crossed = len(facts.texts.crossed) + built_crossings(built)
    personal, wrong = facts.personal.total(), sum(f.severity == "error" for f in built.findings)
    over, documents = facts.over.total(), len(facts.documents.seen)
    long = f"{ruler.unit} in the longest row"
    if ruler.limit and ruler.unit == "tokens":
        long = f"tokens at most; cutoff_len {ruler.limit:,}"
    return [
        _tile(number(facts.total), f"rows: {splits}"),
        _tile(
            number(documents),
            f"{'document' if documents == 1 else 'documents'}, {report.licence or 'licence not said'}",
        ),
        _tile(number(facts.whole().at(1)), long, kind="warn" if over else ""),
        _tile(number(crossed), "rows or groups in two splits", kind="bad" if crossed else "good"),
        _tile(number(personal), "personal data left in the rows", kind="warn" if personal else "good"),
        _tile(
            number(len(built.findings)),
            f"findings, {wrong:,} of them errors",
            kind="bad" if wrong else "warn" if built.findings else "good",
        ),
    ]


def built_crossings(built: Built) -> int:
    """Groups and clusters that the step split found in two splits: none, or it would have stopped."""
    step = sections.step_called(built, "split")
    return (
        sum(
            count
            for name, count in step.tally.counts.items()
            if name.endswith("s in two splits") and "text" not in name
        )
        if step
        else 0
    )


def _tile(figure: str, told: str, *, kind: str = "") -> Html:
    return el("div", el("b", figure), el("span", told), class_=f"tile {kind}".strip())


def _menu(built: Built, report: Report) -> Html:
    names = {
        "sources": "Sources",
        "steps": "Steps",
        "lengths": "Lengths",
        "duplicates": "Duplicates",
        "personal": "Personal data",
        "splits": "Splits",
        "generation": "Generation",
        "corrections": "Corrections",
        "findings": "Findings",
        "rows": "Rows",
    }
    if not report.corrections and sections.step_called(built, "corrections") is None:
        del names["corrections"]
    links = (el("a", title, href=f"#{name}") for name, title in names.items())
    return el("nav", el("div", *links, class_="top"))


def _footer(built: Built) -> Html:
    hashes = (
        el("div", f"{made.file_name} · {made.rows:,} rows · SHA-256 ", el("span", made.sha256, class_="mono"))
        for made in built.datasets
    )
    again = join(
        "Made by ",
        el("code", f"millhand data report {name_of(built)}"),
        ". The same dataset gives the same page.",
    )
    return el("footer", *hashes, el("p", again))
