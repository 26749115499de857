"""Rows for Arrow: one set of keys, and a history that has its type from the start."""

from __future__ import annotations

from pathlib import Path

import orjson

from millhand.datasets.writer import RowWriter


def _write(path: Path, rows: list[dict[str, object]], *, typed_bytes: int) -> list[dict[str, object]]:
    columns = ("instruction", "input", "output")
    with RowWriter(path, columns, "qa.jsonl", "0" * 64, typed_bytes=typed_bytes) as writer:
        for number, row in enumerate(rows, 1):
            writer.write(dict(row), number)
        writer.finish()
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def test_a_history_that_comes_late_is_written_first(tmp_path: Path) -> None:
    plain = {"instruction": "q", "input": "", "output": "a"}
    rows = [plain] * 5 + [{**plain, "history": [["b", "c"]]}] + [plain] * 2
    late = _write(tmp_path / "late.jsonl", rows, typed_bytes=500)
    assert [row["source"]["row"] for row in late] == [6, 1, 2, 3, 4, 5, 7, 8]
    assert late[0]["history"] == [["b", "c"]]
    assert {tuple(row) for row in late} == {("instruction", "input", "output", "history", "source")}
    early = _write(tmp_path / "early.jsonl", rows, typed_bytes=10_000)
    assert [row["source"]["row"] for row in early] == list(range(1, 9))


def test_nothing_but_the_rows_is_left(tmp_path: Path) -> None:
    plain = {"instruction": "q", "input": "", "output": "a"}
    _write(tmp_path / "rows.jsonl", [plain, {**plain, "system": "s"}], typed_bytes=10)
    assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl"]
