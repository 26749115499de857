"""``millhand data``: what a person types and sees."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import unicodedata
from pathlib import Path

import openpyxl
import pytest

from millhand.workspace import Workspace
from tests.conftest import Millhand


@pytest.fixture
def sheet(tmp_path: Path) -> Path:
    book = openpyxl.Workbook()
    rows = [
        ["번호", "질문", "답변"],
        [1, "휴가는 며칠인가요?", "열닷새입니다."],
        [2, "점심은 언제인가요?", "열두 시입니다."],
    ]
    for row in rows:
        book.active.append(row)
    book.save(tmp_path / "사내 문답.xlsx")
    return tmp_path / "사내 문답.xlsx"


def test_a_spreadsheet_becomes_a_dataset(millhand: Millhand, workspace: Workspace, sheet: Path) -> None:
    result = millhand("data", "add", sheet, "--licence", "CC0-1.0")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == "사내_문답: added, 2 rows (alpaca)\n"
    assert (
        "took the columns by their names: instruction=질문, output=답변 (say otherwise with --map)"
        in result.stderr
    )
    assert "left out: 번호" in result.stderr
    assert "millhand data show 사내_문답" in result.stderr
    rows = (workspace.registry / "사내_문답" / "rows.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(rows[0])["source"]["row"] == 2
    again = millhand("data", "add", sheet, "--licence", "CC0-1.0")
    assert (again.exit_code, again.stdout) == (0, "사내_문답: unchanged, 2 rows (alpaca)\n")


def test_adding_answers_in_json(millhand: Millhand, workspace: Workspace, sheet: Path) -> None:
    arguments = ("data", "add", sheet, "--map", "instruction=질문,output=답변", "--name", "qa", "--json")
    answer = json.loads(millhand(*arguments).stdout)
    assert (answer["status"], answer["name"], answer["rows"], answer["rejected"]) == ("added", "qa", 2, 0)
    assert answer["mapping"] == {"instruction": "질문", "output": "답변"}


def test_faults_are_listed_with_their_places_and_nothing_is_written(
    millhand: Millhand, workspace: Workspace, tmp_path: Path
) -> None:
    path = tmp_path / "qa.csv"
    path.write_text("질문,답변\n가?,나.\n다?,\n,라.\n마?,바,사\n", encoding="utf-8")
    result = millhand("data", "add", path)
    assert result.exit_code == 3
    assert "error qa.csv, row 3, column 답변: the answer is empty  [data.empty-output]" in result.stderr
    assert "error qa.csv, row 4, column 질문: nothing is asked" in result.stderr
    assert "error qa.csv, row 5: has 3 cells where the header has 2" in result.stderr
    assert "3 errors in 3 of 4 rows; nothing was written." in result.stderr
    assert [entry.name for entry in workspace.registry.iterdir()] == ["dataset_info.json"]
    as_json = json.loads(millhand("data", "add", path, "--json").stdout)
    assert [finding["row"] for finding in as_json["findings"]] == [3, 4, 5]
    skipped = millhand("data", "add", path, "--skip-bad")
    assert skipped.exit_code == 0
    assert "Rows left out: 3; why stands in dataset_registry/qa/rejected.jsonl" in skipped.stderr


def test_a_missing_column_names_those_there(millhand: Millhand, workspace: Workspace, sheet: Path) -> None:
    result = millhand("data", "add", sheet, "--map", "instruction=질뮨,output=답변")
    assert result.exit_code == 3
    assert "has no column '질뮨'; it has 번호, 질문, 답변" in result.stderr
    assert "mend: Did you mean '질문'?" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("nope.csv",), 2, "There is no file nope.csv"),
        (("--map", "ask=질문"), 3, "target 'ask'"),
        (("--name", "a/b"), 2, "cannot name a dataset"),
        (("--shape", "chatml"), 2, "'chatml' is not one of"),
        (("--sheet", "둘"), 2, "has no sheet '둘'"),
    ],
)
def test_wrong_usage(
    millhand: Millhand, workspace: Workspace, sheet: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    file = () if arguments[0].endswith(".csv") else (sheet,)
    result = millhand("data", "add", *file, *arguments)
    assert result.exit_code == code
    assert words in result.stderr


def test_outside_a_workspace_the_next_command_is_named(
    millhand: Millhand, sheet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(sheet.parent)
    result = millhand("data", "add", sheet)
    assert result.exit_code == 2
    assert "millhand init" in result.stderr


def test_listing(millhand: Millhand, workspace: Workspace, sheet: Path) -> None:
    assert "millhand data add FILE" in millhand("data", "list").stderr
    (workspace.registry / "dataset_info.json").write_text('{"hub": {"hf_hub_url": "a/b", "ranking": true}}')
    millhand("data", "add", sheet, "--name", "qa")
    facts = json.loads(millhand("data", "list", "--json").stdout)
    assert [(fact["name"], fact["rows"], fact["by_hand"]) for fact in facts] == [
        ("hub", None, True),
        ("qa", 2, False),
    ]
    table = millhand("data", "list").stdout
    assert "사내 문답.xlsx" in table
    assert "a/b" in table


def test_showing_draws_lengths_and_rows(millhand: Millhand, workspace: Workspace, sheet: Path) -> None:
    millhand("data", "add", sheet, "--name", "qa")
    shown = millhand("data", "show", unicodedata.normalize("NFD", "qa")).stdout
    assert re.search(r"rows +2\n", shown)
    assert "question, characters: min 10" in shown
    assert "█" in shown
    assert "휴가는 며칠인가요?" in shown
    assert re.search(r"\nsource +사내 문답.xlsx, row 2\n", shown)
    assert "사내 문답.xlsx (2 rows)" in shown
    answer = json.loads(millhand("data", "show", "qa", "--json", "--rows", "1").stdout)
    assert answer["lengths"]["question"]["max"] == 10
    assert len(answer["examples"]) == 1
    assert answer["columns"] == ["instruction", "input", "output", "source"]
    assert not answer["edited"]


def test_showing_says_that_rows_were_edited(millhand: Millhand, workspace: Workspace, sheet: Path) -> None:
    millhand("data", "add", sheet, "--name", "qa")
    with (workspace.registry / "qa" / "rows.jsonl").open("a") as file:
        file.write('{"instruction": "a", "output": "b"}\n')
    assert "changed since" in millhand("data", "show", "qa").stdout
    assert json.loads(millhand("data", "show", "qa", "--json").stdout)["rows"] == 3


def test_tokens_are_counted_with_a_tokenizer(
    millhand: Millhand, workspace: Workspace, sheet: Path, tmp_path: Path
) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    model = tokenizers.models.WordLevel({"[UNK]": 0}, unk_token="[UNK]")
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    millhand("data", "add", sheet, "--name", "qa")
    answer = json.loads(millhand("data", "show", "qa", "--json", "--tokenizer", tmp_path).stdout)
    assert answer["lengths"]["unit"] == "tokens"
    assert answer["lengths"]["question"]["max"] == 2
    missing = millhand("data", "show", "qa", "--tokenizer", tmp_path / "no")
    assert (missing.exit_code, "no tokenizer.json" in missing.stderr) == (2, True)


def test_removing_asks_first(millhand: Millhand, workspace: Workspace, sheet: Path) -> None:
    millhand("data", "add", sheet, "--name", "qa")
    refused = millhand("data", "remove", "qa")
    assert refused.exit_code != 0
    assert (workspace.registry / "qa").is_dir()
    assert millhand("data", "remove", "qa", "--yes").exit_code == 0
    assert not (workspace.registry / "qa").exists()
    assert (workspace.registry / "dataset_info.json").read_text() == "{}\n"
    assert millhand("data", "remove", "qa", "--yes").exit_code == 2


def test_what_a_person_entered_is_not_removed(millhand: Millhand, workspace: Workspace) -> None:
    (workspace.registry / "dataset_info.json").write_text('{"hub": {"hf_hub_url": "a/b"}}')
    result = millhand("data", "remove", "hub", "--yes")
    assert result.exit_code == 2
    assert "entered by hand" in result.stderr
    assert "hub" in (workspace.registry / "dataset_info.json").read_text()


def test_help_imports_none_of_the_readers() -> None:
    code = (
        "import sys; from millhand.cli.main import main\n"
        "assert main(['data', 'add', '--help']) == 0\n"
        "print(sorted({'pyarrow', 'ijson', 'python_calamine', 'msgspec', 'yaml', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.splitlines()[-1] == "[]"
