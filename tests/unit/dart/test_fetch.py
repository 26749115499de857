import json
from datetime import date
from pathlib import Path

import pytest

from millhand.dart import fetch as module
from millhand.dart.api import OpenDart
from millhand.dart.catalogue import Filing, read_catalogue
from millhand.dart.fetch import Fetched, Order, fetch
from tests.dart_fake import FakeDart, listed
from tests.unit.dart.conftest import HYNIX, SAMSUNG

TODAY = date(2024, 5, 1)
ALL = ("annual", "half", "q1", "q3")
YEAR_2023 = ["20230515001000", "20230814000111", "20231114000222", "20240312000736"]


def order(*corporations: str, years: range = range(2023, 2024), **more: object) -> Order:
    return Order(corporations or ("삼성전자",), years, ALL, TODAY, **more)  # type: ignore[arg-type]


def lines(out: Path, year: int) -> list[dict[str, object]]:
    return [json.loads(line) for line in (out / f"catalogue/{year}.jsonl").read_text().splitlines()]


def test_the_reports_of_a_year_are_fetched_as_they_are(api: OpenDart, fake: FakeDart, tmp_path: Path) -> None:
    done = fetch(api, order(), tmp_path)
    assert [filing.rcept_no for filing in done.filings] == YEAR_2023
    assert (done.fetched, done.standing, done.due, done.stopped, done.findings) == (4, 0, 0, None, [])
    for number in YEAR_2023:
        assert (tmp_path / f"raw/{SAMSUNG}/{number}.zip").read_bytes() == fake.documents[number]
    told = lines(tmp_path, 2023)
    assert [(row["report"], row["reprt_code"], row["month"]) for row in told] == [
        ("q1", "11013", 3),
        ("half", "11012", 6),
        ("q3", "11014", 9),
        ("annual", "11011", 12),
    ]
    assert {row["state"] for row in told} == {"fetched"}
    assert fake.paths() == ["corpCode.xml", "list.json", *["document.xml"] * 4]


def test_a_second_call_fetches_nothing(api: OpenDart, fake: FakeDart, tmp_path: Path) -> None:
    fetch(api, order(), tmp_path)
    before = (tmp_path / "catalogue/2023.jsonl").read_bytes()
    fake.asked.clear()
    done = fetch(api, order(), tmp_path)
    assert (done.fetched, done.standing) == (0, 4)
    assert fake.paths() == ["list.json"]
    assert (tmp_path / "catalogue/2023.jsonl").read_bytes() == before


def test_more_years_and_corporations_join_the_catalogue(
    api: OpenDart, fake: FakeDart, tmp_path: Path
) -> None:
    fetch(api, order(), tmp_path)
    fetch(api, order("SK하이닉스", HYNIX, years=range(2021, 2024)), tmp_path)
    fetch(api, order(years=range(2021, 2023)), tmp_path)
    assert [row["corp_code"] for row in lines(tmp_path, 2023)] == [SAMSUNG] * 4 + [HYNIX]
    assert len(lines(tmp_path, 2021)) == len(lines(tmp_path, 2022)) == 1
    assert len(fake.fetched()) == len(set(fake.fetched())) == 7


def test_it_stops_at_the_limit_and_goes_on(api: OpenDart, fake: FakeDart, tmp_path: Path) -> None:
    fake.limit = 4
    done = fetch(api, order(), tmp_path)
    assert done.stopped is not None
    assert done.stopped.status == "020"
    assert (done.fetched, done.due) == (2, 2)
    assert [row["state"] for row in lines(tmp_path, 2023)] == ["fetched", "fetched", "due", "due"]
    fake.limit = 1000
    again = fetch(api, order(), tmp_path)
    assert (again.fetched, again.standing, again.due) == (2, 2, 0)
    answered = [number for number in fake.fetched() if number in YEAR_2023]
    assert sorted(answered) == sorted([*YEAR_2023, YEAR_2023[2]])  # the one that was refused, again


