"""split: nothing related on two sides, shares met, the same whatever the order."""

from __future__ import annotations

import random
from collections import Counter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millhand.datasets.pieces import Piece
from millhand.datasets.steps import split as step
from millhand.datasets.steps.quotas import Group, deal
from millhand.datasets.steps.split import STEP
from millhand.errors import MillhandError
from tests.unit.datasets.steps.making import Ran, passage, record


def _documents(count: int, each: int = 1, kind: str = "pdf", place: str = "element 1") -> list[Piece]:
    return [
        passage(id=f"{d}-{p}", document=f"{d}.{kind}", headings=(f"{p}. 장", f"{d} 절"), place=place)
        for d in range(count)
        for p in range(each)
    ]


def _counts(ran: Ran) -> tuple[int, int, int]:
    counts = Counter(piece.split for piece in ran.pieces)
    return counts["train"], counts["validation"], counts["test"]


@pytest.mark.parametrize(
    ("documents", "counts"),
    [
        (1, (1, 0, 0)),
        (2, (1, 0, 1)),
        (3, (1, 1, 1)),
        (4, (2, 1, 1)),
        (5, (3, 1, 1)),
        (10, (8, 1, 1)),
        (14, (11, 2, 1)),
        (20, (16, 2, 2)),
        (100, (80, 10, 10)),
        (1000, (800, 100, 100)),
    ],
)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_shares_at_small_numbers(documents: int, counts: tuple[int, int, int], seed: int) -> None:
    assert _counts(Ran(STEP, _documents(documents), seed=seed)) == counts


def test_other_shares() -> None:
    assert _counts(Ran(STEP, _documents(10), train=0.5, validation=0.0, test=0.5)) == (5, 0, 5)
    assert _counts(Ran(STEP, _documents(10), train=1.0, validation=0.0, test=0.0)) == (10, 0, 0)


_PIECES = st.lists(
    st.tuples(st.integers(0, 12), st.integers(0, 4), st.sampled_from(["", "", "", "k1", "k2", "k3"])),
    min_size=1,
    max_size=60,
)


@given(_PIECES, st.sampled_from(["document", "section", "record"]), st.integers(0, 3), st.randoms())
def test_nothing_related_stands_on_two_sides(
    made: list[tuple[int, int, str]], by: str, seed: int, mixer: random.Random
) -> None:
    pieces = [
        passage(id=f"p{i}", document=f"{d}.pdf", headings=(f"{s}. 장", f"{i} 절"), cluster=c)
        for i, (d, s, c) in enumerate(made)
    ]
    ran = Ran(STEP, pieces, by=by, seed=seed)
    where = {piece.id: piece.split for piece in ran.pieces}
    keys: dict[str, set[str]] = {}
    for piece in pieces:
        top = piece.passage.headings[0] if piece.passage else ""
        own = {"document": piece.source.document, "section": f"{piece.source.document} {top}"}
        for key in (own.get(by, piece.text), piece.cluster):
            keys.setdefault(key, set()).add(where[piece.id])
    keys.pop("", None)
    assert all(len(splits) == 1 for splits in keys.values())
    mixed = list(pieces)
    mixer.shuffle(mixed)
    again = {piece.id: piece.split for piece in Ran(STEP, mixed, by=by, seed=seed).pieces}
    assert again == where


def test_a_chain_of_clusters_joins_documents() -> None:
    pieces = _documents(20)
    joined = [
        msgspec.structs.replace(pieces[0], cluster="x"),
        msgspec.structs.replace(pieces[1], cluster="x"),
        passage(id="more", document="1.pdf", cluster="y"),
        msgspec.structs.replace(pieces[2], cluster="y"),
    ]
    for seed in range(8):
        ran = Ran(STEP, [*joined, *pieces[3:]], seed=seed)
        assert len({piece.split for piece in ran.pieces if piece.id in ("0-0", "1-0", "2-0", "more")}) == 1
        assert ran.tally.counts["groups"] == 18
        assert ran.tally.counts["documents"] == 20
        assert ran.tally.counts["clusters of near duplicates"] == 2


def test_records_follow_their_section_as_passages_do() -> None:
    passages = _documents(3, 10)
    records = [record(id=p.id, document=p.source.document, section=p.source.section) for p in passages]
    one, other = Ran(STEP, passages, by="section"), Ran(STEP, records, by="section")
    assert {p.id: p.split for p in one.pieces} == {p.id: p.split for p in other.pieces}
    assert len({p.split for p in one.pieces if p.source.document == "0.pdf"}) > 1


