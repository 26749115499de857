"""Puts the steps of a recipe to work, one after the other, each shared out where it can be."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from millhand.datasets.building.stages import Stage, chained, cut, folder_of, load, seal
from millhand.datasets.built import StepReport
from millhand.datasets.pieces import Piece, read_pieces, write_pieces
from millhand.datasets.recipe import Chosen
from millhand.datasets.steps.base import Context, Step, Tally
from millhand.datasets.steps.known import load_step
from millhand.errors import Finding, MillhandError
from millhand.shards import Shard, map_shards
from millhand.text.pii import veiled

Tell = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Workshop:
    """Where a build works, with how many processes, and whom it tells.

    ``context`` is what steps that see everything get; how work is shared out is put in here.
    """

    builds: Path
    workers: int | None
    context: Context
    tell: Tell
    used: list[Path] = field(default_factory=list)


def run_step(
    shop: Workshop, number: int, chosen: Chosen, before: Stage, key: str
) -> tuple[Stage, StepReport, str]:
    """The stage that a step makes of the one before it: found again, or made now.

    Raises:
        MillhandError: The step failed; what was made before it is kept.
    """
    step, options = chosen
    key = key_after(shop, chosen, key)
    folder = folder_of(shop.builds, number, step.name, key)
    shop.used.append(folder)
    shop.tell(step.name, 0, len(before))
    standing = load(folder)
    if standing is not None:
        return *standing, key
    make = _each if step.each else _whole
    stage, tally, findings = make(shop, chosen, before, folder)
    _must_add_up(step, tally)
    told = (dataclasses.replace(one, message=veiled(one.message)) for one in findings)
    report = StepReport(step.name, msgspec.to_builtins(options), tally, tuple(told))
    return seal(folder, stage.shards, [len(stage)], report), report, key


def key_after(shop: Workshop, chosen: Chosen, key: str) -> str:
    """The hash of all that a step's pieces depend on, ``key`` being that of the pieces before it."""
    step, options = chosen
    settings = [shop.context.setting(name) for name in step.reads(options)]
    return chained(key, step.name, step.revision, msgspec.to_builtins(options), *settings)


def _each(shop: Workshop, chosen: Chosen, before: Stage, folder: Path) -> tuple[Stage, Tally, list[Finding]]:
    work = partial(each_shard, chosen.step.name, msgspec.json.encode(chosen.options))
    tally, done = Tally(), 0

    def on_done(shard: Shard) -> None:
        nonlocal done
        done += shard.value["came"] if shard.value else 0
        shop.tell(chosen.step.name, done, len(before))

    shards = map_shards(work, before.shards, folder, suffix=".jsonl", workers=shop.workers, on_done=on_done)
    for shard in _sound(chosen.step.name, shards):
        tally.add(msgspec.convert(shard.value, Tally))
    return Stage(folder, [shard.output for shard in shards], [tally.went]), tally, []


def each_shard(name: str, options: bytes, source: Path, target: Path) -> Tally:
    """Put the step called ``name`` to the pieces of one shard; in another process."""
    step = load_step(name)
    tally = Tally()
    if step.each is None:
        raise TypeError(f"{name} needs all pieces at once")
    given = msgspec.json.decode(options, type=step.options)
    tally.went = write_pieces(target, step.each(given, _counted(read_pieces(source), tally), tally))
    return tally


def _whole(shop: Workshop, chosen: Chosen, before: Stage, folder: Path) -> tuple[Stage, Tally, list[Finding]]:
    step, options = chosen
    tally, findings = Tally(came=len(before)), list[Finding]()
    context = replace(
        shop.context,
        parallel=_Shared(before, folder / "shared", shop.workers),
        find=findings.append,
        tell=shop.tell,
    )
    if step.whole is None:
        raise TypeError(f"{step.name} is no step")
    shards, counts = cut(step.whole(options, before, tally, context), folder)
    tally.went = sum(counts)
    return Stage(folder, shards, counts), tally, findings


class _Shared:
    """Shares out over the shards of a stage what can be worked out of each piece alone."""

    def __init__(self, stage: Stage, folder: Path, workers: int | None) -> None:
        self._stage, self._folder, self._workers, self._calls = stage, folder, workers, 0

    def __call__(self, work: Callable[[Iterable[Piece]], Iterable[Any]]) -> Iterator[Any]:
        """See ``steps.base.Parallel``."""
        self._calls += 1
        out = self._folder / str(self._calls)
        shards = map_shards(partial(_worked_out, work), self._stage.shards, out, workers=self._workers)
        return _lines(_sound("a shared part", shards))


def _worked_out(work: Callable[[Iterable[Piece]], Iterable[Any]], source: Path, target: Path) -> None:
    encoder = msgspec.json.Encoder()
    with target.open("wb") as file:
        file.writelines(encoder.encode(value) + b"\n" for value in work(read_pieces(source)))


def _lines(shards: Iterable[Shard]) -> Iterator[Any]:
    for shard in shards:
        with shard.output.open("rb") as file:
            yield from map(msgspec.json.decode, file)


def _sound(name: str, shards: list[Shard]) -> list[Shard]:
    failed = next((shard for shard in shards if shard.error), None)
    if failed:
        raise MillhandError(
            f"Step {name} broke on {failed.input.name}: {failed.error}",
            mend="What was made before it is kept: the same command goes on from there.",
        )
    return shards


def _counted(pieces: Iterable[Piece], tally: Tally) -> Iterator[Piece]:
    for piece in pieces:
        tally.came += 1
        yield piece


def _must_add_up(step: Step, tally: Tally) -> None:
    """Nothing goes missing unseen: what came either goes on or was dropped for a reason."""
    if not step.makes and tally.came - sum(tally.dropped.values()) != tally.went:
        raise AssertionError(f"step {step.name} lost pieces: {tally}")