def test_a_crash_loses_nothing_and_leaves_no_half(
    api: OpenDart, fake: FakeDart, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(what: str, number: int, of: int) -> None:
        if what.endswith("(2023.09)"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(api, order(), tmp_path, progress=crash)
    assert [row["state"] for row in lines(tmp_path, 2023)] == ["fetched", "fetched", "due", "due"]
    monkeypatch.setattr(module, "_note", lambda *_: None)  # killed: not even the catalogue was written
    (tmp_path / "catalogue/2023.jsonl").unlink()
    fetch(api, order(), tmp_path)
    assert sorted(fake.fetched()) == YEAR_2023
    monkeypatch.undo()
    assert fetch(api, order(), tmp_path).standing == 4
    assert len(lines(tmp_path, 2023)) == 4


def test_a_file_that_is_no_whole_zip_is_not_taken_for_one(
    api: OpenDart, fake: FakeDart, tmp_path: Path
) -> None:
    fetch(api, order(), tmp_path)
    half = tmp_path / f"raw/{SAMSUNG}/{YEAR_2023[0]}.zip"
    half.write_bytes(half.read_bytes()[:-30])
    fake.asked.clear()
    fetch(api, order(), tmp_path)
    assert fake.fetched() == [YEAR_2023[0]]
    assert half.read_bytes() == fake.documents[YEAR_2023[0]]


@pytest.mark.parametrize("fault", ["cut", "cut-quietly"])
def test_a_cut_answer_leaves_no_file(api: OpenDart, fake: FakeDart, tmp_path: Path, fault: str) -> None:
    fake.faults = [("document.xml", fault)] * 5
    done = fetch(api, order(), tmp_path)
    assert done.stopped is not None
    assert list((tmp_path / "raw").rglob("*")) == [] if (tmp_path / "raw").exists() else True
    assert fetch(api, order(), tmp_path).fetched == 4


def test_a_filing_without_a_file_is_listed_and_the_rest_goes_on(
    api: OpenDart, fake: FakeDart, tmp_path: Path
) -> None:
    del fake.documents[YEAR_2023[1]]
    done = fetch(api, order(), tmp_path)
    assert (done.fetched, done.due) == (3, 0)
    assert [finding.id for finding in done.findings] == ["dart.no-file"]
    assert [row["state"] for row in lines(tmp_path, 2023)] == ["fetched", "no-file", "fetched", "fetched"]


def test_who_is_unknown_or_files_nothing_is_listed_and_the_rest_goes_on(
    api: OpenDart, fake: FakeDart, tmp_path: Path
) -> None:
    done = fetch(api, order("삼성전지", "신우", "다코", "SK하이닉스"), tmp_path)
    assert [finding.id for finding in done.findings] == [
        "dart.unknown-corporation",
        "dart.ambiguous-name",
        "dart.no-reports",
    ]
    assert done.fetched == 1
    assert all(finding.why and finding.mend for finding in done.findings)


def test_a_dry_run_fetches_and_writes_nothing(api: OpenDart, fake: FakeDart, tmp_path: Path) -> None:
    done = fetch(api, order(dry_run=True), tmp_path)
    assert [filing.state for filing in done.filings] == ["due"] * 4
    assert "document.xml" not in fake.paths()
    assert not (tmp_path / "catalogue").exists()


def test_what_a_later_report_corrects_is_fetched_only_on_request(
    api: OpenDart, fake: FakeDart, tmp_path: Path
) -> None:
    assert fetch(api, order(last_only=False), tmp_path).fetched == 5
    assert (tmp_path / f"raw/{SAMSUNG}/20240311000001.zip").is_file()


def test_a_quarter_that_is_not_sure_is_told(api: OpenDart, fake: FakeDart, tmp_path: Path) -> None:
    fake.filings = [listed("00434003", "다코", "분기보고서 (2023.06)", "20230814000001")]
    done = fetch(api, order("다코"), tmp_path)
    assert [finding.id for finding in done.findings] == ["dart.unclear-quarter", "dart.no-reports"]


def test_a_receipt_number_that_is_none_makes_no_path(api: OpenDart, fake: FakeDart, tmp_path: Path) -> None:
    fake.filings = [
        listed(SAMSUNG, "삼성전자", "사업보고서 (2023.12)", "20240312000736") | {"rcept_no": "../../x"}
    ]
    assert fetch(api, order(), tmp_path).filings == []


def test_broken_lines_of_a_catalogue_are_written_anew(api: OpenDart, tmp_path: Path) -> None:
    fetch(api, order(), tmp_path)
    path = tmp_path / "catalogue/2023.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-40] + b"\n\n")
    assert len(read_catalogue(tmp_path)) == 3
    done = fetch(api, order(), tmp_path)
    assert isinstance(done, Fetched)
    assert path.read_bytes() == whole
    assert all(isinstance(filing, Filing) for filing in read_catalogue(tmp_path).values())


def test_corporations_that_were_not_looked_up_are_counted(
    api: OpenDart, fake: FakeDart, tmp_path: Path
) -> None:
    fake.limit = 2
    done = fetch(api, order("삼성전자", "SK하이닉스", "다코"), tmp_path)
    assert done.stopped is not None
    assert (done.unlisted, done.due) == (2, 4)
    fake.limit = 1
    again = fetch(api, order("다코"), tmp_path)
    assert again.unlisted == 1
