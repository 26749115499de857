"""The steps of a build: what came, what went, why the rest did not, and a few of each to look at."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence

from millhand.datasets.built import Built, StepReport
from millhand.datasets.report.figures import bar
from millhand.datasets.report.markup import Html, el, join, number
from millhand.datasets.steps.base import TAKEN, Sample, Tally
from millhand.documents.rows import shorten
from millhand.wording import counted

_TOKEN = re.compile(r"\w+|\s+|.", re.DOTALL)
_MOST_SAMPLES = 12
_CUT = 400  # characters of a text that a sample holds


def funnel(built: Built) -> Html:
    """All steps, one below the other, the reading first."""
    came = sum(source.pieces for source in built.sources)
    makes = next((n for n, step in enumerate(built.steps) if step.name == "generate"), None)
    first = max([came, *(step.tally.came for step in built.steps[: makes or len(built.steps)])], default=0)
    later = max((step.tally.went for step in built.steps[makes or 0 :]), default=0)
    before = _unit(None if makes is None else built.steps[makes].tally)
    rows = [_line("read", bar(came, first), join(number(came), before))]
    for index, step in enumerate(built.steps):
        made = makes is not None and index >= makes
        rows.append(_step(step, later if made else first, unit=_unit(None) if made else before))
    return el("div", *rows, class_="funnel")


def _unit(generate: Tally | None) -> Html:
    """What is counted before the step whose tally it is; rows, where none makes any."""
    taken = generate.counts.get(TAKEN, 0) if generate else 0
    if generate is None or 0 < taken == generate.came:
        return el("small", " rows")
    return el("small", " passages and rows" if taken else " passages")


def _step(step: StepReport, scale: int, unit: Html) -> Html:
    tally = step.tally
    drawn = bar(tally.went, scale, behind=tally.came if tally.came > tally.went else None)
    flow = join(el("small", f"{number(tally.came)} → "), number(tally.went), unit)
    return _line(
        step.name,
        drawn,
        flow,
        join(_chips(step), el("div", _options(step), samples(tally.samples), class_="opens")),
    )


def _line(name: str, drawn: Html, flow: Html, more: Html | None = None) -> Html:
    below = el("div", more, class_="more") if more else None
    return el(
        "div", el("span", name, class_="name"), drawn, el("span", flow, class_="flow"), below, class_="step"
    )


def _chips(step: StepReport) -> Html:
    tally = step.tally
    chips = [chip(count, reason, kind="out") for reason, count in _largest(tally.dropped)]
    if tally.changed:
        chips.append(chip(tally.changed, "changed"))
    chips += [chip(count, name) for name, count in tally.counts.items() if count]
    return el("div", *chips, class_="chips")


def chip(count: int, name: str, *, kind: str = "") -> Html:
    """A count with its name; ``out`` marks what was dropped."""
    return el(
        "span",
        el("b", f"{'−' if kind == 'out' else ''}{number(count)}"),
        f" {name}",
        class_=f"chip {kind}".strip(),
    )


def _largest(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _options(step: StepReport) -> Html | None:
    if not step.options:
        return None
    values = {name: _value(value) for name, value in step.options.items() if value not in ("", [], {}, None)}
    shown = (el("code", f"{name}: {value}") for name, value in values.items())
    return el("details", el("summary", "options"), el("div", *shown, class_="chips"))


def _value(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else shorten(str(value), 200)


def samples(every: Sequence[Sample]) -> Html | None:
    """Samples of a step, to be opened; what changed is marked."""
    if not every:
        return None
    shown = every[:_MOST_SAMPLES]
    return el("details", el("summary", counted(len(shown), "sample")), *map(_sample, shown))


def _sample(sample: Sample) -> Html:
    tag = el("div", f"{sample.reason} · ", el("span", sample.piece, class_="mono"), class_="tag")
    if sample.after:
        body = el("pre", *difference(sample.before, sample.after), lang="ko")
    else:
        body = el("pre", sample.before, lang="ko")
    kept = None
    if sample.same_as:
        told = join("kept instead: ", el("span", sample.same_as, class_="mono"))
        kept = join(el("div", told, class_="tag"), el("pre", sample.kept, lang="ko"))
    return el("div", tag, body, kept, class_="sample" if sample.after else "sample gone")


def difference(before: str, after: str) -> Iterator[Html]:
    """Both texts as one: what went and what came is marked."""
    one, other = _TOKEN.findall(before), _TOKEN.findall(after)
    codes = difflib.SequenceMatcher(None, one, other, autojunk=False).get_opcodes()
    for deed, a, b, c, d in codes:
        old, new = "".join(one[a:b]), "".join(other[c:d])
        if deed == "equal":
            yield join(old)
            continue
        if (deed, a, b, c, d) == codes[-1] and len(codes) > 2 and max(len(before), len(after)) >= _CUT:
            yield join("…")  # one of them was cut off here
            continue
        if old:
            yield el("del", _visible(old))
        if new:
            yield el("ins", _visible(new))


def _visible(text: str) -> str:
    """Blanks and line ends that changed, as signs that can be seen."""
    return text if text.strip() else text.replace(" ", "␣").replace("\n", "↵\n").replace("\t", "⇥")
