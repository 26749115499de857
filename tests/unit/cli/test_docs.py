"""``millhand docs read``: what it writes and prints, its exit codes, and that one bad file stops no other."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.conftest import Millhand
from tests.unit.documents.pdfs import Picture, Text, write_pdf
from tests.unit.documents.test_dart import RECEIPT, report, write_zip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose name has a blank and Hangul, and the current folder; with three good files."""
    made = tmp_path / "문서 함"
    made.mkdir()
    monkeypatch.chdir(made)
    (made / "안내 (1).md").write_text("# 순찰\n\n문을 잠근다\n", encoding="utf-8")
    write_pdf(made / "매뉴얼.pdf", [[Text(50, 700, "보안 절차를 지킨다")]])
    write_zip(
        made / "filing.zip",
        {f"{RECEIPT}.xml": report("<P>글</P>"), f"{RECEIPT}_00760.xml": report("<P>감사</P>")},
    )
    return made


def head(file: Path) -> dict[str, object]:
    _, front, _ = file.read_text(encoding="utf-8").split("---\n", 2)
    facts: dict[str, object] = yaml.safe_load(front)
    return facts


def test_each_file_becomes_markdown_that_says_where_it_is_from(folder: Path, millhand: Millhand) -> None:
    result = millhand("docs", "read", "안내 (1).md", "매뉴얼.pdf", "filing.zip", "--out", "out")
    assert result.exit_code == 0
    made = {file.name: head(file) for file in (folder / "out").iterdir()}
    assert {name: facts["kind"] for name, facts in made.items()} == {
        "안내_1.md": "markdown",
        "매뉴얼.md": "pdf",
        f"{RECEIPT}.md": "dart",
        f"{RECEIPT}_00760.md": "dart-audit",
    }
    assert made["매뉴얼.md"]["source"] == "매뉴얼.pdf"
    assert made["매뉴얼.md"]["pages"] == 1
    assert "out/매뉴얼.md: written, pdf, 0 sections, 0 tables" in result.stdout.splitlines()


def test_a_faulty_file_is_listed_and_the_others_go_on(folder: Path, millhand: Millhand) -> None:
    write_pdf(folder / "locked.pdf", [[]], locked=True)
    write_pdf(folder / "scan.pdf", [[Picture()]])
    (folder / "bad.zip").write_bytes(b"<result><status>014</status></result>")
    names = ("locked.pdf", "scan.pdf", "bad.zip", "none.txt", "a.hwp", "매뉴얼.pdf")
    (folder / "a.hwp").write_bytes(b"x")
    result = millhand("docs", "read", *names, "--out", "out", "--json")
    assert result.exit_code == 3
    answer = json.loads(result.stdout)
    assert [made["file"] for made in answer["documents"]] == ["out/매뉴얼.md"]
    assert [(f["file"], f["id"]) for f in answer["findings"]] == [
        ("locked.pdf", "pdf.encrypted"),
        ("scan.pdf", "pdf.scanned"),
        ("bad.zip", "documents.dart-status"),
        ("none.txt", "documents.no-file"),
        ("a.hwp", "documents.unknown-kind"),
    ]
    assert "5 errors" not in result.stdout
    assert "locked.pdf" in result.stderr
    assert [file.name for file in (folder / "out").iterdir()] == ["매뉴얼.md"]


def test_a_warning_alone_is_no_failure(folder: Path, millhand: Millhand) -> None:
    write_pdf(folder / "half.pdf", [[Text(50, 700, "보안 절차")], [Picture()]])
    result = millhand("docs", "read", "half.pdf", "--out", "out")
    assert result.exit_code == 0
    assert "page 2: a picture and no text" in result.stderr


def test_a_folder_stands_for_its_files_and_a_second_time_changes_nothing(
    folder: Path, millhand: Millhand
) -> None:
    first = json.loads(millhand("docs", "read", ".", "filing.zip", "--out", "../out", "--json").stdout)
    again = json.loads(millhand("docs", "read", ".", "--out", "../out", "--json").stdout)
    assert {made["status"] for made in first["documents"]} == {"written"}
    assert {made["status"] for made in again["documents"]} == {"unchanged"}
    assert len(first["documents"]) == len(again["documents"]) == 4


def test_two_sources_of_one_name_do_not_write_over_each_other(folder: Path, millhand: Millhand) -> None:
    (folder / "매뉴얼.txt").write_text("다른 글", encoding="utf-8")
    answer = json.loads(millhand("docs", "read", "매뉴얼.pdf", "매뉴얼.txt", "--out", "out", "--json").stdout)
    assert len({made["file"] for made in answer["documents"]}) == 2


def test_what_a_person_wrote_is_never_written_over(folder: Path, millhand: Millhand) -> None:
    (folder / "매뉴얼.md").write_text("내 글", encoding="utf-8")
    result = millhand("docs", "read", "매뉴얼.pdf", "--out", ".")
    assert result.exit_code == 3
    assert "documents.in-the-way" in result.stderr
    assert (folder / "매뉴얼.md").read_text(encoding="utf-8") == "내 글"


def test_wrong_usage(folder: Path, millhand: Millhand) -> None:
    assert millhand("docs", "read", "매뉴얼.pdf").exit_code == 2
    assert millhand("docs", "read", "--out", "out").exit_code == 2
    assert millhand("docs", "read", "매뉴얼.pdf", "--out", "filing.zip").exit_code == 2


def test_a_missing_package_is_told_with_what_brings_it(
    folder: Path, millhand: Millhand, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "pypdfium2" else find(name))
    result = millhand("docs", "read", "매뉴얼.pdf", "--out", "out")
    assert result.exit_code == 1
    assert "needs pypdfium2" in result.stderr
    assert "pip install 'millhand[documents]'" in result.stderr


def test_help_imports_no_reader() -> None:
    call = "main(['docs', 'read', '--help'])"
    code = f"import sys; from millhand.cli.main import main; {call}; print(*sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert {"lxml", "pypdfium2", "pdfplumber", "markdown_it", "rich", "msgspec", "yaml"}.isdisjoint(
        name.split(".")[0] for name in shown.splitlines()[-1].split()
    )
