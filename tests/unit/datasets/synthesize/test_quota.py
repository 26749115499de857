"""How much is asked of a passage."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millhand.datasets.synthesize.options import Options
from millhand.datasets.synthesize.quota import asks, parts, quota
from tests.unit.datasets.synthesize.conftest import steps_passage


@pytest.mark.parametrize(
    ("characters", "items"), [(39, 0), (40, 1), (300, 1), (301, 2), (900, 3), (2400, 8), (9000, 8)]
)
def test_questions_grow_with_the_length(characters: int, items: int) -> None:
    assert quota("가 " * characters, "qa", Options()) == items


def test_a_procedure_needs_steps_and_a_summary_some_length() -> None:
    text = "경보기를 끄고 다음을 한다. 책임자가 확인하고 결과를 일지에 적는다.\n1. 문을 잠근다\n2. 불을 끈다"
    assert quota(text, "procedure", Options()) == 1
    assert quota(text.replace("2. ", ""), "procedure", Options()) == 0
    assert quota(text, "summary", Options()) == 0
    assert quota(text, "summary", Options(chars_per_item=20)) == 1


def test_each_purpose_is_asked_once_of_each_part() -> None:
    passage = steps_passage(1).passage
    assert passage is not None
    given_options = Options(purposes=("qa", "procedure", "rewrite"))
    assert [(ask.purpose, ask.count) for ask in asks(passage, given_options)] == [("qa", 1), ("procedure", 1)]


@pytest.mark.parametrize(
    "options",
    [
        {"purposes": ["rewrite"]},
        {"purposes": ["qa", "qa"]},
        {"levels": ["expert", "expert"]},
        {"purposes": []},
    ],
)
def test_options_that_make_nothing_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(options, Options)


@given(st.text(alphabet="가나다 .\n", max_size=3000), st.integers(20, 500))
def test_parts_hold_all_of_a_text_and_none_is_too_long(text: str, limit: int) -> None:
    cut = list(parts(text, limit))
    assert all(len(part) <= limit for part in cut)
    assert "".join("".join(cut).split()) == "".join(text.split())
