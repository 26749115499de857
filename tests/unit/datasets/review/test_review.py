"""A person's corrections: out, in, and again at each build."""

from __future__ import annotations

from pathlib import Path

import openpyxl
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from millhand.datasets.review.cells import escaped, unescaped
from millhand.datasets.review.corrections import FILE, read_corrections
from millhand.errors import FindingsError, UsageError
from millhand.text.normal import clean_cell
from tests.unit.datasets.review.conftest import Built, Edit, qa, read_sheet, write_lines

_THIRD = "3번 문은 언제 닫나요?"


def _on(wanted: str, /, **cells: str) -> Edit:
    def edit(line: dict[str, str]) -> None:
        if line["question"] == wanted:
            line.update(cells)

    return edit


def test_the_sheet_is_for_excel_and_holds_every_row(built: Built, tmp_path: Path) -> None:
    built.build(qa())
    lines = built.out(tmp_path / "rows.csv")
    assert (tmp_path / "rows.csv").read_bytes().startswith(b"\xef\xbb\xbfid,split,question,answer,")
    assert {line["question"]: line["answer"] for line in lines} == built.rows()
    assert {line["split"] for line in lines} == {"train", "validation", "test"}
    assert len({line["id"] for line in lines}) == 10
    assert lines[0]["document"] == "qa.jsonl"
    assert lines[0]["place"].startswith("row ")


def test_a_fresh_sheet_changes_nothing(built: Built, tmp_path: Path) -> None:
    built.build(qa())
    taken = built.edit(tmp_path / "rows.csv", lambda _: None)
    assert (taken.counts, taken.corrections) == ({"unchanged": 10}, 0)
    assert not (built.folder / FILE).exists()
    assert built.build().status == "unchanged"


def test_corrections_are_put_to_the_rows_of_every_build(built: Built, tmp_path: Path) -> None:
    built.build(qa())
    taken = built.edit(tmp_path / "1.csv", _on(_THIRD, answer="저녁 8시에 닫습니다.", note="시각"))
    assert taken.counts == {"corrected": 1, "unchanged": 9}
    built.edit(tmp_path / "2.csv", _on("5번 문은 언제 닫나요?", delete="x"))
    for rows in (None, [*qa(), {"instruction": "새 문은?", "input": "", "output": "열지 않습니다."}]):
        outcome = built.build(rows)
        assert built.rows()[_THIRD] == "저녁 8시에 닫습니다."
        assert "5번 문은 언제 닫나요?" not in built.rows()
        tally = outcome.built.steps[-1].tally
        assert (tally.changed, tally.dropped) == (1, {"deleted by a person": 1})
        assert not outcome.built.findings
    assert built.build().status == "unchanged"


def test_what_was_corrected_can_be_corrected_and_taken_back(built: Built, tmp_path: Path) -> None:
    built.build(qa())
    built.edit(tmp_path / "1.csv", _on(_THIRD, question="3번 문은?", answer="=8시"))
    built.build()
    assert built.rows()["3번 문은?"] == "=8시"
    assert built.edit(tmp_path / "2.csv", lambda _: None).counts == {"unchanged": 10}
    built.edit(tmp_path / "3.csv", _on("3번 문은?", answer="9시"))
    built.build()
    assert built.rows()["3번 문은?"] == "9시"
    built.edit(tmp_path / "4.csv", _on("3번 문은?", question="", answer="", delete="x"))
    built.build()
    assert len(built.rows()) == 9
    taken = built.edit(tmp_path / "5.csv", lambda line: line.update(delete=""))
    assert taken.counts == {"taken back": 1, "unchanged": 9}
    built.build()
    assert built.rows()[_THIRD] == "저녁 3시에 닫습니다."
    assert not (built.folder / FILE).exists()


def test_corrections_that_find_no_row_are_listed_and_kept(built: Built, tmp_path: Path) -> None:
    built.build(qa())
    built.edit(tmp_path / "1.csv", lambda line: line.update(note="봄", answer=line["answer"] + " 꼭."))
    rows = qa()[1:]
    rows[0]["output"] = "아침에 닫습니다."
    findings = built.build(rows).built.findings
    assert {finding.id for finding in findings} == {"data.correction-without-row"}
    told = sorted(finding.message for finding in findings)
    assert told == [
        "the row that was corrected is answered otherwise now: 1번 문은 언제 닫나요?",
        "the row that was corrected is not made any more: 0번 문은 언제 닫나요?",
    ]
    assert len(read_corrections(built.folder)) == 10
    assert built.build(qa()).built.findings == ()
    assert all(answer.endswith(" 꼭.") for answer in built.rows().values())


def test_lines_that_were_removed_change_nothing(built: Built, tmp_path: Path) -> None:
    built.build(qa())
    built.edit(tmp_path / "1.csv", _on(_THIRD, note="좋다"))
    lines = [line for line in built.out(tmp_path / "2.csv") if line["question"] != _THIRD]
    write_lines(tmp_path / "2.csv", lines)
    assert built.take(tmp_path / "2.csv").corrections == 1


