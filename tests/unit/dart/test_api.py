import logging
import re
from datetime import date
from pathlib import Path

import pytest

from millhand.dart.answers import read_corporations, read_list, read_refusal
from millhand.dart.api import KEY_NAME, PACE_S, URL_NAME, OpenDart, open_dart
from millhand.dart.statuses import AskAgainError, DartError, ItemError, status_of
from millhand.errors import UsageError
from millhand.shell import Secret
from millhand.workspace import Workspace
from tests.dart_fake import KEY, FakeDart, listed, zipped
from tests.unit.dart.conftest import SAMSUNG, Clock
from tests.unit.documents.real import real

RECEIPT = "20240312000736"


def test_every_page_of_a_list_is_read(api: OpenDart, fake: FakeDart) -> None:
    fake.filings = [
        listed(SAMSUNG, "삼성전자", "사업보고서 (2023.12)", f"202403{n // 99 + 1:02}{n:06}")
        for n in range(250)
    ]
    found = api.filings(SAMSUNG, date(2024, 1, 1), date(2024, 12, 31))
    assert len({filing.rcept_no for filing in found}) == 250
    assert [query["page_no"] for _, query in fake.asked] == ["1", "2", "3"]
    assert fake.asked[0][1]["last_reprt_at"] == "Y"


def test_requests_are_at_least_a_fifth_of_a_second_apart(api: OpenDart, clock: Clock) -> None:
    for _ in range(4):
        api.document(RECEIPT)
    assert clock.slept == pytest.approx([PACE_S] * 3)
    clock.now_s += 10
    api.document(RECEIPT)
    assert len(clock.slept) == 3


@pytest.mark.parametrize("fault", ["cut", "cut-quietly", "503", "800", "900"])
def test_what_may_pass_is_asked_again(api: OpenDart, fake: FakeDart, clock: Clock, fault: str) -> None:
    fake.faults = [("document.xml", fault)] * 2
    told: list[str] = []
    api.tell = told.append
    assert api.document(RECEIPT) == fake.documents[RECEIPT]
    assert len(fake.asked) == 3
    factor = 5 if fault == "800" else 1
    assert [round(s) for s in clock.slept if s >= 1] == [1 * factor, 2 * factor]
    assert len(told) == 2
    assert all("Asking again in" in line for line in told)


def test_what_does_not_pass_is_an_error_that_says_how_to_go_on(api: OpenDart, fake: FakeDart) -> None:
    fake.faults = [("document.xml", "cut")] * 5
    with pytest.raises(AskAgainError, match=r"did not answer document\.xml of 2024") as caught:
        api.document(RECEIPT)
    assert "same command" in caught.value.mend
    assert api.document(RECEIPT)


@pytest.mark.parametrize("status", ["010", "011", "012", "020", "101", "901"])
@pytest.mark.parametrize("path", ["document.xml", "list.json", "corpCode.xml"])
def test_a_status_that_stops_is_not_asked_again(
    api: OpenDart, fake: FakeDart, status: str, path: str
) -> None:
    fake.faults = [(path, status)]
    ask = {
        "document.xml": lambda: api.document(RECEIPT),
        "list.json": lambda: api.filings(SAMSUNG, date(2024, 1, 1), date(2024, 2, 1)),
        "corpCode.xml": lambda: api.corporations(),
    }[path]
    with pytest.raises(DartError) as caught:
        ask()
    assert caught.value.status == status
    assert not isinstance(caught.value, AskAgainError | ItemError)
    assert status_of(status).meaning in caught.value.message
    assert caught.value.mend
    assert len(fake.asked) == 1


def test_a_filing_without_a_file_is_an_error_of_that_filing(api: OpenDart) -> None:
    with pytest.raises(ItemError, match="has no file") as caught:
        api.document("20200101000000")
    assert caught.value.status == "014"


def test_no_data_is_an_empty_list(api: OpenDart) -> None:
    assert api.filings("00434003", date(2024, 1, 1), date(2024, 2, 1)) == []


@pytest.mark.parametrize("fault", ["html", "404"])
def test_what_nobody_expected_is_shown_without_the_key(api: OpenDart, fake: FakeDart, fault: str) -> None:
    fake.faults = [("document.xml", fault)]
    with pytest.raises(DartError) as caught:
        api.document(RECEIPT)
    assert KEY not in str(caught.value)
    assert "document.xml" in caught.value.message


