"""Takes a dataset of ours out of the registry."""

from __future__ import annotations

from millhand.datasets import built
from millhand.datasets.definition import FILE
from millhand.datasets.recipe import is_recipe
from millhand.datasets.registry import Registry
from millhand.datasets.store import locked, sweep, take_away
from millhand.errors import UsageError


def check_removable(registry: Registry, name: str) -> None:
    """Check that ``name`` is a dataset that Millhand made.

    Raises:
        UsageError: There is none of that name, or a person made it.
        FindingsError: dataset_info.json or its dataset.yaml is broken.
    """
    made = registry.definitions().get(name)
    if made and not made.file:
        return
    if made:
        whole = made.file.split("/")[0]
        raise UsageError(
            f"{name!r} is a part of dataset {whole!r}.",
            mend=f"Remove it whole: `millhand data remove {whole}`.",
        )
    if name in registry.names():
        raise UsageError(
            f"Dataset {name!r} was entered by hand; Millhand removes only what it made.",
            mend=f"Take its entry out of {registry.folder.name}/dataset_info.json in an editor.",
        )
    registry.dataset(name)


def remove_dataset(registry: Registry, name: str) -> list[str]:
    """Remove a dataset's entry, then its files; return what stays because Millhand did not make it.

    Interrupted in between, the dataset is whole and only its entry is gone: any later change puts it back.

    Raises:
        UsageError: There is none of that name, or a person made it.
        FindingsError: dataset_info.json or its dataset.yaml is broken.
    """
    check_removable(registry, name)
    with locked(registry.folder):
        sweep(registry.folder)
        folder = registry.folder / name
        if not is_recipe(folder / FILE):
            registry.write(without=name)
            return take_away(folder)
        left = take_away(folder, built.OURS)
        registry.write()
        return left
