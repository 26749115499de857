"""When texts are the same, and the pairs that MinHash finds of them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millhand.errors import MissingPackageError
from millhand.text.minhash import SLOTS, alike, signatures, stacked
from millhand.text.shingles import differ_in_numbers, edited, folded, jaccard, relation, shingles
from tests.unit.text.edits import Writer


@pytest.mark.parametrize(
    "other", ["가나다 ABC 1", "  가나다\n\tabc  1.", "“가나다 ａｂｃ １”", "- 가나다 Abc 1?!"]
)
def test_what_a_reader_takes_for_the_same_folds_to_the_same(other: str) -> None:
    assert folded(other) == "가나다 abc 1"


@given(st.text())
def test_folding_is_done_once(text: str) -> None:
    assert folded(folded(text)) == folded(text)


def test_similarity_is_the_jaccard_index() -> None:
    assert jaccard(shingles("abcdefg"), shingles("abcdefgh")) == 3 / 4
    assert jaccard(shingles("가"), shingles("가")) == 1
    assert jaccard(shingles("가나다라마바"), shingles("사아자차카타")) == 0


def test_a_twentieth_of_the_characters_edited_is_the_same() -> None:
    writer = Writer(1)
    one = writer.text()
    other = writer.characters_edited(one)
    assert edited(one, other, 0.05)
    assert not edited(one, writer.characters_edited(one, 0.2), 0.05)
    found = [relation(one, other, same=0.8, alike=0.6, edits=share) for share in (0.05, 0)]
    assert found == ["same", "alike"]


def test_texts_that_differ_in_numbers_alone() -> None:
    assert differ_in_numbers("2022년 매출 1,234원", "2023년 매출 98원")
    assert not differ_in_numbers("2022년 매출", "2022년 매출")
    assert not differ_in_numbers("2022년 매출", "2023년 이익")


def test_a_signature_depends_on_its_own_text_alone() -> None:
    writer = Writer(2)
    texts = [writer.text(length) for length in (5, 20, 300, 4000)]
    together = signatures(texts)
    assert [row.tobytes() for row in together] == [signatures([text])[0].tobytes() for text in texts]
    assert stacked([row.tobytes() for row in together]).tolist() == together.tolist()


def test_slots_agree_as_often_as_shingles_are_shared() -> None:
    writer = Writer(3)
    texts = [writer.text() for _ in range(200)]
    others = [
        writer.words_edited(text, share)
        for text, share in zip(texts, (0.05, 0.1, 0.2, 0.4) * 50, strict=True)
    ]
    made, again = signatures(texts), signatures(others)
    exact = [jaccard(shingles(a), shingles(b)) for a, b in zip(texts, others, strict=True)]
    errors = [(a == b).mean() - j for a, b, j in zip(made, again, exact, strict=True)]
    assert abs(sum(errors) / len(errors)) < 0.01
    assert max(map(abs, errors)) < 0.15


def test_pairs_are_found_each_with_the_earlier_ones() -> None:
    writer = Writer(4)
    texts = [writer.text() for _ in range(300)]
    copies = [writer.characters_edited(text) for text in texts]
    pairs = alike(signatures(texts + copies), 0.59)
    assert sum(one in pairs.get(300 + one, ()) for one in range(300)) >= 297
    assert all(earlier < later for later, found in pairs.items() for earlier in found)


def test_thousands_of_copies_make_no_thousands_of_pairs_each() -> None:
    pairs = alike(signatures([Writer(5).text()] * 3000), 0.59)
    assert len(pairs) == 2999
    assert max(map(len, pairs.values())) <= 32


def test_nothing_has_no_pairs() -> None:
    assert alike(signatures(["가나다라마"]), 0.6) == {}
    assert alike(stacked([]), 0.6) == {}
    assert signatures([]).shape == (0, SLOTS)
    assert signatures(["가나다라마"]).shape == (1, SLOTS)


@pytest.mark.parametrize(
    ("package", "call", "mend"),
    [
        ("rensa", partial(signatures, ["가나다라마"]), "near: false"),
        ("rapidfuzz", partial(edited, "가", "나", 0.05), "edits: 0"),
    ],
)
def test_without_a_package_the_mend_names_the_extra(
    package: str, call: Callable[[], object], mend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingPackageError, match=r"millhand\[clean\]") as caught:
        call()
    assert mend in caught.value.mend
