"""The shipped demonstration data: whole, consistent, and built from its plain-text source."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import openpyxl
import pytest
import python_calamine

from millhand.demo import QUESTIONS, held_out, spreadsheet

SOURCE = spreadsheet().with_suffix(".csv")


def read(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file, strict=True)
        return list(reader.fieldnames or []), list(reader)


HEADER, TRAINED = read(SOURCE)
HELD_HEADER, HELD_OUT = read(held_out())


def test_the_source_has_its_header_and_120_numbered_rows() -> None:
    assert HEADER == ["번호", "분류", "질문", "답변"]
    assert [row["번호"] for row in TRAINED] == [str(number) for number in range(1, 121)]


def test_the_held_out_rows_have_their_header_and_are_24() -> None:
    assert HELD_HEADER == ["번호", "질문", "답변"]
    assert len({row["번호"] for row in HELD_OUT}) == len(HELD_OUT) == 24


@pytest.mark.parametrize("column", ["질문", "답변"])
def test_no_question_and_no_answer_comes_twice(column: str) -> None:
    assert {text: n for text, n in Counter(row[column].strip() for row in TRAINED).items() if n > 1} == {}


def test_no_held_out_question_comes_twice_or_is_trained() -> None:
    asked = {row["질문"].strip() for row in HELD_OUT}
    assert len(asked) == 24
    assert asked.isdisjoint(row["질문"].strip() for row in TRAINED)


def test_held_out_answers_are_the_trained_answers_of_their_numbers() -> None:
    answers = {row["번호"]: row["답변"] for row in TRAINED}
    assert [row["답변"] for row in HELD_OUT] == [answers[row["번호"]] for row in HELD_OUT]


def test_held_out_questions_use_only_characters_that_were_trained() -> None:
    seen = {sign for row in TRAINED for sign in row["질문"] + row["답변"]}
    assert {sign for row in HELD_OUT for sign in row["질문"]} <= seen


def test_answers_are_one_polite_sentence_of_15_to_45_characters() -> None:
    for row in TRAINED:
        assert 15 <= len(row["답변"]) <= 45, row
        assert row["답변"].endswith(("니다.", "세요.")), row


def test_texts_are_stripped_and_questions_end_as_questions() -> None:
    for row in TRAINED + HELD_OUT:
        assert all(text and text == text.strip() and "  " not in text for text in row.values()), row
        assert row["질문"].endswith("요?"), row


def test_there_are_eight_categories_of_fifteen() -> None:
    assert sorted(Counter(row["분류"] for row in TRAINED).values()) == [15] * 8


def test_the_workbook_says_what_the_source_says() -> None:
    book = python_calamine.CalamineWorkbook.from_path(str(spreadsheet()))
    assert book.sheet_names == ["질문과 답변"]
    header, *rows = book.get_sheet_by_index(0).to_python()
    assert header == HEADER
    assert [[str(int(row[0])), *row[1:]] for row in rows] == [list(row.values()) for row in TRAINED]


def test_building_again_gives_the_shipped_bytes() -> None:
    """In a process of its own: with lxml about, openpyxl spells the same XML otherwise unless told not to."""
    write = "sys.stdout.buffer.write(build(read_rows()))"
    code = f"import sys; from millhand.demo.build import build, read_rows; {write}"
    env = {**os.environ, "OPENPYXL_LXML": "False"}
    built = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, check=True).stdout
    assert built == spreadsheet().read_bytes()


def test_the_workbook_has_a_bold_frozen_header_and_wrapped_text() -> None:
    sheet = openpyxl.load_workbook(spreadsheet()).active
    assert sheet.freeze_panes == "A2"
    assert all(cell.font.bold for cell in sheet[1])
    assert all(cell.alignment.wrap_text for row in sheet.iter_rows() for cell in row)


def test_the_questions_to_show_are_five_trained_ones() -> None:
    assert len(set(QUESTIONS)) == 5
    assert set(QUESTIONS) <= {row["질문"] for row in TRAINED}