def test_a_wrong_key_is_told(fake: FakeDart, clock: Clock) -> None:
    with OpenDart(fake.url, Secret("f" * 40)) as api, pytest.raises(DartError) as caught:
        api.document(RECEIPT)
    assert caught.value.status == "010"
    assert "DART_API_KEY" in caught.value.mend


def test_the_key_reaches_no_log_and_no_error(
    api: OpenDart, fake: FakeDart, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    fake.faults = [("document.xml", "cut"), ("document.xml", "503")]
    api.document(RECEIPT)
    fake.faults = [("document.xml", "cut")] * 5
    with pytest.raises(DartError) as caught:
        api.document(RECEIPT)
    assert "crtfc_key=" in caplog.text  # httpx does log: the test can fail
    for text in (caplog.text, str(caught.value), repr(caught.value), repr(api)):
        assert KEY not in text
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_the_key_is_not_sent_in_the_clear() -> None:
    with pytest.raises(UsageError, match="https"):
        OpenDart("http://opendart.fss.or.kr/api", Secret(KEY))


@pytest.mark.parametrize("key", ["short", "가" * 40, "a" * 41, f"{'a' * 39} "])
def test_a_key_that_is_none_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(UsageError) as caught:
        OpenDart("https://opendart.fss.or.kr/api", Secret(key))
    assert key not in str(caught.value)


def test_key_and_address_come_from_dotenv(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY_NAME, raising=False)
    monkeypatch.delenv(URL_NAME, raising=False)
    with pytest.raises(UsageError, match="DART_API_KEY is not set"):
        open_dart()
    env = workspace.root / ".env"
    env.write_text(f"{KEY_NAME}={KEY}\n{URL_NAME}=http://127.0.0.1:1/api/\n", encoding="utf-8")
    made = open_dart()
    assert (made.url, made.key) == ("http://127.0.0.1:1/api", Secret(KEY))


def test_without_a_workspace_the_environment_is_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(KEY_NAME, KEY)
    monkeypatch.delenv(URL_NAME, raising=False)
    made = open_dart()
    assert made.url == "https://opendart.fss.or.kr/api"
    assert KEY not in repr(made)


def test_refusals_are_read_as_xml_and_json() -> None:
    error = read_refusal(b"<result>\n <status> 014 </status><message>\n no\n file</message></result>", "x")
    assert (error.status, '("no file")' in error.message) == ("014", True)
    with pytest.raises(DartError) as caught:
        read_list('{"status":"020","message":"한도"}'.encode(), "list")
    assert caught.value.status == "020"
    with pytest.raises(DartError, match="another shape") as changed:
        read_list(b'{"status":"000","list":[{"corp_code":1}]}', "list")
    assert not isinstance(changed.value, AskAgainError)
    with pytest.raises(AskAgainError, match="cut off"):
        read_list(b'{"status":', "list")
    assert read_refusal(b"", "x").message.endswith("(nothing)")
    assert "not known" in read_refusal(b"<status>777</status>", "x").message


def test_real_answers_are_read() -> None:
    page = read_list(real("dart/list_json_samsung_2023.json").read_bytes(), "list")
    assert [filing.rcept_no for filing in page.filings] == ["20240516001421", RECEIPT]
    assert (page.page, page.pages) == (1, 1)
    rows = read_corporations(real("dart/corpCode.zip").read_bytes())
    assert len(rows) == 118_145
    assert sum(row.corp_name == "에스엠" for row in rows) == 11


@pytest.mark.parametrize(
    "content", [b"PK\x03\x04 no zip", zipped({"CORPCODE.xml": "<result><list>"}), zipped({})]
)
def test_a_broken_table_of_corporations_is_told(content: bytes) -> None:
    with pytest.raises(AskAgainError):
        read_corporations(content)


def test_every_status_is_in_the_docs() -> None:
    page = (Path(__file__).parents[3] / "docs" / "dart.md").read_text(encoding="utf-8")
    table = page.split("| status |")[1].split("\n\n")[0]
    told = {code for line in table.splitlines() for code in re.findall(r"\b\d{3}\b", line.split("|")[1])}
    codes = {f"{number:03}" for number in range(1000)}
    assert told == {code for code in codes if status_of(code).meaning != "a status that is not known"}
