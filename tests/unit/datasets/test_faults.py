"""What mends a row is told in words that hold for ``data add`` and for a recipe alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from millhand.datasets import faults
from millhand.datasets.building.build import BuildOptions, build_dataset
from millhand.datasets.faults import Fault
from millhand.datasets.mapping import propose_mapping
from millhand.errors import FindingsError
from millhand.workspace import Workspace

_ROWS = """\
{"instruction": "문은?", "output": "저녁에 닫습니다."}
{"instruction": "창은?", "output": ""}
{"instruction": "등은?", "output": 3}
["문은?"]
{broken
{"instruction": "벽은?", "output": ["가"]}
{"instruction": "답은?", "output": "네", "history": "앞의 말"}
"""


def _holds_for_both(mend: str) -> bool:
    options = [word for word in ("--skip-bad", "--as-text") if word in mend]
    named = all(word in mend for word in ("`data add", "`data build")) if options else True
    return named and ("map:" in mend if "--map" in mend else True)


@pytest.mark.parametrize(
    "fault",
    [
        faults.mixed_type("답", "a number", "3"),
        faults.not_text("답", "an array", "[]"),
        faults.formula_error("답", "#N/A"),
        faults.empty_question("질문"),
        faults.empty_answer("답"),
        faults.broken_history("앞", "가"),
        faults.broken_tag("표", "3"),
        faults.conversation("x", "가", "messages"),
        faults.broken_text("가"),
        faults.media("images"),
    ],
    ids=lambda fault: fault.message,
)
def test_a_fault_names_no_option_that_a_recipe_has_not(fault: Fault) -> None:
    assert _holds_for_both(fault.mend)


def test_rows_of_a_recipe_are_mended_in_its_own_words(workspace: Workspace) -> None:
    (workspace.root / "qa.jsonl").write_text(_ROWS, encoding="utf-8")
    recipe = workspace.registry / "qa" / "dataset.yaml"
    recipe.parent.mkdir()
    recipe.write_text(
        "name: qa\nlicence: CC0-1.0\nsources:\n  - path: qa.jsonl\nsteps:\n  - normalise\n", encoding="utf-8"
    )
    found = build_dataset(workspace, "qa", BuildOptions(workers=1)).built.findings
    assert [finding.row for finding in found] == [2, 3, 4, 5, 6, 7]
    assert [finding.mend for finding in found if not _holds_for_both(finding.mend)] == []


def test_columns_are_mapped_by_the_option_or_in_the_recipe(tmp_path: Path) -> None:
    with pytest.raises(FindingsError) as caught:
        propose_mapping("a.csv", ("하나", "둘"))
    mend = caught.value.findings[0].mend
    assert "`--map 'instruction=하나,output=둘'`" in mend
    assert _holds_for_both(mend)
