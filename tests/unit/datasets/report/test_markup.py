"""Markup: what is text stays text, whatever stands in it."""

from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from millhand.datasets.report.figures import bar, histogram, stacked
from millhand.datasets.report.funnel import difference
from millhand.datasets.report.markup import el, join, share, text
from millhand.text.lengths import Bucket, Lengths
from millhand.wording import counted


class Read(HTMLParser):
    """Every tag, attribute and text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


_TEXT = st.text(
    alphabet=st.one_of(st.characters(exclude_categories=["Cs", "Cc"]), st.sampled_from("<>&\"'/="))
)


@given(_TEXT, _TEXT)
def test_text_and_attributes_come_back_as_they_were(inside: str, attribute: str) -> None:
    read = Read(el("p", inside, title=attribute))
    assert read.tags == ["p"]
    assert "".join(read.texts).replace("\ufffd", "") == "".join(
        c for c in inside if not (0xFDD0 <= ord(c) <= 0xFDEF or c in "\ufffe\uffff\ufffd")
    )
    assert [name for _, name, _ in read.attributes] == ["title"]


def test_what_html_may_not_hold_is_replaced() -> None:
    assert text("가\x00나\ud800") == "가\ufffd나\ufffd"


@given(_TEXT, _TEXT)
def test_a_difference_holds_both_texts(before: str, after: str) -> None:
    read = Read(join(*difference(before, after)))
    assert set(read.tags) <= {"ins", "del"}


def test_numbers() -> None:
    assert (share(0, 0), share(1, 3), share(1, 10_000), share(1, 1)) == ("0%", "33.3%", "<0.1%", "100%")
    assert (counted(1, "file"), counted(1200, "row")) == ("1 file", "1,200 rows")


@given(st.lists(st.integers(0, 5000), min_size=1), st.one_of(st.none(), st.integers(1, 8000)))
def test_every_bucket_is_drawn_within_the_figure(values: list[int], limit: int | None) -> None:
    lengths = Lengths()
    for value in values:
        lengths.add(value)
    buckets = lengths.histogram(48)
    read = Read(histogram(buckets, limit=limit, unit="tokens"))
    drawn = [float(value) for tag, name, value in read.attributes if tag == "rect" and name in ("x", "width")]
    assert all(0 <= value <= 720 for value in drawn)
    assert read.tags.count("rect") == len(buckets)
    inside = limit is not None and limit <= 2 * (buckets[-1].high + 1)
    assert ("cutoff_len" in "".join(read.texts)) == inside


def test_figures_without_anything() -> None:
    assert "no rows" in histogram([], limit=None, unit="tokens")
    assert "NaN" not in stacked({}) + bar(0, 0) + histogram([Bucket(0, 9, 1)], limit=None, unit="x")
