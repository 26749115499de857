"""balance and limit: as many as may be, the same ones whatever the order."""

from __future__ import annotations

import random
from collections import Counter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millhand.datasets.pieces import Piece
from millhand.datasets.steps import balance, limit
from tests.unit.datasets.steps.making import Ran, record


def _records(sections: list[int], split: str = "") -> list[Piece]:
    return [record(id=f"{split}{i}", section=f"{s}. 장", split=split) for i, s in enumerate(sections)]


def _sections(ran: Ran) -> Counter[str]:
    return Counter(piece.source.section for piece in ran.pieces)


_LISTS = st.lists(st.integers(0, 5), max_size=60)


@given(_LISTS, st.integers(1, 8), st.randoms())
def test_at_most_so_many_of_each_key(sections: list[int], most: int, mixer: random.Random) -> None:
    pieces = _records(sections)
    ran = Ran(balance.STEP, pieces, at_most=most, ratio=0)
    counts = Counter(f"{s}. 장" for s in sections)
    assert _sections(ran) == {key: min(most, count) for key, count in counts.items()}
    assert sum(ran.tally.dropped.values()) == len(pieces) - len(ran.pieces)
    mixed = list(pieces)
    mixer.shuffle(mixed)
    assert set(Ran(balance.STEP, mixed, at_most=most, ratio=0).ids) == set(ran.ids)


@given(_LISTS, st.integers(0, 20))
def test_one_piece_more_changes_at_most_one_other(sections: list[int], most: int) -> None:
    pieces = _records(sections)
    before = set(Ran(limit.STEP, pieces, at_most=most).ids)
    after = set(Ran(limit.STEP, [*pieces, record(id="new")], at_most=most).ids)
    assert len(before - after) <= 1


def test_the_order_stays() -> None:
    ran = Ran(limit.STEP, _records([0] * 50), at_most=10)
    assert [int(name) for name in ran.ids] == sorted(int(name) for name in ran.ids)


def test_times_the_median() -> None:
    pieces = _records([0] * 40 + [1] * 4 + [2] * 3)
    ran = Ran(balance.STEP, pieces, ratio=2.0)
    assert _sections(ran) == {"0. 장": 8, "1. 장": 4, "2. 장": 3}
    assert ran.tally.dropped == {"over the limit of its section": 32}
    assert ran.tally.counts == {"keys": 3, "at most per section": 8}


def test_each_split_by_itself() -> None:
    pieces = _records([0] * 9, "train") + _records([0] * 5, "test")
    ran = Ran(balance.STEP, pieces, at_most=4)
    assert Counter(piece.split for piece in ran.pieces) == {"train": 4, "test": 4}


@pytest.mark.parametrize(
    ("by", "kept"),
    [
        ("section", 6),
        ("document", 2),
        ("kind", 2),
        ("heading", 6),
        ("generator", 2),
        ("answer", 4),
        ("length", 2),
    ],
)
def test_keys(by: str, kept: int) -> None:
    pieces = [
        record(id=str(i), section=f"{i % 3}. 장 > {i}", answer="예" if i % 2 else "아니요") for i in range(30)
    ]
    assert len(Ran(balance.STEP, pieces, by=by, at_most=2).pieces) == kept


def test_limits_by_split() -> None:
    pieces = [
        record(id=f"{split}{i}", split=split) for split in ("train", "validation", "test") for i in range(9)
    ]
    ran = Ran(limit.STEP, pieces, at_most=5, train=7, test=0)
    assert Counter(piece.split for piece in ran.pieces) == {"train": 7, "validation": 5}
    assert Ran(limit.STEP, pieces).pieces == pieces
    assert set(ran.ids) != set(Ran(limit.STEP, pieces, at_most=5, train=7, test=0, seed=1).ids)


def test_what_cannot_be() -> None:
    for step, options in ((limit.STEP, {"at_most": -1}), (balance.STEP, {"ratio": -1.0})):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(options, step.options)
