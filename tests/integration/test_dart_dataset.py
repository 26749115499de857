"""Filings become a dataset that trains, as the README says: fetched, built, checked, and learned from."""

from __future__ import annotations

import pytest

from millhand.dart.api import KEY_NAME, URL_NAME
from tests.dart_fake import KEY, FakeDart, corporation, listed, serving, zipped
from tests.integration.conftest import Bench
from tests.integration.test_readme import filings, typed
from tests.unit.documents.real import real
from tests.unit.documents.test_dart import report, table

pytestmark = pytest.mark.real
SAMSUNG, RECEIPT = "00126380", "20240312000736"
COVER = (
    '<COVER><TABLE><TBODY><TR><TU AUNIT="PERIODFROM" AUNITVALUE="20230101">시작</TU>'
    '<TU AUNIT="PERIODTO" AUNITVALUE="20231231">끝</TU></TR></TBODY></TABLE></COVER>'
)
CHAPTERS = ("회사의 개요", "사업의 내용", "재무에 관한 사항", "이사회에 관한 사항", "주주에 관한 사항")


def made_up() -> bytes:
    """A report of five short chapters."""
    text = (
        "<P>당사의 {0}에 관한 기준일은 2023년 12월 31일입니다. "
        "당사는 {0}을 매년 3월에 이사회에 보고하여야 합니다.</P>"
    )
    chapters = (
        f"<SECTION-1><TITLE>{number}. {name}</TITLE>{text.format(name)}"
        + table("<TD>(단위 : 백만원)</TD>", border=0)
        + table(
            "<TH>구분</TH><TH>제55기</TH><TH>제54기</TH>",
            f"<TD>{name} 비용</TD><TD>1,{number}00</TD><TD>1,000</TD>",
        )
        + "</SECTION-1>"
        for number, name in enumerate(CHAPTERS, 1)
    )
    return zipped({f"{RECEIPT}.xml": report(COVER + "".join(chapters))})


def sample(which: str) -> bytes:
    return made_up() if which == "made up" else real("dart/20240312000736.zip").read_bytes()


@pytest.mark.parametrize("which", ["made up", "real"])
def test_filings_become_a_dataset_that_trains(bench: Bench, which: str) -> None:
    dart = FakeDart(
        corporations=[corporation(SAMSUNG, "삼성전자", "005930")],
        filings=[listed(SAMSUNG, "삼성전자", "사업보고서 (2023.12)", RECEIPT)],
        documents={RECEIPT: sample(which)},
    )
    with serving(dart):
        printed = typed(filings("README.md"), bench.root, **{KEY_NAME: KEY, URL_NAME: dart.url})
    assert "filings: built" in printed["millhand data build filings"]
    assert list(bench.root.glob("dart/docs/*/2023/11011/*.md"))
    found = bench.answer("check", "filings")
    assert [finding for finding in found["findings"] if finding["severity"] == "error"] == []
    bench.configure(dataset="filings", cutoff_len=256, max_steps=6, save_steps=6)
    bench.call("train", "qa")
    assert bench.steps() == 6
