"""The step ``split``: train, validation and test, with nothing related on two sides.

What belongs together (a document or section, and every cluster of near duplicates that reaches into it) is
one group, joined by union-find. Groups are dealt out whole (``quotas.py``). Before a piece is handed on, it
is held against all that went before it: the proof stands in the tally.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Literal

import msgspec

from millhand.datasets.pieces import Piece, Split
from millhand.datasets.steps.base import Context, Pieces, Step, Tally
from millhand.datasets.steps.keys import (
    answer_of,
    digest,
    document_of,
    headings_of,
    kind_of,
    lot,
    section_of,
)
from millhand.datasets.steps.quotas import Group, deal
from millhand.errors import Finding, MillhandError
from millhand.wording import counted

By = Literal["document", "section", "record"]
Stratify = Literal["none", "kind", "document", "heading", "answer", "generator"]
_UNEVEN = 0.1
_LABEL = 60


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Shares of the pieces, and what must not be parted.

    Args:
        train: 0 to 1, as ``validation`` and ``test`` are; together they are 1.
        by: ``document``, ``section`` (the first ``level`` headings) or ``record`` (and all that say the
            same word for word): what stays whole. Near duplicates stay together in any case.
        stratify: Each split gets its share of every ``kind`` of file, ``document``, top ``heading``,
            ``answer`` (where answers are labels) or ``generator``, as far as whole groups allow.
        seed: Another one deals other groups to each split.
    """

    train: float = 0.8
    validation: float = 0.1
    test: float = 0.1
    by: By = "document"
    level: int = 1
    stratify: Stratify = "kind"
    seed: int = 0

    def __post_init__(self) -> None:
        # put so that what is no number (.nan) is refused too
        if not all(share >= 0 for share in self.shares.values()) or abs(sum(self.shares.values()) - 1) > 1e-6:
            raise ValueError("train, validation and test are shares, 0 to 1, and sum up to 1")
        if self.level < 1:
            raise ValueError("level counts headings from 1, the outermost")

    @property
    def shares(self) -> dict[Split, float]:
        """The share of each split."""
        return {"train": self.train, "validation": self.validation, "test": self.test}


def split(options: Options, pieces: Pieces, tally: Tally, context: Context) -> Iterator[Piece]:
    """Give every piece its split.

    Raises:
        MillhandError: A group or a cluster stands in two splits, which this step is there to prevent.
    """
    joined = _Joined()
    for piece in pieces:
        joined.join(_keys(options, piece))
    groups = _groups(options, pieces, joined)
    dealt = deal(groups, options.shares, _strata(options, groups))
    proof = _Proof()
    for piece in pieces:
        keys = _keys(options, piece)
        where = dealt[joined.root(keys[0])]
        proof.hold(piece, keys, where)
        yield msgspec.structs.replace(piece, split=where)
    proof.tell(options, tally, groups)
    for finding in (*_findings(options, proof.pieces, groups), *_same(proof.twice)):
        context.find(finding)


class _Joined:
    """Union-find over the numbers of groups and clusters; the root is the smallest of a set."""

    def __init__(self) -> None:
        self._above: dict[int, int] = {}

    def root(self, key: int) -> int:
        above = self._above
        above.setdefault(key, key)
        while above[key] != key:
            above[key] = above[above[key]]
            key = above[key]
        return key

    def join(self, keys: tuple[int, ...]) -> None:
        roots = sorted({self.root(key) for key in keys})
        for root in roots[1:]:
            self._above[root] = roots[0]


