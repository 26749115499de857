from datetime import date, timedelta
from pathlib import Path

import pytest

from millhand.dart.answers import Corporation, read_corporations
from millhand.dart.corporations import FILE, OLD_AFTER, Directory, Match, find_corporation, name_key
from tests.unit.documents.real import real

TODAY = date(2024, 5, 1)
ROWS = (
    Corporation("00126380", "삼성전자", "005930", "20240401"),
    Corporation("00500001", "에스엠", "041510", "20100101"),
    Corporation("00500002", "에스엠", "", "20200101"),
    Corporation("00600001", "신우", "", "20170630"),
    Corporation("00600002", "신우", "", "20170630"),
    Corporation("00700001", "가나", "", "20170630"),
    Corporation("00700002", "가나", "", "20180630"),
    Corporation("00800001", "삼성전자서비스", "", "20200101"),
    Corporation("00900001", "LG", "003550", "20200101"),
)


def find(query: str) -> Match:
    return find_corporation(query, ROWS)


@pytest.mark.parametrize(
    "query",
    ["삼성전자", "(주)삼성전자", "삼성전자 주식회사", "㈜ 삼성 전자", "00126380", "005930", " 삼성전자 "],
)
def test_name_code_and_stock_code_mean_the_same(query: str) -> None:
    match = find(query)
    assert match.corporation == ROWS[0]
    assert match.finding is None


def test_decomposed_hangul_and_small_letters_are_found() -> None:
    import unicodedata

    assert find(unicodedata.normalize("NFD", "삼성전자")).corporation == ROWS[0]
    assert find("lg").corporation == ROWS[-1]


def test_a_listed_corporation_is_preferred_and_said() -> None:
    match = find("에스엠")
    assert match.corporation == ROWS[1]
    assert match.finding is not None
    assert match.finding.severity == "note"
    assert "00500002" in match.finding.mend


def test_then_the_one_changed_last_with_a_warning() -> None:
    match = find("가나")
    assert match.corporation == ROWS[6]
    assert match.finding is not None
    assert match.finding.severity == "warning"


def test_a_tie_is_asked_back() -> None:
    match = find("신우")
    assert match.corporation is None
    assert match.finding is not None
    assert match.finding.id == "dart.ambiguous-name"
    assert "00600001" in match.finding.mend
    assert "00600002" in match.finding.mend


def test_an_unknown_name_gets_the_nearest() -> None:
    match = find("삼성전지")
    assert match.corporation is None
    assert match.finding is not None
    assert match.finding.mend.startswith("Did you mean 삼성전자 (00126380, stock 005930)")
    nothing = find("12345678").finding
    assert nothing is not None
    assert "Look it up" in nothing.mend


def test_a_name_of_a_form_alone_means_nobody() -> None:
    assert name_key("주식회사") == ""
    assert find("주식회사").corporation is None


def test_the_table_is_fetched_once_a_month_and_again_for_an_unknown_name(tmp_path: Path) -> None:
    calls: list[int] = []

    def fetch() -> tuple[Corporation, ...]:
        calls.append(1)
        return ROWS if len(calls) == 1 else (*ROWS, Corporation("00999999", "새회사", "", "20240501"))

    assert Directory(tmp_path, fetch, TODAY).find(["삼성전자", "새회사"])[1].corporation is None
    assert len(calls) == 1
    assert Directory(tmp_path, fetch, TODAY).find(["새회사"])[0].corporation is None
    assert len(calls) == 1
    later = Directory(tmp_path, fetch, TODAY + timedelta(days=1))
    assert [match.corporation is not None for match in later.find(["삼성전자", "새회사"])] == [True, True]
    assert len(calls) == 2
    Directory(tmp_path, fetch, TODAY + OLD_AFTER).find(["삼성전자"])
    assert len(calls) == 2
    Directory(tmp_path, fetch, TODAY + OLD_AFTER + timedelta(days=2)).find(["삼성전자"])
    assert len(calls) == 3


def test_a_broken_table_on_disk_is_fetched_anew(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b'{"fetched": "2024')
    assert Directory(tmp_path, lambda: ROWS, TODAY).find(["005930"])[0].corporation == ROWS[0]


def test_the_real_table_knows_the_listed_one_of_eleven() -> None:
    rows = read_corporations(real("dart/corpCode.zip").read_bytes())
    listed = find_corporation("에스엠", rows)
    assert listed.corporation is not None
    assert listed.corporation.stock_code == "041510"
    samsung = find_corporation("삼성전자", rows).corporation
    assert samsung is not None
    assert samsung.corp_code == "00126380"
    unknown = find_corporation("삼성전쟈", rows).finding
    assert unknown is not None
    assert "삼성전자 (00126380" in unknown.mend
