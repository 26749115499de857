"""Tables of every kind: the same rows out of each, numbered as a person sees them, and their faults."""

from __future__ import annotations

import contextlib
import csv
import datetime as dt
import json
import struct
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from millhand.documents.rows import BadRow, CellError, Row
from millhand.documents.spreadsheet import cell_text
from millhand.documents.tables import open_rows, whole_rows
from millhand.errors import FindingsError, MillhandError, UsageError
from millhand.text.normal import clean_cell

CASES = Path(__file__).parents[2] / "cases" / "data"
_TABLE = [["질문", "답변"], ["가?", "나."], ["다?", "라."]]
_ROWS = [Row(2, {"질문": "가?", "답변": "나."}), Row(3, {"질문": "다?", "답변": "라."})]


def write_csv(
    path: Path, table: Sequence[Sequence[str]], encoding: str = "utf-8", delimiter: str = ","
) -> Path:
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows(table)
    return path


def write_xlsx(path: Path, table: Sequence[Sequence[object]], *, at: tuple[int, int] = (1, 1)) -> Path:
    book = openpyxl.Workbook()
    for r, row in enumerate(table):
        for c, value in enumerate(row):
            book.active.cell(at[0] + r, at[1] + c).value = value
    book.save(path)
    return path


def finding_of(path: Path, **options: str) -> tuple[str, str, int | None, str | None]:
    with pytest.raises(FindingsError) as caught:
        list(open_rows(path, **options).items)
    finding = caught.value.findings[0]
    assert finding.file == path.name
    assert finding.why
    assert finding.mend
    return finding.id.removeprefix("data."), finding.message, finding.row, finding.column


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
def test_csv_in_every_encoding_and_with_every_delimiter(
    tmp_path: Path, encoding: str, delimiter: str
) -> None:
    file = open_rows(write_csv(tmp_path / "qa.csv", _TABLE, encoding, delimiter))
    assert file.columns == ("질문", "답변")
    assert list(file.items) == _ROWS


def test_tsv_keeps_its_commas(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "qa.TSV", [["a,b,c", "d"], ["1", "2"]], delimiter="\t")
    assert list(open_rows(path).items) == [Row(2, {"a,b,c": "1", "d": "2"})]


def test_rows_are_numbered_as_a_spreadsheet_shows_them(tmp_path: Path) -> None:
    path = tmp_path / "qa.csv"
    path.write_text('\n질문,답변\n"두\n줄",나\n\n , \n다,라\n', encoding="utf-8")
    assert [(row.number, row.values["질문"]) for row in open_rows(path).items if isinstance(row, Row)] == [
        (3, "두\n줄"),
        (6, "다"),
    ]


_CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


@settings(deadline=None)
@given(st.lists(st.tuples(_CELL, _CELL), min_size=1, max_size=8))
def test_what_csv_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, table: list[tuple[str, str]]
) -> None:
    path = write_csv(tmp_path_factory.mktemp("c") / "a.csv", [("질문", "답변"), *table])
    kept = [
        (number, {"질문": clean_cell(a), "답변": clean_cell(b)})
        for number, (a, b) in enumerate(table, 2)
        if clean_cell(a) or clean_cell(b)
    ]
    assert [tuple(item) for item in open_rows(path).items] == kept


def test_a_ragged_row_is_told_and_the_next_is_read(tmp_path: Path) -> None:
    path = tmp_path / "qa.csv"
    path.write_text("q,a\n1,2,3\n4\n5,6,\n7,8\n")
    items = list(open_rows(path).items)
    assert [type(item) for item in items] == [BadRow, BadRow, Row, Row]
    assert isinstance(items[0], BadRow)
    assert (items[0].finding.id, items[0].finding.row) == ("data.ragged-row", 2)
    assert "has 3 cells where the header has 2 (q, a)" in items[0].finding.message


