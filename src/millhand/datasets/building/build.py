"""A recipe -> a dataset of the registry, whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from millhand.datasets.building.rows import Draft, write_rows
from millhand.datasets.building.running import Tell, Workshop, key_after, run_step
from millhand.datasets.building.sources import READ, Gathered, gather
from millhand.datasets.building.stages import Stage, chained, sweep
from millhand.datasets.built import FILE as BUILD
from millhand.datasets.built import (
    FILES,
    MARKS,
    OURS,
    Built,
    StepReport,
    dataset_name,
    read_built,
    without_marks,
    write_built,
)
from millhand.datasets.definition import FILE as DEFINITION
from millhand.datasets.definition import read_definition
from millhand.datasets.pieces import Piece
from millhand.datasets.recipe import Chosen, Recipe, is_recipe, read_recipe
from millhand.datasets.registry import Registry
from millhand.datasets.review.applying import correcting
from millhand.datasets.steps.base import Context
from millhand.datasets.store import locked, put_in_place, staging
from millhand.errors import Finding, FindingsError, UsageError
from millhand.files import locked as file_locked
from millhand.files import sha256_file, write_text
from millhand.workspace import Workspace, check_name

Status = Literal["built", "rebuilt", "unchanged"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOptions:
    """What ``millhand data build`` was asked for.

    Args:
        fresh: Do all steps again, though nothing changed; paid answers are kept.
        workers: Processes at once; else one a core.
        tell: Is told the step, how much of it is done, and of how much.
    """

    fresh: bool = False
    workers: int | None = None
    tell: Tell = lambda *_: None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a build."""

    status: Status
    built: Built


@dataclass(frozen=True, slots=True)
class Draught:
    """What is known before a model is asked: what came of the steps so far, and the step that asks."""

    reports: tuple[StepReport, ...]
    stage: Stage
    asks: Chosen | None
    context: Context

    def price(self) -> object:
        """What asking would cost, as the step that asks works it out; None where nothing is asked."""
        if self.asks is None or self.asks.step.price is None:
            return None
        return self.asks.step.price(self.asks.options, self.stage, self.context)


def build_dataset(workspace: Workspace, name: str, options: BuildOptions) -> Outcome:
    """Build the dataset that ``dataset_registry/NAME/dataset.yaml`` describes.

    Raises:
        UsageError: There is no such recipe.
        FindingsError: The recipe has faults, nothing of its sources can be read, or no row is left.
        MillhandError: A step failed; what was done before it is kept.
    """
    recipe, registry = find_recipe(workspace, name), Registry(workspace.registry)
    _check_place(registry, recipe.name)
    with _workshop(workspace, recipe.name, options) as shop:
        gathered = gather(shop, workspace.root, recipe)
        steps = (*recipe.steps, *correcting(registry.folder / recipe.name))
        key = _last_key(shop, recipe, steps, gathered.key)
        standing = read_built(registry.folder / recipe.name / BUILD)
        same = standing is not None and standing.key == key and _intact(registry, standing)
        if standing and same and not options.fresh:
            registry.write()
            return Outcome("unchanged", standing)
        stage, reports, _ = _steps(shop, steps, gathered)
        built = _install(registry, recipe, stage, gathered, reports, key)
        sweep(shop.builds, shop.used)
    return Outcome(_status(standing, built, same=same), built)


def _last_key(shop: Workshop, recipe: Recipe, steps: tuple[Chosen, ...], key: str) -> str:
    """What the dataset depends on; known before any step is done, or any model asked."""
    for chosen in steps:
        key = key_after(shop, chosen, key)
    return chained(key, recipe.name, recipe.description, recipe.licence)


def _check_place(registry: Registry, name: str) -> None:
    """Find what would stand in the way at the end, before the work and not after it."""
    if not os.access(registry.folder, os.W_OK) or not os.access(registry.folder / name, os.W_OK):
        mend = "Check the rights to the folder, or copy the workspace to where you may write."
        raise UsageError(f"Nothing can be written in {registry.folder.name}/{name}/.", mend=mend)
    owned = {made.name: made.file_name for made in registry.definitions().values()}
    entries = registry.entries()
    for split in FILES:
        part = dataset_name(name, split)
        file = str(entries[part].get("file_name")) if part in entries else owned.get(part, "")
        if file and file != f"{name}/{FILES[split]}":
            raise FindingsError([_taken(name, part, file)])


