"""What must be settled before anything leaves for the Hub. Reads the files that would go; changes nothing.

Gates that a person may open, for one subject and with a reason that the card then tells: ``licence`` (of a
dataset or the base), ``secrets``, ``personal-data``, ``local-path`` and ``not-looked-through`` (of a file).
Nobody opens the others: a pickle, a merged model that was not seen to speak.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import get_args

import msgspec

from millhand.errors import Finding, UsageError
from millhand.hub.facts import Base, Data, DatasetFacts, Gate, ModelFacts, Origin, Override
from millhand.hub.licences import licence_of, nearest_licences
from millhand.hub.metadata import HUB
from millhand.hub.redact import machine_words
from millhand.hub.scan import scan_file, scan_for_words

PICKLED = frozenset({".bin", ".ckpt", ".joblib", ".pickle", ".pkl", ".pt", ".pth"})
_LICENCE = "hub.licence"
_DEFINED = "Write {} as `licence:` in dataset_registry/NAME/dataset.yaml."
_ADD = "Millhand did not make it, so nothing says: `millhand data add FILE --name NAME --licence ID`."


def check_gates(
    facts: ModelFacts | DatasetFacts,
    files: Mapping[str, Path],
    *,
    overrides: Sequence[Override] = (),
    private: Sequence[str] = (),
) -> list[Finding]:
    """All that stands against publishing.

    Args:
        facts: What is known of it; the gates opened in them count too.
        files: Every file that would go, by its path in the repository.
        overrides: The gates that a person opened; a finding that one covers becomes a note.
        private: Words beside the home folder and the machine's name that no file may hold.

    Returns:
        Findings; any of severity ``error`` keeps it here.
    """
    opened: dict[tuple[str, str], Override] = {
        (item.gate, item.subject): item for item in (*facts.overrides, *overrides)
    }
    of_facts = _model(facts) if isinstance(facts, ModelFacts) else _dataset(facts)
    return [_opened(finding, opened) for finding in (*of_facts, *_files(files, private))]


def parse_override(text: str) -> Override:
    """What a person typed: ``licence:qa=the author agreed by letter``.

    Raises:
        UsageError: It is of another form, or gives no reason.
    """
    head, _, reason = text.partition("=")
    gate, _, subject = head.partition(":")
    given = {"gate": gate.strip(), "subject": subject.strip(), "reason": " ".join(reason.split())}
    try:
        override = msgspec.convert(given, Override)
    except msgspec.ValidationError:
        override = None
    if override is None or not (override.subject and override.reason):
        raise UsageError(
            f"{text!r} opens no gate.",
            mend=f"Write GATE:SUBJECT=REASON; a gate is one of {', '.join(get_args(Gate))}.",
        )
    return override


def _opened(finding: Finding, opened: Mapping[tuple[str, str], Override]) -> Finding:
    override = opened.get((finding.id.removeprefix("hub."), finding.file))
    if override is None:
        return finding
    return replace(finding, severity="note", mend=f"Published all the same: {override.reason}")


def check_licences(base: Base, data: Iterable[Data]) -> Iterator[Finding]:
    """Find licences that forbid to publish what is trained from a base on data, or that nobody knows."""
    for item in data:
        licence = item.licence or _shared(origin.licence for origin in item.origins)
        yield from _licence(item.name, licence, "dataset", _write_where(item))
        for origin in item.origins:
            if origin.licence and origin.licence != item.licence:
                yield from _licence(item.name, origin.licence, f"source {origin.name}", _write_where(item))
    yield from _base(base)


def _write_where(data: Data) -> str:
    """What to do about a licence that is not known; ``{}`` stands for what to write."""
    if data.repository:
        return f"Read {HUB}/datasets/{data.repository}."
    return _DEFINED.replace("NAME", data.name) if data.described else _ADD.replace("NAME", data.name)


def _model(facts: ModelFacts) -> Iterator[Finding]:
    yield from check_licences(facts.base, facts.data)
    if facts.kind == "model" and not facts.spoke:
        yield _finding(
            "hub.not-spoken",
            facts.name,
            "Nobody has seen this merged model load and speak.",
            "A merge can go wrong without an error; a stranger would be the first to notice.",
            "Export it with Millhand: `millhand export PROJECT` lets it load and speak.",
        )
    yield from _prefix(facts)


def _dataset(facts: DatasetFacts) -> Iterator[Finding]:
    write = (_DEFINED if facts.millhand else _ADD).replace("NAME", facts.name)
    yield from _licence(facts.name, facts.licence, "dataset", write)
    for origin in facts.origins:
        if origin.licence and origin.licence != facts.licence:
            yield from _licence(facts.name, origin.licence, f"source {origin.name}", write)
            yield from _laxer(facts, origin)


def _laxer(facts: DatasetFacts, origin: Origin) -> Iterator[Finding]:
    """Find a source whose licence asks for the same licence, where the dataset's asks for less."""
    source, whole = licence_of(origin.licence), licence_of(facts.licence)
    if source is None or whole is None or not source.share_alike or whole.share_alike:
        return
    message = (
        f"The source {origin.name} is under {source.id}, which asks for the same; the dataset is {whole.id}."
    )
    why = f"Whoever takes it by the laxer licence breaks the source's. Its terms: {source.source}"
    mend = f"Write {source.id} as `licence:` in dataset_registry/{facts.name}/dataset.yaml, or leave it out."
    yield replace(_finding(_LICENCE, facts.name, message, why, mend), severity="warning")