def test_strata_are_shared_out() -> None:
    pieces = [record(f"{i}번?", "예" if i % 4 else "아니요", id=str(i)) for i in range(200)]
    ran = Ran(STEP, pieces, by="record", stratify="answer")
    rare = Counter(p.split for p in ran.pieces if p.record and p.record.output == "아니요")
    assert rare == {"train": 40, "validation": 5, "test": 5}
    kinds = Ran(STEP, _documents(30, kind="pdf", place="page 1") + _documents(10, kind="xml"), seed=3)
    assert _counts(kinds) == (32, 4, 4)
    assert Counter(p.split for p in kinds.pieces if p.source.document.endswith("xml")) == {
        "train": 8,
        "validation": 1,
        "test": 1,
    }


def test_large_documents_do_not_swallow_the_small_splits() -> None:
    pieces = _documents(1, 60) + [
        passage(id=f"s{d}-{p}", document=f"s{d}.md") for d in range(10) for p in range(4)
    ]
    for seed in range(5):
        assert _counts(Ran(STEP, pieces, stratify="none", seed=seed)) == (80, 12, 8)


def test_the_proof_and_what_is_told() -> None:
    same = [
        passage(id=f"{d}-{p}", document=f"{d}.pdf", headings=(f"{p}. 장",))
        for d in range(14)
        for p in range(3)
    ]
    ran = Ran(STEP, [*same, passage(id="copy", document="0.pdf", headings=("0. 장",))])
    counts = ran.tally.counts
    assert counts["train"] + counts["validation"] + counts["test"] == 43
    assert (counts["groups"], counts["groups in two splits"], counts["clusters in two splits"]) == (14, 0, 0)
    assert counts["same text in two splits"] == 3
    assert [finding.id for finding in ran.findings] == ["data.same-text-in-two-splits"]


def test_records_that_say_the_same_stay_together() -> None:
    pieces = [record(f"{i % 30}번 문은?", id=str(i), document=f"{i}.csv") for i in range(90)]
    ran = Ran(STEP, pieces, by="record")
    where = {(piece.record.instruction, piece.split) for piece in ran.pieces if piece.record}
    assert len(where) == 30
    assert _counts(ran) == (72, 9, 9)
    assert (ran.tally.counts["same text in two splits"], ran.findings) == (0, [])


def test_a_group_in_two_splits_stops_the_build(monkeypatch: pytest.MonkeyPatch) -> None:
    pieces = [msgspec.structs.replace(piece, cluster="same") for piece in _documents(20)]
    assert len({piece.split for piece in Ran(STEP, pieces).pieces}) == 1
    monkeypatch.setattr(step._Joined, "join", lambda *_: None)
    with pytest.raises(MillhandError, match="what belongs to it into"):
        Ran(STEP, pieces)


def test_one_document_is_told_of() -> None:
    ran = Ran(STEP, _documents(1, 5))
    (finding,) = ran.findings
    assert finding.id == "data.empty-split"
    assert finding.message.startswith("nothing is in validation and test")
    assert "by: section" in finding.mend
    assert Ran(STEP, _documents(1, 5), train=1.0, validation=0.0, test=0.0).findings == []
    assert [f.id for f in Ran(STEP, [*_documents(1, 50), *_documents(4)[1:]]).findings] == [
        "data.uneven-split"
    ]


@pytest.mark.parametrize(
    "options", [{"train": 0.9}, {"train": 1.2, "test": -0.3}, {"level": 0}, {"by": "row"}]
)
def test_options_that_cannot_be(options: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(options, STEP.options)


@given(st.lists(st.integers(1, 30), min_size=3, max_size=60), st.integers(0, 5))
def test_no_split_is_off_by_more_than_the_largest_group(weights: list[int], seed: int) -> None:
    shares = {"train": 0.8, "validation": 0.1, "test": 0.1}
    groups = [Group(hash((seed, i)), i, weight) for i, weight in enumerate(weights)]
    dealt = deal(groups, shares, [""])  # type: ignore[arg-type]
    total, largest = sum(weights), max(weights)
    for split, share in shares.items():
        held = sum(group.weight for group in groups if dealt[group.name] == split)
        assert held
        assert abs(held - share * total) <= 2 * largest