class _Proof:
    """Every group, cluster and text that was handed on, and where it went."""

    def __init__(self) -> None:
        self.pieces: Counter[Split] = Counter()
        self._where: dict[int, Split] = {}
        self._texts: dict[int, Split | None] = {}
        self._clusters: set[int] = set()

    def hold(self, piece: Piece, keys: tuple[int, ...], where: Split) -> None:
        self.pieces[where] += 1
        self._clusters.update(keys[1:])
        for key in keys:
            there = self._where.setdefault(key, where)
            if there != where:
                raise MillhandError(
                    f"The step split put {piece.id} into {where}, and what belongs to it into {there}.",
                    mend="This is a fault of Millhand's: report it with the dataset.yaml.",
                )
        text = digest(_words(piece))
        if self._texts.setdefault(text, where) != where:
            self._texts[text] = None

    def tell(self, options: Options, tally: Tally, groups: list[Group]) -> None:
        for name, share in options.shares.items():
            if share or self.pieces[name]:
                tally.count(name, self.pieces[name])
        tally.count("groups", len(groups))
        tally.count(f"{options.by}s", len(self._where) - len(self._clusters))
        tally.count("clusters of near duplicates", len(self._clusters))
        tally.count("groups in two splits", 0)
        tally.count("clusters in two splits", 0)
        tally.count("same text in two splits", self.twice)

    @property
    def twice(self) -> int:
        """Texts that stand in two splits: two documents say the same, and no step has dropped one."""
        return sum(where is None for where in self._texts.values())


def _words(piece: Piece) -> str:
    return " ".join(piece.text.split())


def _keys(options: Options, piece: Piece) -> tuple[int, ...]:
    """The number of its group, and that of its cluster if it has one."""
    match options.by:
        case "document":
            name = document_of(piece)
        case "section":
            name = section_of(piece, options.level)
        case "record":
            name = _words(piece)
    own = digest(f"group\0{name}")
    return (own, digest(f"cluster\0{piece.cluster}")) if piece.cluster else (own,)


def _groups(options: Options, pieces: Pieces, joined: _Joined) -> list[Group]:
    weights: Counter[int] = Counter()
    strata: dict[int, Counter[str]] = {}
    for piece in pieces:
        root = joined.root(_keys(options, piece)[0])
        weights[root] += 1
        if options.stratify != "none":
            strata.setdefault(root, Counter())[_stratum(options, piece)] += 1
    return [
        Group(lot(options.seed, str(root)), root, weight, _most(strata.get(root, Counter())))
        for root, weight in weights.items()
    ]


def _most(counts: Counter[str]) -> str:
    return min(counts, key=lambda name: (-counts[name], name), default="")


def _strata(options: Options, groups: list[Group]) -> list[str]:
    return sorted({group.stratum for group in groups}, key=lambda name: (lot(options.seed, name), name))


def _stratum(options: Options, piece: Piece) -> str:
    match options.stratify:
        case "kind":
            return kind_of(piece)
        case "document":
            return document_of(piece)
        case "heading":
            return "".join(headings_of(piece)[:1])
        case "answer":
            return answer_of(piece)[:_LABEL]
        case "generator":
            return piece.source.generator
    return ""


def _findings(options: Options, pieces: Counter[Split], groups: list[Group]) -> Iterator[Finding]:
    total = max(1, pieces.total())
    largest = max((group.weight for group in groups), default=0)
    because = (
        f"the largest of {counted(len(groups), 'group')} that must stay whole holds {largest / total:.0%}"
    )
    wanted = {name: share for name, share in options.shares.items() if share}
    empty = [name for name in wanted if groups and not pieces[name]]
    uneven = [
        f"{name} holds {pieces[name] / total:.0%} of the pieces, not {share:.0%}"
        for name, share in wanted.items()
        if abs(pieces[name] / total - share) > _UNEVEN
    ]
    if empty:
        yield _finding("data.empty-split", f"nothing is in {' and '.join(empty)}: {because}", options)
    elif groups and uneven:
        yield _finding("data.uneven-split", f"{', '.join(uneven)}: {because}", options)


def _same(twice: int) -> Iterator[Finding]:
    if twice:
        yield Finding(
            id="data.same-text-in-two-splits",
            severity="warning",
            message=f"{twice:,} texts stand word for word in two splits",
            why="What is learned by heart is no test: two of what must stay whole say the same there.",
            mend="Name the step `dedup` before `split`.",
        )


def _finding(name: str, message: str, options: Options) -> Finding:
    finer = {"document": "`by: section`", "section": f"`level: {options.level + 1}`"}.get(options.by)
    return Finding(
        id=name,
        severity="warning",
        message=message,
        why="What is learned and what it is tested with must not share a source; so no group is parted.",
        mend=f"Add documents, or let smaller parts stay whole: {finer}."
        if finer
        else "Rows that are alike stay together: `related` in `dedup` says how alike. Or add rows.",
    )


STEP = Step("split", Options, whole=split, revision=2)
