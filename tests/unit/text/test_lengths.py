"""Lengths: shares, means, ranges."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from millhand.text.lengths import Lengths


def _of(values: list[int]) -> Lengths:
    lengths = Lengths()
    for value in values:
        lengths.add(value)
    return lengths


@given(st.lists(st.integers(0, 5000), min_size=1))
def test_the_histogram_holds_every_text_once_in_at_most_ten_ranges(values: list[int]) -> None:
    buckets = _of(values).histogram()
    assert sum(bucket.texts for bucket in buckets) == len(values)
    assert len(buckets) <= 10
    assert all(b.texts == sum(b.low <= v <= b.high for v in values) for b in buckets)


@given(st.lists(st.integers(0, 5000), min_size=1))
def test_shares_are_lengths_that_occur(values: list[int]) -> None:
    lengths = _of(values)
    assert lengths.at(0) == min(values)
    assert lengths.at(1) == max(values)
    assert sum(value <= lengths.at(0.95) for value in values) >= 0.95 * len(values)


def test_no_text_has_no_length() -> None:
    assert _of([]).summary()["max"] == 0
    assert _of([]).histogram() == []
