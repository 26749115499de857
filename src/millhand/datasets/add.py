"""A file of rows -> a dataset of the registry, or everything that is wrong with the file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec

from millhand.datasets import info
from millhand.datasets.convert import convert_rows
from millhand.datasets.definition import FILE as DEFINITION
from millhand.datasets.definition import (
    ROWS,
    Definition,
    Shape,
    SourceFile,
    read_definition,
    write_definition,
)
from millhand.datasets.recipe import is_recipe
from millhand.datasets.registry import Registry
from millhand.datasets.shapes import Plan, make_plan, peek
from millhand.datasets.store import locked, put_in_place, staging, sweep
from millhand.documents.rows import RowFile
from millhand.documents.tables import check_readable, open_rows
from millhand.errors import Finding, FindingsError
from millhand.files import sha256_file
from millhand.text.normal import nfc, slug
from millhand.workspace import check_name


@dataclass(frozen=True, slots=True, kw_only=True)
class AddOptions:
    """What ``millhand data add`` was asked for; None and empty mean: find out, or leave as it is."""

    name: str | None = None
    shape: Shape | None = None
    mapping: Mapping[str, str] = field(default_factory=dict)
    sheet: str | None = None
    encoding: str | None = None
    system: str = ""
    licence: str | None = None
    description: str | None = None
    replace: bool = False
    skip_bad: bool = False
    as_text: bool = False


@dataclass(frozen=True, slots=True)
class Added:
    """What came of it. ``warnings`` do not stand in the way; ``notes`` say what was chosen unasked."""

    status: Literal["added", "replaced", "unchanged"]
    definition: Definition
    notes: tuple[str, ...] = ()
    warnings: tuple[Finding, ...] = ()


def add_dataset(
    registry: Registry, path: Path, options: AddOptions, on_rows: Callable[[int], None] | None = None
) -> Added:
    """Add ``path`` to the registry, or raise and leave everything as it was.

    ``on_rows`` is told now and then how many rows were read.

    Raises:
        UsageError: The file, the name or an option cannot be used.
        FindingsError: The file has faults, or the name is taken; all of them are listed.
    """
    check_readable(path)
    name = check_name(options.name or slug(path.stem), "dataset")
    standing = _standing(registry, name)
    file = open_rows(path, encoding=options.encoding, sheet=options.sheet)
    first, file = peek(file)
    plan = make_plan(
        file,
        first,
        shape=options.shape,
        wanted=options.mapping,
        system=options.system,
        as_text=options.as_text,
    )
    draft = _draft(registry, path, name, file, plan, options, standing)
    notes = (*file.notes, *plan.notes)
    if standing and _is_same(registry, standing, draft):
        registry.write()
        return Added("unchanged", standing, notes)
    if standing and not options.replace:
        raise FindingsError([_name_taken(path, name, _why_taken(standing, draft))])
    with staging(registry.folder, name) as stage:
        definition, warnings = _build(stage, path, file, plan, draft, on_rows)
        status = _install(registry, stage, definition, may_replace=standing is not None)
    return Added(status, definition, notes, warnings)


def _standing(registry: Registry, name: str) -> Definition | None:
    """What stands under ``name`` already; what is not ours is never in danger."""
    with locked(registry.folder):
        sweep(registry.folder)
    entries, folder = registry.entries(), registry.folder / name
    if is_recipe(folder / DEFINITION):
        raise FindingsError([_not_ours(name, f"has a recipe of that name, {name}/{DEFINITION}")])
    if (folder / DEFINITION).is_file() and entries[name]["file_name"] == f"{name}/{ROWS}":
        return read_definition(folder / DEFINITION)
    if name in entries:
        raise FindingsError([_not_ours(name, f"has an entry {name!r} made by hand")])
    if (folder / ROWS).exists() or folder.is_file():
        raise FindingsError([_not_ours(name, f"has {name}/{ROWS} already, without a {DEFINITION}")])
    return None


def _not_ours(name: str, what: str) -> Finding:
    return Finding(
        id="data.existing-output",
        severity="error",
        message=f"the registry {what}",
        file=f"dataset_registry/{info.FILE}",
        why="Millhand did not make it, so it is never overwritten, not with --replace either.",
        mend=f"Take another name (`--name {name}-2`), or move that away first.",
    )


def _name_taken(path: Path, name: str, why: str) -> Finding:
    return Finding(
        id="data.duplicate-name",
        severity="error",
        message=f"there is a dataset {name!r} already, and {why}",
        file=path.name,
        why="Runs that were trained on it are told apart by their data.",
        mend=f"Put this in its place with `--replace`, or beside it with `--name {name}-2`.",
    )


def _why_taken(standing: Definition, draft: Definition) -> str:
    if standing.sources[0].sha256 != draft.sources[0].sha256:
        return f"it was made from other content ({standing.sources[0].path})"
    if _comparable(standing) != _comparable(draft):
        return "it was made from this file with other options"
    return f"its {ROWS} was changed since"


def _draft(
    registry: Registry,
    path: Path,
    name: str,
    file: RowFile,
    plan: Plan,
    options: AddOptions,
    standing: Definition | None,
) -> Definition:
    """The definition as far as it is known before the rows are read."""
    source = SourceFile(
        path=_shown_path(registry, path),
        sha256=sha256_file(path),
        bytes=path.stat().st_size,
        rows=0,
        encoding=None if file.encoding == "utf-8" else file.encoding,
        sheet=file.sheet,
    )
    before = standing or Definition(name, (source,), plan.shape, plan.format, (), 0, "")
    return Definition(
        name=name,
        sources=(source,),
        shape=plan.shape,
        format=plan.format,
        columns=(),
        rows=0,
        sha256="",
        description=before.description if options.description is None else options.description,
        licence=before.licence if options.licence is None else options.licence,
        mapping=dict(plan.mapping),
        ranking=plan.ranking,
        system=options.system,
        as_text=options.as_text,
        skip_bad=options.skip_bad,
    )


def _shown_path(registry: Registry, path: Path) -> str:
    """Below the workspace as it is found from there; of a file outside only the name: no home folder's."""
    root, absolute = registry.folder.resolve().parent, path.resolve()
    return nfc(absolute.relative_to(root).as_posix() if absolute.is_relative_to(root) else path.name)


