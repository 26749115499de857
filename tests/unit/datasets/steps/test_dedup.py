"""The step dedup: the first stays, what is alike gets one cluster, however the work is shared out."""

from __future__ import annotations

import sys
from typing import Any

import msgspec
import pytest

from millhand.datasets.pieces import Piece
from millhand.datasets.records import Message, Source, from_messages
from millhand.datasets.steps.dedup import STEP, Options, compared, signed
from millhand.datasets.steps.duplicates import Looking, Text, Verdicts
from millhand.errors import MissingPackageError
from millhand.text.shingles import jaccard, shingles
from tests.unit.datasets.steps.making import Ran, passage, record
from tests.unit.text.edits import Writer

WRITER = Writer(7)
LONG = WRITER.text(400)


def ran(pieces: list[Piece], **options: Any) -> Ran:
    return Ran(STEP, pieces, **options)


def test_the_first_of_exact_duplicates_stays() -> None:
    given = [
        record("순찰은 언제 하나요?", "매시간 합니다.", id="r1"),
        record("순찰은  언제 하나요", "“매시간 합니다”", id="r2"),
        record("순찰은 언제 하나요?", "두 시간마다 합니다.", id="r3"),
    ]
    found = ran(given, near=False)
    assert found.ids == ["r1", "r3"]
    assert found.tally.dropped == {"exact": 1}
    (sample,) = found.tally.samples
    assert (sample.piece, sample.same_as) == ("r2", "r1")
    assert "매시간" in sample.before
    assert "매시간" in sample.kept


@pytest.mark.parametrize(
    ("by", "ids"), [("all", ["r1", "r2", "r3"]), ("question", ["r1", "r3"]), ("answer", ["r1", "r2"])]
)
def test_records_are_compared_by_what_is_asked_for(by: str, ids: list[str]) -> None:
    given = [
        record("순찰은 언제 하나요?", "매시간 합니다.", id="r1"),
        record("순찰은 언제 하나요?", "근무표를 봅니다.", id="r2"),
        record("당직은 몇 번 서나요?", "매시간 합니다.", id="r3"),
    ]
    assert ran(given, by=by).ids == ids


def test_a_long_system_text_makes_no_duplicates() -> None:
    given = [
        record("문을 언제 잠그나요?", "밤 열 시", id="r1", system=LONG),
        record("누가 여나요?", "당직자", id="r2", system=LONG),
    ]
    assert ran(given).ids == ["r1", "r2"]


def test_near_duplicates_are_dropped_and_shown_beside_what_stays() -> None:
    given = [
        passage(LONG, id="p1"),
        passage(WRITER.text(400), id="p2"),
        passage(WRITER.words_edited(LONG, 0.03), id="p3"),
        passage(WRITER.characters_edited(LONG), id="p4"),
    ]
    found = ran(given)
    assert found.ids == ["p1", "p2"]
    assert found.tally.dropped == {"near": 2}
    assert {sample.same_as for sample in found.tally.samples} == {"p1"}
    assert ran(given, edits=0).ids == ["p1", "p2", "p4"]


def test_those_that_are_alike_and_kept_share_a_cluster() -> None:
    given = [
        passage(WRITER.text(400), id="p0"),
        passage(LONG, id="p1"),
        passage(WRITER.words_edited(LONG, 0.08), id="p2"),
    ]
    found = ran(given, edits=0)
    assert [piece.cluster for piece in found.pieces] == ["", "p1", "p1"]
    assert found.tally.counts == {"related": 2, "clusters": 1}
    assert [piece.cluster for piece in ran(given, edits=0, related=None).pieces] == ["", "", ""]


def test_a_cluster_holds_through_one_that_is_dropped() -> None:
    verdicts = Verdicts()
    verdicts.join(2, 5)
    verdicts.drop(5, 1, "near")
    verdicts.join(7, 8)
    assert verdicts.clusters() == {1: 1, 2: 1, 7: 7, 8: 7}


def test_clusters_of_an_earlier_step_stay_together() -> None:
    given = [
        record(f"질문 {n} {WRITER.text(60)}", WRITER.text(60), id=f"r{n}", cluster="old" * (n % 2))
        for n in range(4)
    ]
    assert [piece.cluster for piece in ran(given).pieces] == ["", "r1", "", "r1"]


def test_the_same_sentence_of_two_years_is_two() -> None:
    given = [
        record(f"{year}년 매출은?", f"{LONG} {year}년 매출은 {year % 7}조원", id=f"r{year}")
        for year in (2022, 2023)
    ]
    found = ran(given)
    assert found.ids == ["r2022", "r2023"]
    assert {piece.cluster for piece in found.pieces} == {"r2022"}
    assert ran(given, keep_numbers=False).ids == ["r2022"]


