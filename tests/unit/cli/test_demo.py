"""``millhand demo --spreadsheet``: the table of the README's first hour."""

from __future__ import annotations

from pathlib import Path

import pytest

from millhand.demo import spreadsheet
from tests.conftest import Millhand


@pytest.mark.parametrize("name", ["mine.xlsx", "."])
def test_the_spreadsheet_is_written_where_it_is_asked_for_and_nothing_else(
    millhand: Millhand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(2):  # the same again is no fault
        done = millhand("demo", "--spreadsheet", name)
        assert done.exit_code == 0, done.stderr
    (written,) = tmp_path.iterdir()
    assert written.read_bytes() == spreadsheet().read_bytes()
    assert written.name == ("bicycle.xlsx" if name == "." else name)
    assert f"millhand data add {written.name}" in done.stderr


def test_another_file_of_that_name_stays(millhand: Millhand, tmp_path: Path) -> None:
    mine = tmp_path / "bicycle.xlsx"
    mine.write_bytes(b"mine")
    done = millhand("demo", "--spreadsheet", mine)
    assert done.exit_code == 2
    assert "Name another file." in done.stderr
    assert mine.read_bytes() == b"mine"


def test_a_folder_that_is_not_there_is_told(millhand: Millhand, tmp_path: Path) -> None:
    done = millhand("demo", "--spreadsheet", tmp_path / "none" / "a.xlsx")
    assert done.exit_code == 2
    assert "cannot be written" in done.stderr
