"""`millhand check` on a workspace: every rule by a case of its own, rows, files, mending, SARIF."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from millhand.errors import Finding, UsageError
from millhand.training.check.explain import explain, names
from millhand.training.check.faults import ROW_FAULTS
from millhand.training.check.places import places
from millhand.training.check.rules import ALL
from millhand.training.check.sarif import sarif
from millhand.workspace import Workspace
from tests.cases import check as made

CONFIGS = made.cases("configs")
ROWS = made.cases("rows")


@pytest.fixture
def furnished(workspace: Workspace) -> Workspace:
    made.furnish(workspace)
    return workspace


@pytest.mark.parametrize("case", CONFIGS, ids=lambda case: f"{case['found']} {case['change']}")
def test_each_fault_of_a_config_is_found_at_its_line(furnished: Workspace, case: dict[str, Any]) -> None:
    made.write_project(furnished, case["purpose"], made.changed(case["purpose"], case["change"]))
    report = made.check(furnished, settings=case.get("settings"))
    if case["found"] is None:
        assert [name for name in made.harmful(report) if not name.startswith("infer.")] == []
        return
    found = [finding for finding in report.findings if finding.id == case["found"]]
    assert len(found) == 1, report.findings
    text = (furnished.configs / "qa" / f"{case['purpose']}.yaml").read_text(encoding="utf-8")
    keys = [key for key in case["change"] if case["change"][key] is not None]
    assert found[0].file.endswith(f"qa/{case['purpose']}.yaml")
    assert found[0].why
    assert found[0].mend
    if keys and found[0].line is not None:
        assert text.splitlines()[found[0].line - 1].partition(":")[0] in {*keys, "dataset", "cutoff_len"}
        assert found[0].column == "1"


@pytest.mark.parametrize("value", [True, 0, -1, 2.5, "text", "", [], ["a", 1], {"a": {"b": 1}}, None])
def test_no_value_of_any_key_breaks_the_check(furnished: Workspace, value: Any) -> None:
    from millhand.llamafactory.knowledge import shipped
    from millhand.training.check.machine import Gpu, Machine
    from millhand.training.check.preflight import Preflight

    machine = Machine(name="x", cores=1, disk_gb=1, gpus=(Gpu("Tesla T4"),), packages={})
    for key in shipped().keys("train"):
        folder = furnished.configs / "qa"
        folder.mkdir(exist_ok=True)
        text = "".join(f"{k}: {json.dumps(v)}\n" for k, v in {**made.TRAIN, key: value}.items())
        (folder / "train.yaml").write_text(text, encoding="utf-8")
        preflight = Preflight(furnished, machine=machine)
        preflight.settings = {}
        preflight.check(["qa"])


def test_every_rule_and_every_fault_of_a_row_has_a_case_and_an_explanation() -> None:
    assert set(ALL) - {case["found"] for case in CONFIGS} == {"config.finetuning-type"}
    assert set(ROW_FAULTS) - {name for case in ROWS for name in case["found"]} == set()
    source = Path(__file__).parents[3] / "src" / "millhand" / "training" / "check"
    text = "".join(path.read_text(encoding="utf-8") for path in source.rglob("*.py") if path.stem != "basics")
    used = set(re.findall(r'"((?:config|data|train|infer|export)\.[a-z0-9-]+)"', text)) - {"config.json"}
    assert used - set(names()) == set()
    assert all(explain(name) for name in names())
    assert explain("no.such") == ""


@pytest.mark.parametrize("case", ROWS, ids=lambda case: f"{case['found']} {case['stage']}")
def test_each_fault_of_a_dataset_is_found(furnished: Workspace, case: dict[str, Any]) -> None:
    made.write_case(furnished, case)
    (furnished.registry / "case.JSONL").write_bytes((furnished.registry / "case.jsonl").read_bytes())
    made.write_project(furnished, "train", made.changed("train", made.dataset_change(case)))
    report = made.check(furnished)
    found = {name for name in made.harmful(report) if not name.startswith("infer.")}
    assert sorted(found) == sorted(case["found"])


def test_a_clean_project_has_no_finding_and_its_rows_are_counted(furnished: Workspace) -> None:
    made.write_project(furnished, "train", made.TRAIN)
    (furnished.root / "outputs" / "qa").mkdir(parents=True)
    report = made.check(furnished, "all")
    assert report.findings == []
    assert report.rows == {"bicycle": 12, "small": 4, "pairs": 6, "labels": 12}
    assert report.files[0] == "llamafactory_configs/qa/train.yaml"


def test_a_target_is_a_project_a_file_or_a_dataset(furnished: Workspace) -> None:
    made.write_project(furnished, "train", made.changed("train", {"do_tran": True}))
    for target in ("qa", "llamafactory_configs/qa/train.yaml"):
        assert made.harmful(made.check(furnished, target))[0] == "config.unknown-key"
    assert made.check(furnished, "pairs").rows == {"pairs": 6}
    with pytest.raises(UsageError, match="Did you mean 'pairs'"):
        made.check(furnished, "pair")


@pytest.mark.parametrize(
    ("content", "found", "line"),
    [
        (b'{"a": {"file_name": "x.jsonl"},}', "data.broken-registry", 1),
        (b'{\n"a": 3}', "data.broken-registry", None),
        (b"[]", "data.broken-registry", None),
        ('\ufeff{"a": {}}'.encode(), "data.broken-registry", 1),
    ],
)
def test_a_registry_that_cannot_be_read(
    furnished: Workspace, content: bytes, found: str, line: int | None
) -> None:
    (furnished.registry / "dataset_info.json").write_bytes(content)
    finding = made.check(furnished, "all").findings[0]
    assert (finding.id, finding.line) == (found, line)


def test_places_of_json() -> None:
    text = '{\n  "가": {"columns": {"prompt": "질문"}, "tags": [{"x": 1}]},\n  "b": {}\n}'
    found = places(text)
    assert found["가",] == (2, 3)
    assert found["가", "columns", "prompt"] == (2, 21)
    assert found["b",] == (3, 3)
    assert ("가", "tags", "x") not in found


def test_files_of_other_kinds_are_read_as_datasets_would(furnished: Workspace) -> None:
    registry = furnished.registry
    (registry / "a.json").write_text('[{"instruction": "q", "input": "", "output": ""}]', encoding="utf-8")
    (registry / "b.json").write_bytes(b'\xef\xbb\xbf[{"instruction": "q", "input": "", "output": "a"}]')
    (registry / "c.csv").write_text("instruction,input,output\nq,,1\nr,,2\n", encoding="utf-8")
    (registry / "d.csv").write_text("instruction,input,output\nq,,가\nr,,나\n", encoding="utf-8")
    (registry / "e.jsonl").write_bytes(b'\xef\xbb\xbf{"instruction": "q", "input": "", "output": "a"}\n\n')
    (registry / "f.jsonl").write_text('{"instruction": "q", "input": "", "output": "a"}\n{"x"\n[1]\n')
    made.write_info(furnished, {p.stem: {"file_name": p.name} for p in sorted(registry.glob("?.*"))})
    found = {name: made.harmful(made.check(furnished, name)) for name in "abcdef"}
    assert found == {
        "a": ["data.empty-answer"],
        "b": ["data.byte-order-mark"],
        "c": ["data.no-answer", "data.no-valid-rows"],
        "d": [],
        "e": [],
        "f": ["data.broken-row"],
    }


def test_a_file_in_parts_is_counted_as_a_whole(furnished: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        {"instruction": "질문", "input": "", "output": "" if n % 50 == 7 else f"답 {n}"} for n in range(300)
    ]
    made.write_rows(furnished.registry / "case.jsonl", rows)
    made.write_info(furnished, {"case": {"file_name": "case.jsonl"}})
    whole = made.check(furnished, "case")
    monkeypatch.setattr("millhand.training.check.scan._PART", 2000)
    parts = made.check(furnished, "case")
    assert whole.rows == parts.rows == {"case": 300}
    assert whole.findings == parts.findings
    assert whole.findings[0].row == 8
    assert "6 of 300 rows" in whole.findings[0].message
    assert "(rows 8, 58, 108, 158, 208 …)" in whole.findings[0].message


def test_reasoning_templates_want_thoughts(furnished: Workspace) -> None:
    for change, found in (({}, ["data.no-thought"]), ({"enable_thinking": False}, [])):
        made.write_project(furnished, "train", made.changed("train", {"template": "qwen3", **change}))
        report = made.check(furnished)
        assert [name for name in made.harmful(report) if not name.startswith("infer.")] == found
    thought = [{"instruction": "q", "input": "", "output": "<think>\n음\n</think>\n\n답"}]
    made.write_rows(furnished.registry / "bicycle.jsonl", thought)
    made.write_project(furnished, "train", made.changed("train", {"template": "qwen3"}))
    assert "data.no-thought" not in made.harmful(made.check(furnished))


def test_sarif_names_file_line_and_column(furnished: Workspace) -> None:
    made.write_project(furnished, "train", made.changed("train", {"stage": "SFT"}))
    log = sarif(made.check(furnished).findings)
    assert log["version"] == "2.1.0"
    result = log["runs"][0]["results"][0]
    assert (result["ruleId"], result["level"]) == ("config.choice", "error")
    assert result["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "llamafactory_configs/qa/train.yaml"},
        "region": {"startLine": 2, "startColumn": 1},
    }
    assert [rule["id"] for rule in log["runs"][0]["tool"]["driver"]["rules"]] == ["config.choice"]


def test_sarif_names_files_by_uris(tmp_path: Path) -> None:
    for file in ("dataset_registry/민원 데이터.jsonl", "a:b#1?.yaml", str(tmp_path / "밖 rows.jsonl")):
        found = Finding(id="x.y", severity="error", message="m", file=file)
        (result,) = sarif([found])["runs"][0]["results"]
        uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        assert re.fullmatch(r"(file://)?[A-Za-z0-9._~/%-]+", uri)
        assert unquote(uri.removeprefix("file://")) == file


def test_the_state_of_the_output_folder_is_a_note(furnished: Workspace) -> None:
    made.write_project(furnished, "train", made.TRAIN)
    output = furnished.root / "outputs" / "qa"
    output.mkdir(parents=True)
    (output / "adapter_model.safetensors").write_bytes(b"")
    assert [f.id for f in made.check(furnished).findings] == ["train.output-full"]
    (output / "checkpoint-4").mkdir()
    assert [(f.id, f.severity) for f in made.check(furnished).findings] == [("train.resumes", "note")]


def test_arrow_files_are_read(furnished: Workspace) -> None:
    import pyarrow as pa

    rows = [{"instruction": "q", "input": "", "output": text} for text in ("가", "", "나")]
    table = pa.Table.from_pylist(rows)
    for name, writer in (("stream.arrow", pa.ipc.new_stream), ("file.arrow", pa.ipc.new_file)):
        with writer(str(furnished.registry / name), table.schema) as sink:
            sink.write_table(table)
    (furnished.registry / "broken.arrow").write_bytes(b"ARROW?")
    made.write_info(furnished, {n: {"file_name": f"{n}.arrow"} for n in ("stream", "file", "broken")})
    found = {name: made.check(furnished, name) for name in ("stream", "file", "broken")}
    assert {name: made.harmful(report) for name, report in found.items()} == {
        "stream": ["data.empty-answer"],
        "file": ["data.empty-answer"],
        "broken": ["data.broken-file"],
    }
    assert found["file"].findings[0].row == 2


def test_rows_that_lie_elsewhere_are_said_not_to_be_looked_into(furnished: Workspace) -> None:
    keys = ("hf_hub_url", "ms_hub_url", "om_hub_url", "cloud_file_name", "script_url")
    made.write_info(furnished, {key: {key: "s3://someone/rows"} for key in keys})
    found = {key: [(f.id, f.severity) for f in made.check(furnished, key).findings] for key in keys}
    elsewhere = [("data.elsewhere", "note")]
    assert found == {**dict.fromkeys(keys, elsewhere), "script_url": [("data.script", "warning")]}