def _taken(name: str, part: str, file: str) -> Finding:
    return Finding(
        id="data.duplicate-name",
        severity="error",
        message=f"a part of {name} would be called {part!r}, and there is such a dataset already ({file})",
        file=f"dataset_registry/{name}/{DEFINITION}",
        why="One of the two would be trained for the other.",
        mend="Rename one of the two folders, and `name` in its dataset.yaml.",
    )


def _status(standing: Built | None, built: Built, *, same: bool) -> Status:
    if standing is None:
        return "built"
    return "unchanged" if same and standing == built else "rebuilt"


def draft_dataset(workspace: Workspace, name: str, options: BuildOptions) -> Draught:
    """Do the steps that come before the first one that may ask a model; nothing is written but stages.

    Raises:
        See ``build_dataset``.
    """
    recipe = find_recipe(workspace, name)
    asks = next((n for n, chosen in enumerate(recipe.steps) if chosen.step.makes), len(recipe.steps))
    with _workshop(workspace, recipe.name, options) as shop:
        stage, reports, _ = _steps(shop, recipe.steps[:asks], gather(shop, workspace.root, recipe))
    step = recipe.steps[asks] if asks < len(recipe.steps) else None
    return Draught(reports, stage, step, shop.context)


def find_recipe(workspace: Workspace, name: str) -> Recipe:
    """Read the recipe of dataset ``name``.

    Raises:
        UsageError: There is none.
        FindingsError: It has faults.
    """
    path = workspace.registry / check_name(name, "dataset") / DEFINITION
    if not path.is_file():
        mend = f"Begin one: `millhand data new {name} FILE…`."
        raise UsageError(f"There is no recipe {workspace.relative(path)}.", mend=mend)
    if is_recipe(path):
        return read_recipe(path)
    read_definition(path)
    mend = "Make it anew with `millhand data add FILE --replace`. Only a recipe, with `steps:`, is built."
    raise UsageError(f"Dataset {name!r} was added from a table: it has no steps to go through.", mend=mend)


@contextmanager
def _workshop(workspace: Workspace, name: str, options: BuildOptions) -> Iterator[Workshop]:
    """Where one build at a time works; a second one of the same dataset waits."""
    builds = workspace.state / "builds" / name
    with file_locked(builds / ".lock", lambda: options.tell("waiting for another build", 0, 1)):
        if options.fresh:
            sweep(builds, ())
            shutil.rmtree(builds / READ, ignore_errors=True)
        yield _made(workspace, builds, options)


def _made(workspace: Workspace, builds: Path, options: BuildOptions) -> Workshop:
    settings = workspace.settings()

    def setting(key: str) -> str:
        return settings.get(key, "")

    context = Context(
        parallel=_unset, cache=builds / "cache", secret=workspace.secret, setting=setting, tell=options.tell
    )
    return Workshop(builds, options.workers, context, options.tell)


def _unset(work: Callable[[Iterable[Piece]], Iterable[object]]) -> Iterator[object]:
    raise AssertionError(f"{work} is shared out by the stage that a step runs in")


def _steps(
    shop: Workshop, steps: tuple[Chosen, ...], gathered: Gathered
) -> tuple[Stage, tuple[StepReport, ...], str]:
    stage, key, reports = gathered.stage, gathered.key, list[StepReport]()
    for number, chosen in enumerate(steps, 1):
        stage, report, key = run_step(shop, number, chosen, stage, key)
        reports.append(report)
    return stage, tuple(reports), key


def _intact(registry: Registry, built: Built) -> bool:
    paths = [(registry.folder / made.file_name, made.sha256) for made in built.datasets]
    return all(path.is_file() and sha256_file(path) == sha256 for path, sha256 in paths)


def _install(
    registry: Registry,
    recipe: Recipe,
    stage: Stage,
    gathered: Gathered,
    reports: tuple[StepReport, ...],
    key: str,
) -> Built:
    files = tuple(report.file for report in gathered.reports)
    draft = Draft(recipe.name, recipe.description, recipe.licence, files)
    with staging(registry.folder, recipe.name) as folder:
        datasets = write_rows(folder, stage, draft, reports)
        steps, marks = without_marks(reports)
        built = Built(key=key, datasets=datasets, sources=gathered.reports, steps=steps)
        write_built(folder / BUILD, built)
        if marks:
            write_text(folder / MARKS, "".join(f"{msgspec.json.encode(m).decode()}\n" for m in marks))
        with locked(registry.folder):
            registry.entries()  # a broken dataset_info.json is found before anything is put in place
            put_in_place(folder, registry.folder / recipe.name, ours=OURS)
            registry.write()
    return built
