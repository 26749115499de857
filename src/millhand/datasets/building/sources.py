"""The files that a recipe names, read to pieces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import msgspec

from millhand import __version__
from millhand.datasets.building.finding_files import files_of
from millhand.datasets.building.reading import REVISION, Read, read_source
from millhand.datasets.building.running import Workshop
from millhand.datasets.building.stages import Stage, chained, cut, folder_of, load, seal
from millhand.datasets.built import SourceReport, StepReport
from millhand.datasets.definition import SourceFile
from millhand.datasets.pieces import read_pieces
from millhand.datasets.recipe import Recipe, RecipeSource
from millhand.datasets.steps.base import Tally
from millhand.errors import Finding, FindingsError
from millhand.shards import Shard, forget, map_shards
from millhand.text.normal import nfc

READ = "read"  # what each file gave, kept from one build to the next


class Gathered(NamedTuple):
    """The pieces of all sources, what came of each file, and the hash that stands for them."""

    stage: Stage
    reports: tuple[SourceReport, ...]
    key: str


def gather(shop: Workshop, root: Path, recipe: Recipe) -> Gathered:
    """Read every file that ``recipe`` names; what was read by an earlier build is not read again.

    Raises:
        FindingsError: A source names no file, or one outside of the workspace ``root``; or nothing at all
            can be read of them.
    """
    sources = [msgspec.structs.replace(s, licence=s.licence or recipe.licence) for s in recipe.sources]
    found = [(source, files_of(root, source)) for source in sources]
    missing = [_no_file(source) for source, files in found if not files]
    if missing:
        raise FindingsError(missing)
    read = [pair for source, files in found for pair in _read(shop, root, source, files)]
    reports = tuple(report for report, _ in read)
    key = chained(
        "",
        REVISION,
        [_fact(report) for report in reports],
        [msgspec.to_builtins(source) for source in sources],
    )
    stage = _stage(shop, [shard for _, shard in read], key)
    if not len(stage):
        raise FindingsError(
            [finding for report in reports for finding in report.findings] or [_nothing(recipe.name)]
        )
    return Gathered(stage, reports, key)


def _fact(report: SourceReport) -> list[object]:
    """What the pieces of a file depend on; whether it could be read may change though the file does not."""
    found = sorted({finding.id for finding in report.findings})
    return [report.file.path, report.file.sha256, report.licence, report.pieces, found]


def _read(
    shop: Workshop, root: Path, source: RecipeSource, files: Sequence[Path]
) -> Iterator[tuple[SourceReport, Shard]]:
    version = chained(READ, __version__, REVISION, msgspec.to_builtins(source))
    done = 0

    def on_done(_: Shard) -> None:
        nonlocal done
        done += 1
        shop.tell("read", done, len(files))

    shop.tell("read", 0, len(files))
    out = shop.builds / READ / version[:12]
    work = partial(read_source, source)
    shards = map_shards(
        work, files, out, version=version, suffix=".jsonl", workers=shop.workers, on_done=on_done
    )
    for shard in shards:
        report = _report(root, source, shard)
        if any(finding.severity == "error" for finding in report.findings):
            forget(shard)  # a package may be installed, a file mended: it is tried again
        yield report, shard


def _report(root: Path, source: RecipeSource, shard: Shard) -> SourceReport:
    read = Read("", 0, 0, (_broke(shard),)) if shard.error else msgspec.convert(shard.value, Read)
    file = SourceFile(
        path=nfc(shard.input.relative_to(root).as_posix()),
        sha256=read.sha256,
        bytes=read.bytes,
        rows=read.pieces,
        sheet=source.sheet,
        encoding=source.encoding,
    )
    return SourceReport(file, source.licence, read.pieces, read.findings)


def _stage(shop: Workshop, shards: Sequence[Shard], key: str) -> Stage:
    folder = folder_of(shop.builds, 0, "read", key)
    shop.used.append(folder)
    standing = load(folder)
    if standing:
        return standing[0]
    pieces = chain.from_iterable(read_pieces(shard.output) for shard in shards if not shard.error)
    files, counts = cut(pieces, folder)
    total = sum(counts)
    return seal(folder, files, counts, StepReport("read", {}, Tally(came=total, went=total)))


def _no_file(source: RecipeSource) -> Finding:
    return Finding(
        id="data.no-source",
        severity="error",
        message=f"there is no file {source.path}",
        file="dataset.yaml",
        why="The dataset is made of it.",
        mend="Paths are relative to the workspace; `filings/*.zip` stands for all that it matches.",
    )


def _broke(shard: Shard) -> Finding:
    return Finding(
        id="documents.unreadable",
        severity="error",
        message=f"cannot be read: {shard.error.partition(':')[2].strip() or shard.error}",
        file=nfc(shard.input.name),
        why="It is missing from the dataset; the other files are in it.",
        mend="Take it out of the sources, or mend the file.",
    )


def _nothing(name: str) -> Finding:
    return Finding(
        id="data.no-rows",
        severity="error",
        message="there is no text in the sources",
        file=f"dataset_registry/{name}/dataset.yaml",
        why="There is nothing to make rows of.",
        mend="Look at what is read of a file: `millhand docs read FILE --out DIR`.",
    )
