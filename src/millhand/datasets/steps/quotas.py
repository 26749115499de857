"""Groups of different sizes dealt out to splits, so that the splits come as near to their shares as they can.

Every group stays whole. Within a stratum the groups come in the order of their lots, those first that are
large beside the smallest share. Each goes to the split that is the least full of those it brings nearer to
its share; where it fits into none, to the one that lacks most. What a stratum leaves over or owes is
carried on to the next, so the sum over all is never off by more than one group.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from millhand.datasets.pieces import Split

# Shares are counted in millionths: whole numbers, the same on every machine.
_UNIT = 1_000_000
# In this order splits are given what there is too little of.
_NEEDED: tuple[Split, ...] = ("test", "validation", "train")


class Group(NamedTuple):
    """What must stay together: ``weight`` pieces, in the order of ``lot``."""

    lot: int
    name: int
    weight: int
    stratum: str = ""


def deal(groups: Iterable[Group], shares: Mapping[Split, float], strata: Sequence[str]) -> dict[int, Split]:
    """Which split each group goes to, by name.

    A split with a share gets at least one group where there are as many groups as such splits.

    Args:
        shares: Of each split, 0 to 1, in the order that settles ties; they sum up to 1.
        strata: The order in which the strata come.
    """
    parts = {split: round(share * _UNIT) for split, share in shares.items() if share}
    sets: dict[str, list[Group]] = {stratum: [] for stratum in strata}
    for group in groups:
        sets[group.stratum].append(group)
    lacking = dict.fromkeys(parts, 0)
    dealt: dict[Split, list[Group]] = {split: [] for split in parts}
    for members in sets.values():
        for split, group in _deal(members, parts, lacking):
            dealt[split].append(group)
    _fill_empty(dealt)
    return {group.name: split for split, members in dealt.items() for group in members}


def _deal(
    members: Sequence[Group], parts: Mapping[Split, int], lacking: dict[Split, int]
) -> Iterable[tuple[Split, Group]]:
    """Deal one stratum out; ``lacking`` (millionths of a piece, by split) is kept up to date."""
    total = sum(group.weight for group in members)
    for split, part in parts.items():
        lacking[split] += part * total
    large = min(parts.values()) * total // 2
    for group in sorted(members, key=lambda g: (g.weight * _UNIT <= large, g.lot, g.name)):
        size = group.weight * _UNIT
        fits = [split for split in parts if 2 * lacking[split] > size]
        split = (
            max(fits, key=lambda split: lacking[split] / parts[split])
            if fits
            else max(parts, key=lambda split: lacking[split])
        )
        lacking[split] -= size
        yield split, group


def _fill_empty(dealt: dict[Split, list[Group]]) -> None:
    """Give each empty split the smallest group of the one that has most groups, while that has two."""
    for split in _NEEDED:
        richest = max(dealt, key=lambda other: len(dealt[other]))
        if split in dealt and not dealt[split] and len(dealt[richest]) > 1:
            smallest = min(dealt[richest], key=lambda group: (group.weight, group.lot, group.name))
            dealt[richest].remove(smallest)
            dealt[split].append(smallest)