def test_a_file_saved_by_korean_excel(built: Built, tmp_path: Path) -> None:
    built.build(qa())
    lines = built.out(tmp_path / "1.csv")
    lines[0]["answer"] = "첫 줄\r\n둘째 줄 "
    write_lines(tmp_path / "2.csv", lines, encoding="cp949")
    assert built.take(tmp_path / "2.csv").counts == {"corrected": 1, "unchanged": 9}
    built.build()
    assert built.rows()[lines[0]["question"]] == "첫 줄\n둘째 줄"


def test_a_file_saved_as_a_spreadsheet(built: Built, tmp_path: Path) -> None:
    built.build([*qa(), {"instruction": "값은?", "input": "", "output": "-5%"}])
    lines = built.out(tmp_path / "1.csv")
    book = openpyxl.Workbook()
    book.active.append(list(lines[0]))
    for line in lines:
        book.active.append(list(line.values()))
    book.active["D2"] = "고친 답입니다."
    book.save(tmp_path / "2.xlsx")
    assert book.active["D1"].value == "answer"
    assert built.take(tmp_path / "2.xlsx").counts == {"corrected": 1, "unchanged": 10}


def test_faults_are_all_listed_and_nothing_is_written(built: Built, tmp_path: Path) -> None:
    built.build(
        [*qa(4), {"instruction": "긴 글은?", "input": "", "output": " ".join(f"{n}번" for n in range(9000))}]
    )
    lines = built.out(tmp_path / "rows.csv")
    (long,) = [line for line in lines if line["question"] == "긴 글은?"]
    others = [line for line in lines if line is not long]
    others[0]["id"] = "row-0"
    others[1]["delete"] = "글쎄"
    long["answer"] = long["answer"][:32_767]
    write_lines(tmp_path / "rows.csv", [*lines, {**others[2], "answer": "다른 말"}])
    with pytest.raises(FindingsError) as caught:
        built.take(tmp_path / "rows.csv")
    told = " | ".join(finding.message for finding in caught.value.findings)
    assert len(caught.value.findings) == 4
    for part in ("no row has the id 'row-0'", "neither x nor empty", "cut off", "something else"):
        assert part in told
    assert all(finding.row for finding in caught.value.findings)
    assert not (built.folder / FILE).exists()


def test_a_sheet_without_ids_is_refused(built: Built, tmp_path: Path) -> None:
    built.build(qa())
    (tmp_path / "rows.csv").write_text("question,answer\n가,나\n", encoding="utf-8")
    with pytest.raises(FindingsError, match="no column id"):
        built.take(tmp_path / "rows.csv")


def test_a_sheet_is_never_written_over(built: Built, tmp_path: Path) -> None:
    built.build(qa())
    built.out(tmp_path / "rows.csv")
    with pytest.raises(UsageError, match="there already"):
        built.out(tmp_path / "rows.csv")


def test_a_broken_line_of_corrections_stops_the_build(built: Built) -> None:
    built.build(qa())
    (built.folder / FILE).write_text('{"document": 1}\n\n', encoding="utf-8")
    with pytest.raises(FindingsError) as caught:
        built.build()
    assert [finding.line for finding in caught.value.findings] == [1, 2]


def test_conversations_and_rankings(built: Built, tmp_path: Path) -> None:
    turns = [
        {"from": "human", "value": "문은?"},
        {"from": "gpt", "value": "닫습니다."},
        {"from": "human", "value": "창은?"},
        {"from": "gpt", "value": "엽니다."},
    ]
    built.build([{"conversations": turns, "system": "당직"}, {"conversations": turns[:2], "system": ""}] * 2)
    lines = built.out(tmp_path / "1.csv")
    assert {line["before"] for line in lines} == {"System: 당직\nQ: 문은?\nA: 닫습니다.", ""}
    built.edit(tmp_path / "2.csv", _on("창은?", answer="닫습니다."))
    built.build()
    rows = list(built.registry.dataset("qa").rows())
    assert ["엽니다." in orjson.dumps(row).decode() for row in rows] == [False] * len(rows)


_TEXTS = st.text(
    alphabet=st.one_of(st.characters(exclude_categories=["Cs", "Cc"]), st.sampled_from("'=+-@\n,\"")),
    max_size=40,
)


@given(st.text())
def test_a_cell_comes_back_and_is_no_formula(text: str) -> None:
    cell = escaped(text)
    assert unescaped(cell) == text
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(_TEXTS.filter(lambda text: len(clean_cell(text)) > 1), min_size=2, max_size=6, unique=True)
)
def test_any_text_survives_the_sheet(built: Built, tmp_path: Path, texts: list[str]) -> None:
    (built.folder / "dataset.yaml").write_text(
        (built.folder / "dataset.yaml").read_text(encoding="utf-8").replace("  - filter\n", ""),
        encoding="utf-8",
    )
    built.build([{"instruction": "무엇?" + text, "input": "", "output": text} for text in texts])
    path = tmp_path / "any.csv"
    path.unlink(missing_ok=True)
    assert built.edit(path, lambda _: None).counts == {"unchanged": len(texts)}
    assert read_sheet(path)
