"""Nothing that comes out of a row, a file's name or a correction shows personal data on the page."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from millhand.datasets.built import SourceReport, StepReport
from millhand.datasets.report.facts import Ruler
from millhand.datasets.report.made import Failures, NotMade
from millhand.datasets.report.page import Report, make_report, render
from millhand.datasets.report.veil import for_page
from millhand.datasets.review.corrections import Correction, Wording
from millhand.datasets.steps.base import Sample, Tally
from millhand.errors import Finding
from tests.unit.datasets.review.conftest import Built, built, qa

__all__ = ["built"]
_PHONE = "010-1234-5678"
_RULER = Ruler(lambda record: len(record.answer), why="Lengths are in characters.")
_WAS = Wording("문은?", "닫는다")


def _sources(report: Report, path: str) -> Report:
    (source,) = report.built.sources
    file = msgspec.structs.replace(source.file, path=path)
    sources = (SourceReport(file, f"MIT {_PHONE}", 5),)
    return replace(report, built=msgspec.structs.replace(report.built, sources=sources))


def _step(report: Report, tally: Tally, **more: Any) -> Report:
    step = StepReport("generate", {"drop": [_PHONE]}, tally, **more)
    return replace(report, built=msgspec.structs.replace(report.built, steps=(step,)))


def _told(report: Report) -> Report:
    return _listed(report, NotMade("a:1/qa/1", "ungrounded", (f"{_PHONE} stands nowhere",)))


def _of_file(report: Report) -> Report:
    return _listed(report, NotMade(f"{_PHONE}-12345678:0001/qa/1", "number"))


def _listed(report: Report, line: NotMade) -> Report:
    return _step(replace(report, failures=Failures([line], 1)), Tally(1, 1))


def _licences(report: Report) -> Report:
    facts = replace(report.facts, licences=Counter([_PHONE]), generators=Counter([f"by {_PHONE}"]))
    return replace(report, facts=facts)


def _finding(report: Report) -> Report:
    found = Finding(id="x", severity="note", message="", file=f"{_PHONE}.csv", why=_PHONE, mend=_PHONE)
    return _step(report, Tally(1, 1), findings=(found,))


@pytest.mark.parametrize(
    "put",
    [
        lambda report: replace(report, corrections=[Correction("a", f"담당 {_PHONE}", _WAS, delete=True)]),
        lambda report: replace(report, corrections=[Correction("a", "1", _WAS, note=f"{_PHONE} 확인")]),
        lambda report: replace(report, corrections=[Correction(f"상담-{_PHONE}", "1", _WAS)]),
        _told,
        _of_file,
        lambda report: _sources(report, f"docs/상담_{_PHONE}.csv"),
        lambda report: _step(report, Tally(2, 1, samples=[Sample(f"{_PHONE}-12345678:0001", "near", "가")])),
        lambda report: _step(
            report, Tally(2, 1, samples=[Sample("a", "near", "가", same_as=f"{_PHONE}-1b12cd34:0001")])
        ),
        lambda report: _step(report, Tally(2, 1, dropped={f"pattern {_PHONE}": 1})),
        _licences,
        _finding,
        lambda report: replace(report, description=f"전화 {_PHONE}", licence=_PHONE),
    ],
)
def test_whatever_holds_a_number_shows_stars(built: Built, put: Any) -> None:
    built.build(qa(5))
    report = put(make_report(built.registry, "qa", _RULER))
    page = render(report)
    assert _PHONE not in page
    assert "***-****-****" in page


def test_what_is_no_personal_data_stays_as_it_is(built: Built) -> None:
    built.build(qa(5))
    report = make_report(built.registry, "qa", _RULER)
    assert for_page(report.built) == report.built
    assert for_page(report.facts.shown) == report.facts.shown