def test_a_quote_that_is_not_closed_is_told(tmp_path: Path) -> None:
    path = tmp_path / "qa.csv"
    path.write_text('q,a\n1,2\n"3,4\n5,6\n')
    *_, last = open_rows(path).items
    assert isinstance(last, BadRow)
    assert (last.finding.id, last.number) == ("data.broken-row", 3)


def test_a_quote_in_the_middle_is_told_and_the_next_row_is_read(tmp_path: Path) -> None:
    path = tmp_path / "qa.csv"
    path.write_text('q,a\n"1"x,2\n5,6\n')
    bad, good = open_rows(path).items
    assert isinstance(bad, BadRow)
    assert good == Row(3, {"q": "5", "a": "6"})


def test_two_columns_of_one_name_are_told(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "qa.csv", [["질문", "답변", "질문 "], ["1", "2", "3"]])
    assert finding_of(path) == ("duplicate-column", "the name '질문' stands over columns A and C", 1, "질문")


def test_decomposed_headers_are_composed(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "qa.csv", [[unicodedata.normalize("NFD", n) for n in _TABLE[0]], _TABLE[1]])
    assert open_rows(path).columns == ("질문", "답변")


@pytest.mark.parametrize("content", ["", " \n\n", ",,\n,\n", "\ufeff"])
def test_an_empty_csv_is_told(tmp_path: Path, content: str) -> None:
    path = tmp_path / "qa.csv"
    path.write_text(content, encoding="utf-8")
    assert finding_of(path)[0] == "empty-file"


def test_cells_of_a_spreadsheet_become_the_text_that_it_shows(tmp_path: Path) -> None:
    values = [
        3.0,
        0.1,
        True,
        dt.datetime(2024, 3, 1, 9, 5),
        dt.date(2024, 3, 1),
        dt.time(9, 5),
        " 가 ",
        12345678901,
    ]
    table = [["값", "답"], *([value, "x"] for value in values)]
    file = open_rows(write_xlsx(tmp_path / "qa.xlsx", table))
    texts = [row["값"] for row in whole_rows(file)]
    assert texts == ["3", "0.1", "TRUE", "2024-03-01 09:05:00", "2024-03-01", "09:05:00", "가", "12345678901"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.1 + 0.2, "0.3"), (1e20, "1e+20"), (dt.timedelta(hours=30, minutes=5), "30:05:00"), (-2.50, "-2.5")],
)
def test_numbers_have_the_digits_that_a_spreadsheet_shows(value: object, text: str) -> None:
    assert cell_text(value) == text


def test_a_spreadsheet_called_csv_is_told_as_what_it_is(tmp_path: Path) -> None:
    path = write_xlsx(tmp_path / "qa.xlsx", _TABLE).rename(tmp_path / "qa.csv")
    assert finding_of(path)[:2] == ("broken-file", "is a spreadsheet with the name of a .csv file")


def test_a_table_that_starts_further_down_and_right_keeps_its_row_numbers(tmp_path: Path) -> None:
    file = open_rows(write_xlsx(tmp_path / "qa.xlsx", _TABLE, at=(4, 3)))
    assert list(file.items) == [row._replace(number=row.number + 3) for row in _ROWS]


def test_empty_rows_and_empty_columns_are_left_out(tmp_path: Path) -> None:
    table = [["질문", None, "답변"], ["가?", None, "나."], [None, None, None], ["다?", " ", "라."]]
    items = list(open_rows(write_xlsx(tmp_path / "qa.xlsx", table)).items)
    assert items == [_ROWS[0], _ROWS[1]._replace(number=4)]


def test_a_value_under_an_empty_header_is_told(tmp_path: Path) -> None:
    path = write_xlsx(tmp_path / "qa.xlsx", [["2024 민원", None], ["질문", "답변"], ["가", "나"]])
    id_, message, row, column = finding_of(path)
    assert (id_, row, column) == ("nameless-column", 2, "B")
    assert message == "column B holds '답변', and its header (row 1) is empty"


