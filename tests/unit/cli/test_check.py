"""``millhand check`` as it is called."""

from __future__ import annotations

import json

import pytest

from millhand.training.presets import preset_paths
from millhand.workspace import Workspace
from tests.cases import check as made
from tests.conftest import Millhand
from tests.unit.cli.test_main import imported_by


@pytest.fixture
def furnished(workspace: Workspace) -> Workspace:
    made.furnish(workspace)
    return workspace


def test_without_findings_the_answer_says_so(millhand: Millhand, furnished: Workspace) -> None:
    made.write_project(furnished, "train", made.TRAIN)
    (furnished.root / "outputs" / "qa").mkdir(parents=True)
    result = millhand("check", "qa")
    assert (result.exit_code, result.stdout) == (0, "4 files, bicycle 12 rows: nothing found.\n")


def test_an_error_ends_with_3_and_is_shown_with_its_place(millhand: Millhand, furnished: Workspace) -> None:
    made.write_project(furnished, "train", made.changed("train", {"stage": "SFT"}))
    result = millhand("check", "qa")
    assert result.exit_code == 3
    assert "error llamafactory_configs/qa/train.yaml, line 2" in result.stderr
    assert "Write `stage: sft`." in result.stderr
    assert ": 1 error." in result.stdout


def test_a_warning_alone_ends_with_0(millhand: Millhand, furnished: Workspace) -> None:
    made.write_project(furnished, "train", made.changed("train", {"overwrite_output_dir": True}))
    result = millhand("check", "qa", "--json")
    answer = json.loads(result.stdout)
    assert (result.exit_code, answer["error"]) == (0, 0)
    assert "train.overwrite-output-dir" in [finding["id"] for finding in answer["findings"]]


def test_fix_shows_what_changes_and_asks(millhand: Millhand, furnished: Workspace) -> None:
    made.write_project(furnished, "train", made.changed("train", {"evaluation_strategy": "no"}))
    path = furnished.configs / "qa" / "train.yaml"
    before = path.read_bytes()
    assert millhand("check", "qa", "--fix").exit_code != 0  # nobody answers
    assert path.read_bytes() == before
    result = millhand("check", "qa", "--fix", "--yes")
    assert (result.exit_code, path.read_bytes()) == (
        0,
        before.replace(b"evaluation_strategy", b"eval_strategy"),
    )
    assert '-evaluation_strategy: "no"\n+eval_strategy: "no"\n' in result.stderr.replace("'", '"')


def test_fix_says_so_where_nothing_is_safe_to_mend(millhand: Millhand, furnished: Workspace) -> None:
    made.write_project(furnished, "train", made.changed("train", {"stage": "SFT"}))
    result = millhand("check", "qa", "--fix")
    assert result.exit_code == 3
    assert "nothing that is safe to mend" in result.stderr
    assert "safe to mend" not in millhand("check", "qa").stderr


def test_sarif_and_explain(millhand: Millhand, furnished: Workspace) -> None:
    made.write_project(furnished, "train", made.changed("train", {"stage": "SFT"}))
    assert json.loads(millhand("check", "--sarif").stdout)["version"] == "2.1.0"
    assert "Source: hparams/parser.py:190" in millhand("check", "--explain", "quantization.method").stdout
    wrong = millhand("check", "--explain", "quantization.methods")
    assert (wrong.exit_code, "quantization.method" in wrong.stderr) == (2, True)
    assert millhand("check", "absent").exit_code == 2


@pytest.mark.parametrize("preset", preset_paths())
def test_what_a_preset_makes_is_clean(millhand: Millhand, furnished: Workspace, preset: str) -> None:
    arguments = ["config", "new", "민원", "--preset", preset, "--dataset", "bicycle"]
    assert millhand(*arguments).exit_code == 0
    report = made.check(furnished, "민원")
    assert made.harmful(report) == [], report.findings


def test_a_check_imports_no_torch_nor_what_only_data_needs(
    furnished: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.write_project(furnished, "train", made.TRAIN)
    heavy = {"torch", "transformers", "datasets", "llamafactory", "pyarrow", "httpx", "numpy"}
    assert imported_by("check", "qa", "--json").isdisjoint(heavy)