def _shared(licences: Iterable[str]) -> str:
    """The one licence of all; empty where they differ, or one is not known."""
    found = set(licences)
    return found.pop() if len(found) == 1 else ""


def _licence(name: str, licence: str, what: str, write: str) -> Iterator[Finding]:
    """Find whether a licence keeps from publishing; ``write`` says what to do where it is not known."""
    known = licence_of(licence)
    why = "What is published without the right to is taken down, and whoever used it is told to stop."
    mend = f"Or say why you may: `--override 'licence:{name}=REASON'`; the card tells the reason."
    if known is None:
        near = nearest_licences(licence)
        lacks = f"is {licence!r}, which is not known" if licence else "is not known"
        names = f"one of {', '.join(near)}" if near else "its SPDX identifier, CC-BY-4.0 or the like,"
        yield _finding(
            _LICENCE,
            name,
            f"The licence of the {what} {lacks}.",
            why,
            write.replace("{}", names) + f" {mend}",
        )
    elif not known.open:
        message = f"The licence of the {what}, {known.id}, does not allow {known.forbids}."
        yield _finding(_LICENCE, name, message, f"{why} Its terms: {known.source}", mend)


def _base(base: Base) -> Iterator[Finding]:
    if base.made_here:
        return
    known = licence_of(base.licence)
    name = base.repository or base.name
    if known is None:
        yield _finding(
            _LICENCE,
            name,
            f"The licence of the base is {base.licence!r}{_named(base)}."
            if base.licence
            else "The licence of the base is not known.",
            "What is made from a base stays under its licence, and some forbid to pass it on.",
            f"Put the base's README.md beside its weights, or say what you know: "
            f"`--override 'licence:{name}=REASON'`.",
        )
    elif not known.open:
        yield from _licence(name, base.licence, "base", "")


def _named(base: Base) -> str:
    """Name and link that a licence which the Hub does not know carries."""
    told = ", ".join(part for part in (base.licence_name, base.licence_link) if part)
    return f" ({told})" if told else ""


def _prefix(facts: ModelFacts) -> Iterator[Finding]:
    known = licence_of(facts.base.licence)
    name = facts.repository.rpartition("/")[2]
    if known is None or not known.prefix or not name:
        return
    if not name.casefold().replace("-", " ").startswith(known.prefix.casefold()):
        yield replace(
            _finding(
                "hub.name",
                facts.repository,
                f"Its name does not begin with {known.prefix!r}.",
                f"The licence of the base, {known.id}, wants that of what is made from it: {known.source}",
                f"Name it {facts.repository.rpartition('/')[0]}/{known.prefix.replace(' ', '-')}-{name}.",
            ),
            severity="warning",
        )


def _files(files: Mapping[str, Path], private: Sequence[str]) -> Iterator[Finding]:
    words = [*machine_words(), *private]
    for name, path in sorted(files.items()):
        if PurePosixPath(name).suffix.lower() in PICKLED:
            yield _finding(
                "hub.pickle",
                name,
                "It is a pickle, or may hold one.",
                "Whoever loads it runs the code that is in it.",
                "Publish weights as safetensors only; leave this file out.",
            )
            continue
        yield from scan_file(name, path)
        yield from scan_for_words(name, path, words)


def _finding(id_: str, file: str, message: str, why: str, mend: str) -> Finding:
    return Finding(id=id_, severity="error", file=file, message=message, why=why, mend=mend)