def test_a_formula_that_failed_is_marked_with_its_sign(tmp_path: Path) -> None:
    path = write_xlsx(
        tmp_path / "qa.xlsx", [["질문", "답변"], ["#N/A", "나."], ["다?", "#REF!"], ['t="e"', "x"]]
    )
    rows = list(whole_rows(open_rows(path)))
    assert rows == [
        {"질문": "#N/A", "답변": "나."},
        {"질문": "다?", "답변": "#REF!"},
        {"질문": 't="e"', "답변": "x"},
    ]
    errors = [[isinstance(cell, CellError) for cell in row.values()] for row in rows]
    assert errors == [[True, False], [False, True], [False, False]]


def test_the_first_sheet_with_rows_is_read_and_the_others_named(tmp_path: Path) -> None:
    path = tmp_path / "qa.xlsx"
    book = openpyxl.Workbook()
    book.create_sheet("상담").append(["질문", "답변"])
    book["상담"].append(["가?", "나."])
    book.create_sheet("숨김").append(["x"])
    book["숨김"].sheet_state = "hidden"
    book.save(path)
    file = open_rows(path)
    assert file.sheet == "상담"
    assert file.notes == ("read the sheet '상담'; not read: 'Sheet' (name another with --sheet)",)
    assert list(file.items) == _ROWS[:1]
    assert open_rows(path, sheet=unicodedata.normalize("NFD", "숨김")).columns == ("x",)
    with pytest.raises(UsageError, match="Did you mean '상담'"):
        open_rows(path, sheet="상담1")


def test_an_empty_workbook_is_told(tmp_path: Path) -> None:
    assert finding_of(write_xlsx(tmp_path / "qa.xlsx", []))[0] == "empty-file"


def test_old_xls_files_are_read() -> None:
    file = open_rows(CASES / "qa.xls")
    assert file.sheet == "상담"
    assert list(file.items) == [
        Row(2, {"번호": "1", "질문": "환불은 며칠 걸리나요?", "답변": "사흘 안에 됩니다."}),
        Row(3, {"번호": "2", "질문": "영업일은 며칠인가요?", "답변": "5"}),
    ]


def test_a_web_page_called_xls_is_told_as_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "export.xls"
    path.write_text("<html><table><tr><td>질문</td></tr></table></html>", encoding="utf-8")
    id_, message, _, _ = finding_of(path)
    assert (id_, message) == ("broken-file", "is a web page with the name of a spreadsheet")


def test_an_xls_whose_sectors_go_round_in_a_ring_does_not_take_the_memory(tmp_path: Path) -> None:
    content = bytearray((CASES / "qa.xls").read_bytes())
    table = (struct.unpack_from("<I", content, 76)[0] + 1) * 512
    struct.pack_into("<I", content, table, 0)  # after sector 0 comes sector 0
    path = tmp_path / "qa.xls"
    path.write_bytes(content)
    assert "go round in a ring" in finding_of(path)[1]


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["csv", "json", "jsonl", "xlsx", "parquet"]), st.data())
def test_a_damaged_file_is_rows_or_a_clear_error(tmp_path: Path, kind: str, data: st.DataObject) -> None:
    path = tmp_path / f"qa.{kind}"
    content = bytearray(_whole(kind, tmp_path))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(content)))
        content[start : start + data.draw(st.integers(0, 20))] = data.draw(st.binary(max_size=5))
    path.write_bytes(content)
    with contextlib.suppress(MillhandError):
        assert all(isinstance(item, Row | BadRow) for item in open_rows(path).items)


def _whole(kind: str, folder: Path) -> bytes:
    path = folder / f"whole.{kind}"
    if not path.exists() and kind == "xlsx":
        write_xlsx(path, _TABLE)
    elif not path.exists() and kind == "parquet":
        pq.write_table(pa.table({"질문": ["가?"] * 9, "답변": ["나."] * 9}), path)
    elif not path.exists():
        texts = {"csv": '질문,답변\n"가,?",나.\n', "json": json.dumps(_OBJECTS), "jsonl": '{"a": "b"}\n' * 3}
        path.write_text(texts[kind], encoding="utf-8")
    return path.read_bytes()


