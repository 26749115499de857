"""Where a model or a dataset comes from and what its licences ask. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from millhand.hub.facts import Base, Data, DatasetFacts, ModelFacts, Origin, Step
from millhand.hub.licences import UNKNOWN, licence_of
from millhand.hub.markdown import code, paragraphs, plain, table
from millhand.hub.phrases import count, dataset_link, link, listed, model_link, overrides_text
from millhand.llamafactory.yaml import dump_value

_PRIVATE_OPTIONS = frozenset({"url", "key"})


def built_with(base: Base) -> str:
    """What a base's licence wants to stand where people see it: ``Built with Llama``."""
    known = licence_of(base.licence)
    named = [term.split("“")[1].split("”")[0] for term in (known.terms if known else ()) if "“" in term]
    return f"**{plain(named[0])}**" if named else ""


def model_data(facts: ModelFacts) -> str:
    """What a model was trained on: rows, hashes, sources and their licences."""
    if not facts.data:
        return ""
    changed = [plain(item.name) for item in facts.data if item.changed]
    return paragraphs(
        "## Data",
        table(("dataset", "rows", "licence", "SHA-256 of the rows"), map(_data_row, facts.data)),
        _origins([(item.name, item.licence, origin) for item in facts.data for origin in item.origins]),
        f"Changed since: {listed(changed)}. The hash is of the rows that were trained on." if changed else "",
    )


def _data_row(item: Data) -> list[str]:
    name = dataset_link(item.repository, item.name)
    return [name, count(item.rows), _said(item.licence), code(item.sha256)]


def _origins(files: Sequence[tuple[str, str, Origin]]) -> str:
    """The files that rows were made from: the dataset's name, its licence, the file."""
    rows = (
        [plain(name), code(o.name), count(o.rows), _said(o.licence or licence), code(o.sha256)]
        for name, licence, o in files
    )
    header = ("dataset", "file", "rows or parts", "licence", "SHA-256")
    return paragraphs("What the rows were made from:", table(header, rows)) if files else ""


def model_licence(facts: ModelFacts) -> str:
    """The base's licence with what it asks of whoever passes the model on, and gates that were opened."""
    base, known = facts.base, licence_of(facts.base.licence)
    where = base.licence_link or (known.source if known else "")
    said = plain(base.licence_name or base.licence) + (f" ({link(where)})" if where else "")
    named = base.licence and base.licence != UNKNOWN
    name = model_link(base.repository, base.name)
    unknown = "has no licence of others" if base.made_here else "is under a licence that is not known"
    return paragraphs(
        "## Licence",
        f"The base, {name}, {f'is under {said}' if named else unknown}.",
        "Access to the base is granted on the Hub, on its own terms." if base.gated else "",
        "\n".join(f"- {plain(term)}" for term in (known.terms if known else ())),
        overrides_text(facts.overrides),
    )


def dataset_origins(facts: DatasetFacts) -> str:
    """What a dataset's rows were made from."""
    return paragraphs(
        "## Where it comes from",
        _origins([(facts.name, facts.licence, origin) for origin in facts.origins]),
        "" if facts.origins else "What its rows were made from is not recorded.",
        f"{facts.rejected:,} rows of the source had faults and were left out." if facts.rejected else "",
        _steps(facts),
    )


def _steps(facts: DatasetFacts) -> str:
    rows = (
        [
            code(step.name),
            f"{step.came:,}",
            f"{step.went:,}",
            f"{step.changed:,}",
            _dropped(step),
            _options(step),
        ]
        for step in facts.steps
    )
    header = ("step", "came", "went on", "changed", "left out", "options")
    return paragraphs("The steps they went through, in order:", table(header, rows)) if facts.steps else ""


def _dropped(step: Step) -> str:
    return ", ".join(f"{number:,} {plain(reason)}" for reason, number in sorted(step.dropped.items()))


def _options(step: Step) -> str:
    """The options that are set; where a model was asked is its maker's own matter."""
    kept = {
        name: value
        for name, value in step.options.items()
        if name not in _PRIVATE_OPTIONS and (value or value is False)
    }
    return code(dump_value(kept)) if kept else ""


def dataset_licence(facts: DatasetFacts) -> str:
    """A dataset's licence with what it asks, and gates that were opened."""
    known = licence_of(facts.licence)
    said = plain(facts.licence) + (f" ({link(known.source)})" if known else "")
    forbids = f"It does not allow {known.forbids}." if known and known.forbids else ""
    return paragraphs(
        "## Licence",
        f"{said}. {forbids}".strip() if facts.licence else "Its licence is not known.",
        "\n".join(f"- {plain(term)}" for term in (known.terms if known else ())),
        overrides_text(facts.overrides),
    )


def _said(licence: str) -> str:
    return plain(licence) or "not known"
