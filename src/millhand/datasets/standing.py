"""The last build of a dataset, for those who show its rows or have them corrected."""

from __future__ import annotations

from typing import NamedTuple

from millhand.datasets.built import FILE as BUILD
from millhand.datasets.built import Built, SourceReport, read_built
from millhand.datasets.definition import FILE as DEFINITION
from millhand.datasets.definition import Definition
from millhand.datasets.recipe import is_recipe
from millhand.datasets.registry import Dataset, Registry
from millhand.errors import UsageError
from millhand.text.normal import nfc


class Part(NamedTuple):
    """The rows of one split."""

    split: str
    dataset: Dataset


def find_built(registry: Registry, name: str) -> Built:
    """What the last build of dataset ``name``, or of the one that it is a part of, made.

    Raises:
        UsageError: There is no such dataset, it was not built yet, or not by steps.
        FindingsError: Its build.json is broken.
    """
    name = nfc(name)
    definition = registry.folder / name / DEFINITION
    built = read_built(registry.folder / name / BUILD)
    if built is not None:
        return built
    if not definition.is_file():
        part = registry.dataset(name).definition
        whole = read_built(registry.folder / part.file_name.split("/")[0] / BUILD) if part else None
        if whole is not None:
            return whole
    if definition.is_file() and is_recipe(definition):
        raise UsageError(f"Dataset {name!r} was not built yet.", mend=f"millhand data build {name}")
    raise UsageError(
        f"Dataset {name!r} was not built of a recipe: there are no steps to tell of.",
        mend=f"See its rows with `millhand data show {name}`, or begin a recipe: `millhand data new`.",
    )


def find_made(registry: Registry, name: str) -> Built:
    """What is known of dataset ``name``: its last build, or the file that it was added from.

    Raises:
        UsageError: There is no such dataset, or it was entered by hand.
        FindingsError: Its build.json or dataset.yaml is broken.
    """
    try:
        return find_built(registry, name)
    except UsageError:
        definition = registry.definitions().get(nfc(name))
        if definition is None:
            raise
        return _added(definition)


def _added(made: Definition) -> Built:
    """A table's dataset as a build without steps."""
    sources = tuple(SourceReport(file, made.licence, file.rows) for file in made.sources)
    return Built(key=made.sha256, datasets=(made,), sources=sources, steps=())


def parts(registry: Registry, built: Built) -> list[Part]:
    """The datasets that a build made, train first."""
    first = name_of(built)
    return [
        Part(
            made.name.removeprefix(f"{first}_") if made.name != first else "train",
            registry.dataset(made.name),
        )
        for made in built.datasets
    ]


def name_of(built: Built) -> str:
    """What the dataset is called."""
    return built.datasets[0].name