def test_a_good_and_a_bad_answer_of_the_same_words_are_two() -> None:
    given = [record("질문", LONG, id=f"r{tag}", kto_tag=tag) for tag in (True, False, True)]
    assert ran(given).tally.dropped == {"exact": 1}
    assert ran([given[0], record("질문", WRITER.words_edited(LONG, 0.02), id="r2", kto_tag=False)]).ids == [
        "rTrue",
        "r2",
    ]


def test_conversations_and_rankings_are_compared_whole() -> None:
    def talk(id: str, *words: str) -> Piece:
        roles = ("human", "gpt") * 2
        messages = tuple(Message(role, text) for role, text in zip(roles, words, strict=True))  # type: ignore[arg-type]
        return Piece(id, Source("a", "0"), record=from_messages(messages))

    given = [
        talk("c1", "안녕", "네", "순찰은?", "매시간"),
        talk("c2", "안녕!", "네.", "순찰은", "매시간"),
        talk("c3", "저기요", "말씀하세요", "순찰은?", "매시간"),
        record("순찰은?", "", id="k1", chosen="매시간", rejected="모름"),
        record("순찰은?", "", id="k2", chosen="매시간", rejected="안 함"),
        record("순찰은?", "", id="k3", chosen="매시간", rejected="모름"),
    ]
    assert ran(given).ids == ["c1", "c3", "k1", "k2"]


def test_the_same_words_under_another_heading_are_two() -> None:
    given = [
        passage("해당사항 없음", id=f"p{n}", headings=("XI. 그 밖에", heading))
        for n, heading in enumerate(("제재", "소송", "제재"))
    ]
    assert ran(given).ids == ["p0", "p1"]


def test_a_very_long_text_is_compared_exactly_only() -> None:
    text = "가나다라마바사 " * 20_000
    given = [passage(text, id="p1"), passage(text + "아", id="p2"), passage(text.strip() + ".", id="p3")]
    assert ran(given).ids == ["p1", "p2"]


def test_pieces_without_text_are_left_alone() -> None:
    given = [passage("", id="p1"), passage("…", id="p2"), passage("가", id="p3")]
    assert ran(given).ids == ["p1", "p2", "p3"]


@pytest.mark.parametrize("edit", [Writer.characters_edited, Writer.words_edited])
def test_planted_edits_of_a_twentieth_are_found(edit: Any) -> None:
    writer = Writer(11)
    originals = [record(writer.text(60), writer.text(240), id=f"o{n}") for n in range(1000)]
    copies = [
        record(edit(writer, o.record.instruction), edit(writer, o.record.output), id=f"c{n}")
        for n, o in enumerate(originals)
        if o.record
    ]
    found = ran(originals + copies)
    assert found.ids[:1000] == [piece.id for piece in originals]
    assert found.tally.dropped["near"] >= 990


def test_what_goes_is_what_a_look_at_every_pair_would_drop() -> None:
    writer = Writer(17)
    texts = [writer.text(150) for _ in range(60)]
    given = [
        record("", writer.words_edited(text, share), id=f"{share}-{n}")
        for share in (0, 0.03, 0.06, 0.1, 0.2)
        for n, text in enumerate(texts)
    ]
    kept: list[tuple[str, frozenset[str]]] = []
    for piece in given:
        found = shingles(compared("all", piece))
        if all(jaccard(found, other) < 0.8 for _, other in kept):
            kept.append((piece.id, found))
    assert 100 < len(kept) < 250
    assert ran(given, edits=0).ids == [name for name, _ in kept]


def test_without_the_packages_nothing_is_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rensa", None)
    with pytest.raises(MissingPackageError, match=r"millhand\[clean\]"):
        ran([record()])
    assert ran([record()], near=False).ids == ["r1"]


def test_nothing_depends_on_how_the_work_is_shared_out() -> None:
    writer = Writer(13)
    texts = [writer.text(200) for _ in range(40)]
    given = [passage(writer.words_edited(text, 0.04), id=f"p{n}") for n, text in enumerate(texts * 3)]

    def parted(size: int) -> list[Any]:
        parts = [given[at : at + size] for at in range(0, len(given), size)]
        return [value for part in parts for value in signed(Options(), part)]

    assert parted(7) == parted(120)
    assert ran(given).pieces == ran(given).pieces


def test_what_is_like_one_that_was_dropped_is_held_against_the_one_that_stayed() -> None:
    compared = []

    def relation(one: Text, other: Text) -> Any:
        compared.append((one.text, other.text))
        return "same"

    verdicts = Verdicts()
    looking = Looking(relation, verdicts, {1: [0], 9: [1]})
    looking.through([lambda n=n: Text(str(n)) for n in range(10)])  # type: ignore[misc]
    assert compared == [("0", "1"), ("1", "9"), ("0", "9")]
    assert {n: same.kept for n, same in verdicts.same.items()} == {1: 0, 9: 0}
    assert not looking._held


@pytest.mark.parametrize("options", [{"threshold": 0.2}, {"related": 0.9}, {"edits": 0.5}, {"thresh": 1}])
def test_options_that_cannot_be_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(options, Options)
