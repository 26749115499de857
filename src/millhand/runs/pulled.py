"""`millhand pull`: where what is fetched from the Hub goes; a dataset of Millhand's, into the registry."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from millhand.datasets import store
from millhand.datasets.definition import FILE as DEFINITION
from millhand.datasets.definition import ROWS, read_definition
from millhand.datasets.recipe import is_recipe, recipe_name, written_options
from millhand.datasets.registry import Registry
from millhand.endpoint.attempt import is_local
from millhand.errors import UsageError
from millhand.hub.client import Hub
from millhand.hub.fetch import Fetched, Source, differences, fetch, find_source
from millhand.hub.names import shown
from millhand.workspace import MODELS, Workspace, check_name

_STAGE = ".fetched"  # no dataset can be called so: it takes the dataset's name beside this one


@dataclass(frozen=True, slots=True)
class Pulled:
    """What was fetched and where it is; ``dataset`` is its name in the registry, if it is there."""

    fetched: Fetched
    folder: Path
    dataset: str = ""


def pull_model(
    workspace: Workspace | None, hub: Hub, repository: str, to: Path | None, revision: str
) -> Pulled:
    """Fetch a model to ``to``, else to models/NAME of the workspace.

    Raises:
        UsageError: The folder holds something else, or there is neither a folder nor a workspace.
        FindingsError: The Hub has no such model, or it did not arrive as it is listed.
        MillhandError: The line is lost.
    """
    source = find_source(hub, repository, "model", revision)
    folder = to or _needed(workspace).root / MODELS / repository.partition("/")[2]
    return Pulled(fetch(hub, source, folder), folder)


def pull_dataset(
    workspace: Workspace | None, hub: Hub, repository: str, to: Path | None, revision: str
) -> Pulled:
    """Fetch a dataset to ``to``, else, if Millhand made it, into the workspace's registry under its name.

    Raises:
        UsageError: There is another dataset of that name, or Millhand did not make this one.
        FindingsError: The Hub has no such dataset, or it did not arrive as it is listed.
        MillhandError: The line is lost.
    """
    source = find_source(hub, repository, "dataset", revision)
    if to is not None:
        return Pulled(fetch(hub, source, to), to)
    home = _needed(workspace)
    if not {DEFINITION, ROWS} <= set(source.files):
        mend = (
            f"Fetch it to a folder (`--to DIR`), then `millhand data add DIR/FILE`. It has: {_some(source)}."
        )
        raise UsageError(f"{repository} was not published by Millhand: it has no {DEFINITION}.", mend=mend)
    stage = home.state / "pulled" / repository.replace("/", "--") / _STAGE
    fetched = fetch(hub, source, stage)
    try:
        return _enter(Registry(home.registry), fetched)
    finally:
        shutil.rmtree(stage.parent)


def _enter(registry: Registry, fetched: Fetched) -> Pulled:
    """Put a fetched dataset into the registry; it takes the name that it was published under."""
    folder = _named(fetched)
    name, target = folder.name, registry.folder / folder.name
    names = _check_definitions(folder)
    if target.exists() or set(names) & set(registry.names()):
        if list(differences(fetched.source, target)):
            mend = f"Fetch it elsewhere (`--to DIR`), or remove that one: `millhand data remove {name}`."
            raise UsageError(f"There is another dataset {name!r} here.", mend=mend)
        return Pulled(Fetched(fetched.source, target, again=True), target, name)
    _check_recipe(fetched.source, folder / DEFINITION)
    _put(registry, fetched.source, folder, target)
    return Pulled(Fetched(fetched.source, target, again=False), target, name)


def _named(fetched: Fetched) -> Path:
    """The fetched folder, renamed to the dataset's name: a registry of this one dataset."""
    path = fetched.folder / DEFINITION
    name = recipe_name(path) if is_recipe(path) else read_definition(path).name
    folder = fetched.folder.with_name(check_name(name, "dataset"))
    if folder.is_dir():  # of a command that was killed
        shutil.rmtree(folder)
    fetched.folder.rename(folder)
    return folder


def _check_definitions(folder: Path) -> list[str]:
    """The names of the datasets that a folder defines, all of whose rows lie in it.

    Raises:
        FindingsError: Its dataset.yaml or build.json is broken.
        UsageError: It defines none, or one whose rows lie elsewhere.
    """
    made = Registry(folder.parent).definitions()
    outside = [name for name, one in made.items() if _is_outside(folder.name, one.file_name)]
    if outside or not made:
        what = f"names rows outside of itself ({', '.join(outside)})" if outside else "defines no dataset"
        raise UsageError(
            f"The {DEFINITION} that was fetched {what}.", mend="Fetch it to a folder: `--to DIR`."
        )
    return list(made)


def _check_recipe(source: Source, path: Path) -> None:
    """Refuse a recipe that would send the documents, and a key, where a stranger wants them.

    Raises:
        UsageError: It names an endpoint elsewhere, or a key.
    """
    for options in written_options(path, "generate") if is_recipe(path) else ():
        url = str(options.get("url") or "")
        named = [f"url: {url!r}"] if url and not is_local(url) else []
        named += ["a key"] if options.get("key") else []
        if named:
            mend = (
                f"Fetch it to a folder (`--to DIR`), take `url` and `key` out of DIR/{DEFINITION}, "
                f"and move it to dataset_registry/{path.parent.name}."
            )
            raise UsageError(
                f"The recipe of {source.id} names for its step generate {' and '.join(named)}: "
                "a build would send the documents and a key there.",
                mend=mend,
            )


def _is_outside(name: str, file: str) -> bool:
    parts = PurePosixPath(file).parts
    return len(parts) != 2 or parts[0] != name or parts[1] == ".."


def _put(registry: Registry, source: Source, folder: Path, target: Path) -> None:
    with store.staging(registry.folder, target.name) as stage:
        for path in sorted(source.files):
            (stage / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(folder / path, stage / path)
        with store.locked(registry.folder):
            store.put_in_place(stage, target)
            registry.write()


def _needed(workspace: Workspace | None) -> Workspace:
    if workspace is None:
        raise UsageError("There is no workspace here.", mend="Name a folder: `--to DIR`.")
    return workspace


def _some(source: Source) -> str:
    names = sorted(path for path in source.files if path != "README.md")
    return ", ".join(map(shown, names[:5])) + (" …" if len(names) > 5 else "")