def _is_same(registry: Registry, standing: Definition, draft: Definition) -> bool:
    rows = registry.folder / standing.name / ROWS
    if _comparable(standing) != _comparable(draft):
        return False
    return rows.is_file() and sha256_file(rows) == standing.sha256


def _comparable(one: Definition) -> tuple[Any, ...]:
    """What the rows depend on, and what can be asked for beside."""
    source = one.sources[0]
    made_of = (source.sha256, source.encoding, source.sheet)
    how = (one.shape, one.mapping, one.system, one.as_text, one.skip_bad)
    return (*made_of, *how, one.description, one.licence)


def _build(
    stage: Path,
    path: Path,
    file: RowFile,
    plan: Plan,
    draft: Definition,
    on_rows: Callable[[int], None] | None,
) -> tuple[Definition, tuple[Finding, ...]]:
    """Write the rows and the definition into ``stage``."""
    result = convert_rows(file, plan, stage, draft, on_rows)
    _check_unchanged(path, draft.sources[0])
    definition = msgspec.structs.replace(
        draft,
        sources=(msgspec.structs.replace(draft.sources[0], rows=result.read),),
        columns=result.columns,
        rows=result.rows,
        rejected=result.rejected,
        sha256=sha256_file(stage / ROWS),
    )
    write_definition(stage / DEFINITION, definition)
    return definition, result.warnings


def _install(
    registry: Registry, stage: Path, definition: Definition, *, may_replace: bool
) -> Literal["added", "replaced"]:
    """Put ``stage`` in its place and enter it; what turned up there since the start is not replaced."""
    target = registry.folder / definition.name
    with locked(registry.folder):
        registry.entries()  # a broken dataset_info.json is found before anything is put in place
        stands = (target / DEFINITION).exists()
        if stands and not may_replace:
            taken = _name_taken(
                Path(definition.sources[0].path), definition.name, "another command just made it"
            )
            raise FindingsError([taken])
        put_in_place(stage, target)
        registry.write()
    return "replaced" if stands else "added"


def _check_unchanged(path: Path, source: SourceFile) -> None:
    """What was hashed must be what was read: somebody may be saving the file meanwhile."""
    if sha256_file(path) != source.sha256:
        finding = Finding(
            id="data.changed-meanwhile",
            severity="error",
            message="was changed while it was read",
            file=path.name,
            why="Part of the rows would be the old ones.",
            mend="Close it in the program that writes it, and add it again.",
        )
        raise FindingsError([finding])
