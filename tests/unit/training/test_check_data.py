"""What the check says of files of rows: where, and what to write instead. The cases are in rows.json."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from millhand.documents.rows import BadRow
from millhand.errors import Finding
from millhand.training.check.csvfile import CsvRows
from millhand.training.check.dates import is_dated_name, is_iso, is_loose
from millhand.training.check.sarif import sarif
from millhand.training.check.twice import keys_twice
from millhand.workspace import Workspace
from tests.cases import check as made

ROW = {"instruction": "한국의 수도는?", "input": "", "output": "서울입니다."}
HEADER = "instruction,input,output\n"
BARE = {"instruction": "q", "output": "a"}
ALPACA = {"prompt": "instruction", "query": "input", "response": "output"}
SHAREGPT = {"formatting": "sharegpt", "columns": {"messages": "messages"}}
CHAT = [{"role": "user", "content": "안녕?"}, {"role": "assistant", "content": "네."}]


def said(workspace: Workspace, file: str, content: bytes | str, **entry: Any) -> list[Finding]:
    """The findings of one file, by its entry."""
    path = workspace.registry / file
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    made.write_info(workspace, {"case": {"file_name": file, **entry}})
    return made.check(workspace, "case").findings


def lines(*rows: Any) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


@pytest.mark.parametrize("file", ["a.jsonl", "spread.json", "array.json", "a.csv"])
def test_a_fault_of_a_row_has_file_and_line(workspace: Workspace, file: str) -> None:
    rows = [ROW, {**ROW, "output": ""}, {**ROW, "output": ""}]
    text = {
        "a.jsonl": lines(*rows),
        "spread.json": "\n".join(json.dumps(row, indent=1) for row in rows),
        "array.json": json.dumps(rows, indent=1),
        "a.csv": HEADER + '"질문\n둘째 줄",,답\n질문,,\n질문,,\n',
    }[file]
    wanted = {"a.jsonl": (2, 2), "spread.json": (6, 2), "array.json": (7, 2), "a.csv": (4, 3)}[file]
    (finding,) = said(workspace, file, text)
    assert (finding.line, finding.row) == wanted
    assert (finding.file, finding.column) == (f"dataset_registry/{file}", "output")
    place = sarif([finding])["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert place["region"] == {"startLine": wanted[0]}


def test_a_break_in_an_array_has_file_and_line(workspace: Workspace) -> None:
    (finding,) = said(workspace, "a.json", json.dumps([ROW, ROW], indent=1)[:-3])
    assert (finding.id, finding.file) == ("data.broken-json", "dataset_registry/a.json")
    assert finding.line == 11


def test_a_file_elsewhere_is_read(workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("away") / "rows.jsonl"
    path.write_text(lines(ROW, {**ROW, "output": ""}), encoding="utf-8")
    made.write_info(workspace, {"case": {"file_name": str(path)}})
    report = made.check(workspace, "case")
    assert report.rows == {"case": 2}
    assert [(f.id, f.file) for f in report.findings] == [("data.empty-answer", path.as_posix())]


@pytest.mark.parametrize(
    ("rows", "entry", "mend"),
    [
        ([{"messages": CHAT}], SHAREGPT, '"tags": {"role_tag": "role"'),
        ([{"messages": CHAT}], {}, '"formatting": "sharegpt", "columns": {"messages": "messages"}, "tags"'),
        ([{"conversations": [{"from": "human", "value": "a"}]}], {}, '{"messages": "conversations"}.'),
        ([BARE], {}, '"columns": {"prompt": "instruction", "response": "output"}'),
        ([BARE], {"columns": ALPACA}, 'Take "query" out'),
        ([{**BARE, "inputs": "x"}], {}, "Did you mean 'inputs'?"),
        ([{**BARE, " input": "x"}], {}, "There is ' input': take the blanks out."),
    ],
)
def test_a_missing_column_is_mended_by_what_is_there(
    workspace: Workspace, rows: list[Any], entry: dict[str, Any], mend: str
) -> None:
    (finding,) = said(workspace, "a.jsonl", lines(*rows), **entry)
    assert finding.id == "data.missing-column"
    assert mend in finding.mend


def test_broken_lines_are_told_as_such_and_not_as_missing_columns(workspace: Workspace) -> None:
    (finding,) = said(workspace, "a.jsonl", lines(ROW, ROW).encode("cp949"))
    assert (finding.id, finding.line) == ("data.not-utf8", 1)
    assert "cp949" in finding.mend
    (finding,) = said(workspace, "b.jsonl", lines(ROW).replace("}", "},") * 2)
    assert (finding.id, finding.line) == ("data.broken-row", 1)
    text = lines({"question": "q"}) + '{"question"\n'
    assert [f.id for f in said(workspace, "c.jsonl", text)][-1] == "data.broken-row"


def test_a_csv_is_told_to_be_saved_otherwise(workspace: Workspace) -> None:
    (finding,) = said(workspace, "a.csv", HEADER + "질문,,N/A\n질문,,답\n")
    assert (finding.id, finding.row) == ("data.no-answer", 2)
    assert "data add" in finding.mend
    (finding,) = said(workspace, "b.csv", (HEADER + "질문,,답\n").replace(",", "\t"))
    assert "parted by tabs" in finding.message
    (finding,) = said(workspace, "c.csv", HEADER + '질문,,"답\n')
    assert "quote" in finding.message


def test_the_first_rows_of_a_csv_settle_what_a_column_is(workspace: Workspace) -> None:
    rows = [f"질문 {n},{'글' if n == 10_000 else ''},답\n" for n in range(10_001)]
    assert [f.id for f in said(workspace, "a.csv", HEADER + "".join(rows))] == ["data.mixed-types"]
    rows = [f"질문 {n},,{n if n >= 10_000 else '답'}\n" for n in range(10_002)]
    assert said(workspace, "b.csv", HEADER + "".join(rows)) == []


def test_dates_name_the_column(workspace: Workspace) -> None:
    dated = {**ROW, "output": "2024-01-01"}
    (finding,) = said(workspace, "a.jsonl", lines(dated, dated))
    assert (finding.id, finding.column, finding.severity) == ("data.dates", "output", "error")
    assert said(workspace, "b.jsonl", lines(dated, ROW)) == []
    columns = {"prompt": "instruction", "query": "input", "response": "date"}
    rows = [{"instruction": "q", "input": "", "date": "2024-01-01"}] * 2
    (finding,) = said(workspace, "c.json", json.dumps(rows), columns=columns)
    assert (finding.id, finding.column) == ("data.dates", "date")
    assert "by the name" in finding.mend


@pytest.mark.parametrize(
    ("times", "dated"),
    [
        (["2024-01-01", "2024-01-02 10:00"], True),
        (["2024-01-01T10:00:00Z", "2024-01-02T10:00:00Z"], True),
        (["2024-01-01T10:00:00", "2024-01-02T10:00:00Z"], False),
        (["2024-01-01T10:00:00Z", "2024-01-02T10:00:00+09:00"], False),
    ],
)
def test_times_of_several_zones_stay_text_in_an_array(
    workspace: Workspace, times: list[str], dated: bool
) -> None:
    rows = [{"instruction": "질문", "input": "", "output": "답", "created_at": time} for time in times]
    columns = {"prompt": "instruction", "query": "input", "response": "created_at"}
    found = [f.id for f in said(workspace, "a.json", json.dumps(rows), columns=columns)]
    assert ("data.dates" in found) == dated


def test_dates_and_keys_in_parts_of_a_file_are_put_together(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("millhand.training.check.scan._PART", 4000)
    monkeypatch.setattr("millhand.training.check.scan.os.cpu_count", lambda: 1)
    dated = {**ROW, "output": "2024-01-01"}
    assert [f.id for f in said(workspace, "a.jsonl", lines(*[dated] * 200))] == ["data.dates"]
    assert said(workspace, "b.jsonl", lines(*[dated] * 200, ROW)) == []
    twice = '{"instruction": "q", "input": "", "output": "a", "input": "b"}\n'
    found = said(workspace, "c.jsonl", lines(*[ROW] * 5) + twice)
    assert [(f.id, f.line) for f in found] == [("data.key-twice", 6)]


def test_a_key_that_stands_twice_in_the_registry_is_warned_of(workspace: Workspace) -> None:
    (workspace.registry / "a.jsonl").write_text(lines(ROW), encoding="utf-8")
    columns = '"columns": {"prompt": "instruction", "query": "input", "response": "output", "query": "x"}'
    entry = f'{{"file_name": "a.jsonl",\n {columns.replace(chr(34) + "x", chr(34) + "input")}}}'
    text = f'{{"case": {{"file_name": "b.jsonl"}},\n"case": {entry}}}'
    (workspace.registry / "dataset_info.json").write_text(text, encoding="utf-8")
    found = made.check(workspace, "case").findings
    assert [(f.id, f.severity, f.line) for f in found] == [("data.key-twice", "warning", 2)]
    (workspace.registry / "dataset_info.json").write_text(f'{{"case": {entry}}}', encoding="utf-8")
    found = made.check(workspace, "case").findings
    assert [(f.id, f.severity, f.line) for f in found] == [("data.key-twice", "warning", 2)]
    assert "'query'" in found[0].message


@pytest.mark.parametrize(
    ("folder", "why"),
    [
        ("ONLINE", "names of datasets for repositories of the Hub"),
        ("REMOTE:a/b", "dataset_info.json of a/b on the Hub"),
        ("data", "read data/dataset_info.json"),
    ],
)
def test_it_says_what_stands_in_place_of_the_registry(workspace: Workspace, folder: str, why: str) -> None:
    made.furnish(workspace)
    made.write_project(workspace, "train", made.changed("train", {"dataset_dir": folder}))
    (finding,) = [f for f in made.check(workspace).findings if f.id == "train.dataset-dir"]
    assert why in finding.why


def test_a_file_that_cannot_be_read_is_an_error_however_few_rows_are_looked_at(workspace: Workspace) -> None:
    made.furnish(workspace)
    (workspace.registry / "a.csv").write_text(HEADER + "q,,a\nq,,b,c\n", encoding="utf-8")
    made.write_info(workspace, {"case": {"file_name": "a.csv", "num_samples": 1}})
    made.write_project(workspace, "train", made.changed("train", {"dataset": "case", "max_samples": 1}))
    found = [(f.id, f.severity) for f in made.check(workspace).findings if f.file.endswith(".csv")]
    assert found == [("data.ragged-row", "error")]


def test_texts_to_pre_train_on_that_cannot_be_read_are_told(workspace: Workspace) -> None:
    made.furnish(workspace)
    (workspace.registry / "a.txt").write_bytes("글\n".encode("cp949"))
    made.write_info(workspace, {"case": {"file_name": "a.txt", "columns": {"prompt": "text"}}})
    change = {"dataset": "case", "stage": "pt", "cutoff_len": 32}
    made.write_project(workspace, "train", made.changed("train", change))
    assert made.harmful(made.check(workspace)) == ["data.not-utf8"]


def test_ranking_is_no_text(workspace: Workspace) -> None:
    found = said(workspace, "a.jsonl", lines(ROW), ranking="false")
    assert (found[0].id, found[0].severity) == ("data.broken-entry", "warning")


@given(st.dates(), st.sampled_from(["", " 10:00", "T10", "T10:00:00Z", " 10:00:00+09:00", "T23:59:59-0930"]))
def test_dates_as_arrow_reads_them(day: date, rest: str) -> None:
    assert is_iso(f"{day.isoformat()}{rest}")
    assert not is_iso(f"{day.isoformat()}{rest}.")
    assert not is_iso(f"{day:%Y/%m/%d}{rest}")
    assert is_loose(f"{day.isoformat()}")
    assert not is_loose(f"{day.year:04}-02-30")


def test_what_is_no_date() -> None:
    for text in (
        "2023-02-29",
        "2024-13-01",
        "2024-01-01T24:00",
        "2024-01",
        "20240101",
        "",
        "서울",
        "2024-01-01Z",
    ):
        assert not is_iso(text)
    names = ("date", "Date", "created_at", "start_time", "timestamp2", "modified")
    assert all(map(is_dated_name, names))
    assert not any(map(is_dated_name, ("update", "output", "dates")))


@given(st.recursive(st.none() | st.text(), lambda inner: st.dictionaries(st.text(), inner) | st.lists(inner)))
def test_keys_of_what_json_writes_stand_once(value: Any) -> None:
    assert keys_twice(json.dumps(value)) == []


def test_keys_that_stand_twice_are_named() -> None:
    assert keys_twice('{"a": 1, "b": [{"c": 1, "c": 2}], "a": 3}') == ["c", "a"]
    assert keys_twice("{") == []


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("a,b\n1,x\n2,y\n", [{"a": 1.0, "b": "x"}, {"a": 2.0, "b": "y"}]),
        ("a,b\nNA,True\n,false\n", [{"a": None, "b": True}, {"a": None, "b": False}]),
        ("a, b\n x ,y\n", [{"a": " x ", " b": "y"}]),
        ("a,b\n1,x\nz,y\n", [{"a": "1", "b": "x"}, {"a": "z", "b": "y"}]),
        ("a,a,\n1_0,5%,0x1\n", [{"a": "1_0", "a.1": "5%", "Unnamed: 2": "0x1"}]),
        ("a,b\n0,x,y\n1,z,w\n", [{"a": "x", "b": "y"}, {"a": "z", "b": "w"}]),
        ('a,b\n\n  \n"x\ny","p ""q"" r"\n', [{"a": "x\ny", "b": 'p "q" r'}]),
        ("a,b\nx\n", [{"a": "x", "b": None}]),
        ("a,b\rx,y\r", [{"a": "x", "b": "y"}]),
        ("\ufeffa,b\r\nx,inf\r\n", [{"a": "x", "b": float("inf")}]),
        ("a,b\nx,y,z\nx,y,z,w\n", [{"a": "y", "b": "z"}, "data.ragged-row"]),
        ('a,b\nx,"y\n', ["data.open-quote"]),
    ],
)
def test_a_csv_is_read_as_pandas_reads_it(tmp_path: Path, text: str, rows: list[Any]) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode())
    found = [item.finding.id if isinstance(item, BadRow) else item.values for item in CsvRows(path)]
    assert found == rows


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
NAMES = (
    "instruction",
    "input",
    "output",
    "messages",
    "history",
    "tools",
    "images",
    "tool_calls",
    "role",
    "content",
)
MEMBERS = (
    "prompt",
    "query",
    "response",
    "history",
    "messages",
    "system",
    "tools",
    "images",
    "chosen",
    "kto_tag",
)
MESSAGE = st.dictionaries(
    st.sampled_from(["role", "content", "tool_calls", "from", "value"]), ODD, max_size=3
)
VALUE = ODD | st.lists(MESSAGE, max_size=3)
ENTRY = st.fixed_dictionaries(
    {},
    optional={
        "columns": ODD | st.dictionaries(st.sampled_from(MEMBERS), ODD | st.sampled_from(NAMES)),
        "tags": ODD | st.dictionaries(st.sampled_from(["role_tag", "content_tag", "user_tag"]), ODD),
        "formatting": st.sampled_from(["alpaca", "sharegpt", "openai"]) | ODD,
        "ranking": st.booleans() | ODD,
        "num_samples": ODD,
        "split": ODD,
    },
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(
    entry=ENTRY, rows=st.lists(st.dictionaries(st.sampled_from(NAMES), VALUE, max_size=4) | ODD, max_size=3)
)
def test_no_entry_and_no_rows_break_the_check(
    workspace: Workspace, entry: dict[str, Any], rows: list[Any]
) -> None:
    said(workspace, "a.jsonl", lines(*rows), **entry)
    said(workspace, "a.json", json.dumps(rows), **entry)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(
    ending=st.sampled_from(["csv", "json", "jsonl", "txt", "arrow", "parquet"]),
    content=st.binary(max_size=40) | st.text('a1,;"\n[]{}: ', max_size=40).map(str.encode),
)
def test_no_bytes_break_the_check(workspace: Workspace, ending: str, content: bytes) -> None:
    said(workspace, f"a.{ending}", content)
