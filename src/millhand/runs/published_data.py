"""The facts of datasets: of one that is published, and of those that a run was trained on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from millhand import __version__
from millhand.datasets.built import FILE as BUILD
from millhand.datasets.built import FILES, Built, dataset_name, read_built
from millhand.datasets.definition import Definition, SourceFile
from millhand.datasets.registry import Dataset, NotLocalError, Registry
from millhand.errors import MillhandError, UsageError
from millhand.hub.facts import Data, DatasetFacts, Origin, Split, Step
from millhand.hub.redact import clean_facts, machine_words
from millhand.runs.ledger import Run
from millhand.text.language import language_of
from millhand.training.check import train_datasets
from millhand.workspace import Workspace

_SAMPLED = 500  # texts that decide the language
_ON_HUB = "hf_hub_url"


def dataset_facts(workspace: Workspace, name: str, *, repository: str = "") -> DatasetFacts:
    """The facts of a dataset of the registry, with the parts that its build made.

    Raises:
        NotLocalError: It lies on a hub already.
        UsageError: There is none of that name.
        FindingsError: dataset_info.json or its dataset.yaml is broken.
    """
    registry = Registry(workspace.registry)
    dataset = registry.dataset(name)
    made, built = dataset.definition, _built(dataset)
    facts = DatasetFacts(
        name=dataset.name,
        repository=repository,
        description=made.description if made else "",
        licence=made.licence if made else "",
        languages=_languages([dataset]),
        rows=sum(split.rows or 0 for split in _splits(registry, dataset)),
        sha256=dataset.sha256,
        format=str(dataset.entry.get("formatting", "alpaca")),
        columns=made.columns if made else _columns(dataset),
        ranking=bool(dataset.entry.get("ranking")),
        mapping=dict(made.mapping) if made else {},
        origins=_origins(dataset),
        rejected=made.rejected if made else 0,
        steps=_steps(built) if built else (),
        splits=tuple(_splits(registry, dataset)),
        entry={key: value for key, value in dataset.entry.items() if key != "file_name"},
        millhand=__version__ if made else "",
    )
    return clean_facts(facts, machine_words(workspace.root))


def run_data(workspace: Workspace, run: Run) -> tuple[Data, ...]:
    """The datasets that a run was trained on, as far as they are here still."""
    return config_data(workspace, run.facts["config"], run.facts.get("data", {}))


def config_data(
    workspace: Workspace, config: Mapping[str, Any], trained: Mapping[str, str] = MappingProxyType({})
) -> tuple[Data, ...]:
    """The datasets that a config trains on; ``trained`` has the hash of each as a run read it."""
    registry = Registry(workspace.registry)
    return tuple(_data(registry, name, str(trained.get(name, ""))) for name in train_datasets(config))


def languages_of(workspace: Workspace, run: Run) -> tuple[str, ...]:
    """The languages of what a run was trained on, as far as they can be told."""
    return _languages(list(_local(workspace, run)))


def system_of(workspace: Workspace, run: Run) -> str:
    """The one system prompt that all its datasets gave to rows without one; empty where they differ."""
    made = [dataset.definition for dataset in _local(workspace, run)]
    systems = {definition.system if definition else "" for definition in made}
    return systems.pop() if len(systems) == 1 else ""


def _local(workspace: Workspace, run: Run) -> Iterator[Dataset]:
    registry = Registry(workspace.registry)
    for name in train_datasets(run.facts["config"]):
        try:
            yield registry.dataset(name)
        except UsageError:
            continue


def _data(registry: Registry, name: str, trained: str) -> Data:
    try:
        dataset = registry.dataset(name)
    except NotLocalError:
        entry = registry.entries()[name]
        return Data(name=name, repository=str(entry.get(_ON_HUB, "")))
    except UsageError:
        return Data(name=name, sha256=trained)
    made = dataset.definition
    return Data(
        name=name,
        sha256=trained,
        rows=_rows(dataset),
        licence=made.licence if made else "",
        described=made is not None,
        description=made.description if made else "",
        origins=_origins(dataset),
        changed=bool(trained) and trained != dataset.sha256,
    )


def _built(dataset: Dataset) -> Built | None:
    return read_built(dataset.rows_path.parent / BUILD) if dataset.definition else None


def _origins(dataset: Dataset) -> tuple[Origin, ...]:
    built = _built(dataset)
    if built:
        return tuple(_origin(source.file, source.licence) for source in built.sources)
    return tuple(_origin(file) for file in dataset.definition.sources) if dataset.definition else ()


def _origin(file: SourceFile, licence: str = "") -> Origin:
    name = Path(file.path).name
    return Origin(name=name, sha256=file.sha256, rows=file.rows, size=file.bytes, licence=licence)


def _steps(built: Built) -> tuple[Step, ...]:
    return tuple(
        Step(
            name=step.name,
            options=msgspec.to_builtins(step.options),
            came=step.tally.came,
            went=step.tally.went,
            changed=step.tally.changed,
            dropped=step.tally.dropped,
        )
        for step in built.steps
    )


def _splits(registry: Registry, dataset: Dataset) -> Iterator[Split]:
    """Its parts: of a built one those that the build made, else all rows as ``train``."""
    built = _built(dataset)
    if built is None:
        yield Split("train", dataset.rows_path.name, _rows(dataset))
        return
    by_name: dict[str, Definition] = {made.name: made for made in built.datasets}
    folder = dataset.rows_path.parent.name
    for split, file in FILES.items():
        made = by_name.get(dataset_name(folder, split))
        if made is not None and (registry.folder / made.file_name).is_file():
            yield Split(split, file, made.rows)


def _rows(dataset: Dataset) -> int | None:
    if dataset.definition:
        return dataset.definition.rows
    try:
        return sum(1 for _ in dataset.rows())
    except MillhandError:
        return None


def _columns(dataset: Dataset) -> tuple[str, ...]:
    """The keys of its first row; of a file that cannot be read none."""
    try:
        return tuple(next(dataset.rows(), {}))
    except MillhandError:
        return ()


def _languages(datasets: Sequence[Dataset]) -> tuple[str, ...]:
    """``ko`` where it is Korean; of other languages nothing is said, for nothing is known."""
    found = set()
    for dataset in datasets:
        try:
            found.add(language_of("\n".join(islice(dataset.texts(), _SAMPLED))))
        except MillhandError:
            found.add(None)
    return tuple(sorted(language for language in found if language)) if None not in found else ()