def test_a_spreadsheet_that_was_cut_short_is_told(tmp_path: Path) -> None:
    path = write_xlsx(tmp_path / "qa.xlsx", _TABLE)
    path.write_bytes(path.read_bytes()[:900])
    assert finding_of(path)[0] == "broken-file"


_OBJECTS = [{"질문": "가?", "n": 1, "f": 1.5, "b": True, "none": None, "list": [{"a": "b"}]}, {"질문": "다?"}]


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949"])
@pytest.mark.parametrize("form", ["array", "indented", "lines"])
def test_json_is_told_apart_by_its_content(tmp_path: Path, name: str, encoding: str, form: str) -> None:
    lines = "\n".join(json.dumps(o, ensure_ascii=False) for o in _OBJECTS)
    array = json.dumps(_OBJECTS, ensure_ascii=False, indent=1 if form == "indented" else None)
    path = tmp_path / name
    path.write_text(lines if form == "lines" else array, encoding=encoding)
    file = open_rows(path)
    assert file.columns == tuple(_OBJECTS[0])
    assert list(file.items) == [Row(1, _OBJECTS[0]), Row(2, _OBJECTS[1])]


def test_a_broken_line_is_told_with_its_number_and_the_rest_is_read(tmp_path: Path) -> None:
    lines = ['{"a": "b"}'] * 2000
    lines[1233] = '{"a": "b'
    lines[5], lines[7] = "", '["a"]'
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(lines))
    items = list(open_rows(path).items)
    bad = [item.finding for item in items if isinstance(item, BadRow)]
    assert [finding.row for finding in bad] == [8, 1234]
    assert "is no object but an array" in bad[0].message
    assert "char 8" in bad[1].message
    assert len(items) == 1999
    assert items[-1].number == 2000


def test_an_array_that_breaks_off_is_told_with_its_element(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps([{"a": "b"}] * 300)[:-5])
    assert finding_of(path)[::2] == ("broken-json", 300)


def test_an_element_that_is_no_object_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('[{"a": 1}, "b", {"a": 2}]')
    items = list(open_rows(path).items)
    assert isinstance(items[1], BadRow)
    assert items[2] == Row(3, {"a": 2})


def test_one_object_is_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"version": 1, "data": [{"a": "b"}]}, indent=2))
    assert finding_of(path)[:2] == (
        "not-rows",
        "is one JSON object (with version, data), not an array of rows",
    )


@pytest.mark.parametrize("content", ["\n \n", "", "\ufeff"])
def test_an_empty_json_is_told(tmp_path: Path, content: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(content, encoding="utf-8")
    assert finding_of(path)[0] == "empty-file"


def test_parquet_is_read_in_batches(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"질문": [str(i) for i in range(3000)], "n": range(3000)}), path)
    file = open_rows(path)
    items = list(file.items)
    assert file.columns == ("질문", "n")
    assert items[-1] == Row(3000, {"질문": "2999", "n": 2999})


def test_a_broken_parquet_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(b"PAR1 no")
    assert finding_of(path)[0] == "broken-file"


def test_what_is_no_file_of_rows_is_wrong_usage(tmp_path: Path) -> None:
    (tmp_path / "qa.csv").write_text("a")
    (tmp_path / "qa.pdf").write_text("a")
    with pytest.raises(UsageError, match=r"Did you mean 'qa.csv'\?"):
        open_rows(tmp_path / "qa1.csv")
    with pytest.raises(UsageError, match="is a folder"):
        open_rows(tmp_path)
    with pytest.raises(UsageError, match=r"'\.pdf' are not read"):
        open_rows(tmp_path / "qa.pdf")


def test_whole_rows_stop_at_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": 1}\n{"a"\n')
    with pytest.raises(FindingsError):
        list(whole_rows(open_rows(path)))
