"""Rows in, rows out: what is written for each shape, and what is refused."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from millhand.datasets.registry import Registry
from tests.unit.datasets.conftest import Adder, alpaca

_TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30).filter(lambda text: text.strip() != "")


def test_alpaca_rows_have_the_same_keys_and_say_where_they_came_from(add: Adder, registry: Registry) -> None:
    definition = add([{"instruction": "가?", "output": "나."}, {"output": "라.", "input": "다?"}]).definition
    rows = list(registry.dataset("qa").rows())
    assert [list(row) for row in rows] == [["instruction", "input", "output", "source"]] * 2
    assert rows[1] == {
        "instruction": "",
        "input": "다?",
        "output": "라.",
        "source": {"document": "qa.jsonl", "sha256": definition.sources[0].sha256, "row": 2},
    }


_ROW = st.fixed_dictionaries(
    {"instruction": _TEXT, "output": _TEXT},
    optional={
        "input": _TEXT,
        "system": _TEXT,
        "history": st.lists(st.lists(_TEXT, min_size=2, max_size=2), max_size=3),
    },
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.lists(_ROW, min_size=1, max_size=6))
def test_what_goes_in_comes_out_composed_and_with_one_set_of_keys(
    add: Adder, rows: list[dict[str, Any]]
) -> None:
    def composed(value: Any) -> Any:
        if isinstance(value, list):
            return [composed(one) for one in value]
        return unicodedata.normalize("NFC", value)

    written = add.rows(rows, replace=True)
    used = {name for row in rows for name in ("system", "history") if row.get(name)}
    assert {frozenset(row) for row in written} == {frozenset({"instruction", "input", "output"} | used)}
    for before, after in zip(rows, written, strict=True):
        for name in after:
            assert after[name] == composed(before.get(name, [] if name == "history" else ""))


def test_a_field_that_only_the_last_row_has_is_in_all(add: Adder) -> None:
    rows = alpaca(*[("가?", "나.")] * 150) + alpaca(("다?", "라."), system="짧게 답하세요.")
    written = add.rows(rows)
    assert {tuple(row) for row in written} == {("instruction", "input", "output", "system")}
    assert [row["system"] for row in written[-2:]] == ["", "짧게 답하세요."]


def test_the_system_prompt_asked_for_goes_to_rows_without_one(add: Adder) -> None:
    rows = alpaca(("가?", "나.")) + alpaca(("다?", "라."), system="이미 있음")
    assert [row["system"] for row in add.rows(rows, system="정중하게")] == ["정중하게", "이미 있음"]


def test_numbers_in_json_are_refused_by_row_and_column_and_taken_as_text_on_request(add: Adder) -> None:
    rows = [*alpaca(("가?", "나.")), {"instruction": 7, "output": True}, {"instruction": "x", "output": 1.50}]
    findings = add.faults(rows)
    assert [(f.id, f.row, f.column) for f in findings] == [
        ("data.mixed-type", 2, "instruction"),
        ("data.mixed-type", 2, "output"),
        ("data.mixed-type", 3, "output"),
    ]
    assert "a number (7) stands where text is due" in findings[0].message
    assert [(r["instruction"], r["output"]) for r in add.rows(rows, as_text=True)][1:] == [
        ("7", "true"),
        ("x", "1.5"),
    ]


def test_a_list_is_no_text_whatever_is_asked(add: Adder) -> None:
    assert [f.id for f in add.faults([{"instruction": ["가"], "output": "나"}], as_text=True)] == [
        "data.mixed-type"
    ]


@pytest.mark.parametrize("empty", ["", "  ", None])
def test_an_empty_question_or_answer_is_refused(add: Adder, empty: str | None) -> None:
    rows = [
        {"instruction": empty, "output": "나"},
        {"instruction": "가", "output": empty},
        {"instruction": "가"},
    ]
    found = [(f.id, f.row, f.column) for f in add.faults([*alpaca(("q", "a")), *rows])]
    assert found == [
        ("data.empty-instruction", 2, "instruction"),
        ("data.empty-output", 3, "output"),
        ("data.empty-output", 4, "output"),
    ]


def test_a_history_that_is_text_is_refused_with_what_would_be_lost(add: Adder) -> None:
    (finding,) = add.faults(alpaca(("가?", "나."), history="민원 본문"))
    assert (finding.id, finding.column) == ("data.broken-history", "history")
    assert "input=history" in finding.mend


def test_a_history_in_a_cell_is_read_as_json(add: Adder, tmp_path: Path) -> None:
    path = tmp_path / "qa.csv"
    path.write_text('질문,답변,history\n가?,나.,"[[""앞"",""뒤""]]"\n다?,라.,\n', encoding="utf-8")
    assert [row["history"] for row in add.rows(path)] == [[["앞", "뒤"]], []]


def test_a_failed_formula_is_one_finding_in_a_mapped_column_and_none_elsewhere(
    add: Adder, tmp_path: Path
) -> None:
    book = openpyxl.Workbook()
    for row in (["질문", "답변", "비고"], ["가?", "#N/A", "x"], ["다?", "라.", "#REF!"]):
        book.active.append(row)
    book.save(tmp_path / "qa.xlsx")
    found = [(f.id, f.row, f.column) for f in add.faults(tmp_path / "qa.xlsx")]
    assert found == [("data.formula-error", 2, "답변")]


def test_pairwise_and_kto_rows(add: Adder, registry: Registry) -> None:
    pair = {"instruction": "가?", "chosen": "좋음", "rejected": "나쁨"}
    assert add.rows([pair], file="dpo.jsonl") == [
        {"instruction": "가?", "input": "", "chosen": "좋음", "rejected": "나쁨"}
    ]
    entry = registry.entries()["dpo"]
    assert entry["ranking"] is True
    assert entry["columns"] == {
        "prompt": "instruction",
        "query": "input",
        "chosen": "chosen",
        "rejected": "rejected",
    }
    (turn,) = registry.dataset("dpo").turns()
    assert (turn.question, turn.answer) == ("가?", "좋음")
    assert add.rows(alpaca(("가?", "나."), kto_tag=False), file="kto.jsonl")[0]["kto_tag"] is False
    assert registry.entries()["kto"]["columns"]["kto_tag"] == "kto_tag"
    assert [f.id for f in add.faults(alpaca(("가?", "나."), kto_tag="maybe"))] == ["data.broken-kto-tag"]
    assert [f.id for f in add.faults([{**pair, "rejected": ""}])] == ["data.empty-output"]


def test_parquet_with_conversations_and_numbers(add: Adder, tmp_path: Path) -> None:
    messages = [{"role": "user", "content": "가?"}, {"role": "assistant", "content": "나."}]
    pq.write_table(pa.table({"messages": [messages], "score": [1]}), tmp_path / "a.parquet")
    assert add.rows(tmp_path / "a.parquet") == [
        {"conversations": [{"from": "human", "value": "가?"}, {"from": "gpt", "value": "나."}]}
    ]
    pq.write_table(pa.table({"질문": ["a", "b"], "답변": [1, 2]}), tmp_path / "b.parquet")
    assert [f.row for f in add.faults(tmp_path / "b.parquet")] == [1, 2]


def test_images_are_not_dropped_silently(add: Adder) -> None:
    rows = alpaca(("가?", "나."), images=[]) + alpaca(("<image>?", "나."), images=["a.png"])
    assert [(f.id, f.row) for f in add.faults(rows)] == [("data.media", 2)]


def test_many_findings_of_a_kind_are_counted(add: Adder) -> None:
    findings = add.faults(alpaca(*[("가?", "")] * 1000))
    assert len(findings) == 21
    assert findings[-1].message == "and 980 more of this kind"


def test_skipping_takes_the_good_rows_and_lists_the_others(
    add: Adder, registry: Registry, tmp_path: Path
) -> None:
    path = tmp_path / "qa.jsonl"
    path.write_text(
        '{"instruction": "가?", "output": "나."}\n{"instruc\n{"instruction": "다?", "output": ""}\n', "utf-8"
    )
    added = add(path, skip_bad=True)
    assert (added.definition.rows, added.definition.rejected, added.definition.sources[0].rows) == (1, 2, 3)
    assert {warning.severity for warning in added.warnings} == {"warning"}
    lines = (registry.folder / "qa" / "rejected.jsonl").read_text(encoding="utf-8").splitlines()
    first, second = map(json.loads, lines)
    assert (first["row"], first["content"]) == (2, '{"instruc')
    assert second == {
        "row": 3,
        "reasons": [{"id": "data.empty-output", "column": "output", "message": "the answer is empty"}],
        "content": {"instruction": "다?", "output": ""},
    }


def test_skipping_every_row_makes_no_dataset(add: Adder) -> None:
    assert add.faults(alpaca(("가?", "")), skip_bad=True)[0].id == "data.empty-output"


def test_answers_that_are_all_dates_are_warned_of(add: Adder) -> None:
    rows = alpaca(("언제?", "2024-03-01"), ("언제까지?", "2024-03-31"))
    assert [(w.id, w.column) for w in add(rows).warnings] == [("data.only-dates", "output")]
    assert add(rows + alpaca(("왜?", "쉬니까")), name="b").warnings == ()
