"""What the page says of how many rows were made of what, for rows and passages in one dataset."""

from __future__ import annotations

import json
from dataclasses import replace

import msgspec
import pytest

from millhand.datasets.built import StepReport
from millhand.datasets.report.facts import Ruler
from millhand.datasets.report.made import NotMade, read_failures
from millhand.datasets.report.page import make_report, render
from millhand.datasets.steps.base import Tally
from millhand.errors import Finding
from tests.unit.datasets.report.test_markup import Read
from tests.unit.datasets.review.conftest import Built, built, qa

__all__ = ["built"]
_RULER = Ruler(lambda record: len(record.answer), why="Lengths are in characters.")
_MANUAL = """# 설비 안내

## 야간 마감 절차

1. 경보기를 끄고 기록을 확인한다.
2. 출입문을 잠그고 열쇠를 보관함에 넣는다.
3. 일지에 시각과 이름을 적는다.

## 아침 개방 절차

1. 경보기를 해제한다.
2. 출입문을 열고 조명을 켠다.
3. 방문증의 수를 세어 일지에 적는다.
"""


def _words(built: Built, *, rows: int, manual: bool, generators: int = 1) -> str:
    sources = ["qa.jsonl"] * bool(rows) + ["manual.md"] * manual
    steps = [
        "normalise",
        *["generate: {min_chars: 5, chars_per_item: 20, purposes: [qa, procedure]}"] * generators,
    ]
    recipe = "name: qa\nlicence: CC0-1.0\nsources:\n"
    recipe += "".join(f"  - path: {source}\n" for source in sources)
    recipe += "steps:\n" + "".join(f"  - {step}\n" for step in steps)
    (built.folder / "dataset.yaml").write_text(recipe, encoding="utf-8")
    (built.workspace.root / "manual.md").write_text(_MANUAL, encoding="utf-8")
    built.build(qa(rows))
    page = render(make_report(built.registry, "qa", _RULER))
    return " ".join(" ".join(Read(page).texts).split())


@pytest.mark.parametrize("generators", [1, 2])
def test_rows_and_passages_are_told_apart(built: Built, generators: int) -> None:
    words = _words(built, rows=2, manual=True, generators=generators)
    made = built.outcome.built.datasets[0].rows - 2
    assert made > 0
    assert f"{made} rows were made of 2 passages. 2 rows were taken as they stood in the sources." in words
    assert "4 passages and rows" in words


def test_of_passages_alone_no_row_is_said_to_have_stood_there(built: Built) -> None:
    words = _words(built, rows=0, manual=True)
    assert "rows were made of 2 passages." in words
    assert "taken as they stood" not in words
    assert "passages and rows" not in words


def test_rows_alone_were_made_of_nothing(built: Built) -> None:
    words = _words(built, rows=1, manual=False)
    assert "1 row was taken as they stood" in words
    assert "made of" not in words
    assert "1 rows" in words


def test_the_lists_of_all_generators_are_told(built: Built) -> None:
    _words(built, rows=1, manual=True, generators=2)
    line = json.dumps(msgspec.to_builtins(NotMade("a:1/qa/1", "number", ())))
    steps = []
    for number, step in enumerate(built.outcome.built.steps):
        name = f".millhand/list-{number}.jsonl"
        (built.workspace.root / name).write_text(f"{line}\n" * 20, encoding="utf-8")
        found = Finding(id="data.not-made.number", severity="warning", message="20 of 40", file=name)
        findings = (found,) if step.name == "generate" else ()
        steps.append(msgspec.structs.replace(step, findings=findings))
    known = msgspec.structs.replace(built.outcome.built, steps=tuple(steps))
    failures = read_failures(built.folder, known)
    assert (len(failures.first), failures.total) == (30, 40)


def _with(built: Built, *steps: StepReport) -> str:
    built.build(qa(5))
    report = make_report(built.registry, "qa", _RULER)
    known = msgspec.structs.replace(report.built, steps=steps)
    return " ".join(" ".join(Read(render(replace(report, built=known))).texts).split())


def test_duplicates_of_passages_and_of_rows_are_both_told(built: Built) -> None:
    passages = StepReport("dedup", {}, Tally(40, 33, 0, {"near": 7}))
    rows = StepReport("dedup", {}, Tally(90, 90))
    words = _with(built, passages, rows)
    assert "7 of 40 were dropped" in words
    assert "0 of 90 were dropped" in words


@pytest.mark.parametrize(
    ("first", "then", "told", "sum_of_both"),
    [
        ("mask", "drop", "12 were found and masked. 3 were found and dropped", 15),
        ("report", "mask", "12 were found and only counted. 3 were found and masked.", 3),
    ],
)
def test_what_two_searches_found_is_told_of_both(
    built: Built, first: str, then: str, told: str, sum_of_both: int
) -> None:
    one = StepReport("pii", {"action": first}, Tally(9, 9, counts={"mobile": 12}))
    other = StepReport("pii", {"action": then}, Tally(9, 9, counts={"mobile": 3}))
    words = _with(built, one, other)
    assert told in words
    assert f"휴대전화번호 {sum_of_both} 0" in words
