"""The facts of runs and datasets, gathered from a workspace."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from millhand.datasets.add import AddOptions, add_dataset
from millhand.datasets.built import Built, SourceReport, StepReport, write_built
from millhand.datasets.definition import Definition, SourceFile
from millhand.datasets.registry import Registry
from millhand.datasets.steps.base import Tally
from millhand.errors import UsageError
from millhand.hub.card import dataset_card, model_card
from millhand.hub.facts import Evaluation, Loss
from millhand.pods.lease import Terms
from millhand.runs.evaluations import evaluations_of, keep_evaluations
from millhand.runs.finished import EXPORTED, open_ledger
from millhand.runs.ledger import Run
from millhand.runs.pod_ledger import PodEntry, open_pod_ledger
from millhand.runs.published import (
    curves,
    dataset_facts,
    licence_files,
    model_facts,
    model_folder,
    private_words,
)
from millhand.workspace import Workspace

KEY = "rpa_" + "aB3dE" * 9
CONFIG = {
    "model_name_or_path": "org/base",
    "stage": "sft",
    "finetuning_type": "lora",
    "lora_rank": 8,
    "template": "chatml",
    "dataset": "qa",
    "cutoff_len": 256,
    "output_dir": "outputs/qa",
}
LOG = [
    {"current_steps": 10, "total_steps": 20, "loss": 2.5, "elapsed_time": "0:00:10"},
    {"current_steps": 20, "total_steps": 20, "loss": 1.5, "elapsed_time": "0:00:20"},
    {"current_steps": 20, "total_steps": 20, "eval_loss": 1.75, "elapsed_time": "0:00:21"},
]


@pytest.fixture
def rows(workspace: Workspace) -> str:
    """A dataset ``qa``; the hash of its rows."""
    path = workspace.root / "질문.csv"
    path.write_text(
        "질문,답변\n안장은 어떻게 맞추나요?,무릎이 살짝 굽게 맞춥니다.\n체인은요?,자주 닦습니다.\n",
        encoding="utf-8",
    )
    options = AddOptions(name="qa", licence="CC-BY-4.0", description="자전거 질문과 답변", system="짧게.")
    return add_dataset(Registry(workspace.registry), path, options).definition.sha256


@pytest.fixture
def run(workspace: Workspace, rows: str) -> Run:
    """A finished run that was exported, as train and export leave it."""
    facts = {"config": CONFIG, "data": {"qa": rows}, "model": {"hub": "org/base", "revision": "abc"}}
    made = Run("qa", "qa", "", "f", "local", "outputs/qa", 1.0, facts)
    ledger = open_ledger(workspace)
    ledger.add(made)
    trained = {
        "run": "qa",
        "millhand": "0.1.0",
        "config": {
            **CONFIG,
            "cache_dir": str(workspace.root / "cache"),
            "deepspeed": str(Path.home() / "ds.json"),
        },
        "seed": 42,
        "machine": {
            "python": "3.11.9",
            "platform": "Linux",
            "gpus": ["NVIDIA L4"],
            "packages": {"torch": "2.10.0"},
        },
        "results": {"steps": 20},
    }
    write(workspace.outputs / "qa" / "millhand_run.json", trained)
    write(workspace.outputs / "qa" / "adapter_config.json", {})
    (workspace.outputs / "qa" / "trainer_log.jsonl").write_text(
        "".join(json.dumps(line) + "\n" for line in LOG)
    )
    (workspace.outputs / "qa" / "training_loss.png").write_bytes(b"png")
    exported = {"values": {"export_size": 5}, "tokens": 12, "parameters": 7, "dtype": "bfloat16"}
    write(workspace.outputs / "qa-merged" / "millhand_run.json", {**trained, "export": exported})
    (workspace.outputs / "qa-merged" / "Modelfile").write_text("FROM .\n")
    write(workspace.outputs / "qa-merged" / "tokenizer_config.json", {"chat_template": "{{ x }}"})
    ledger.begin("qa", f"{EXPORTED}outputs/qa-merged")
    ledger.finish("qa", f"{EXPORTED}outputs/qa-merged", {"folder": "outputs/qa-merged"})
    return made


def write(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


def test_a_runs_facts_are_those_of_its_manifest_log_and_data(
    workspace: Workspace, run: Run, rows: str
) -> None:
    facts = model_facts(workspace, run, repository="kim/qa")
    assert (facts.kind, facts.repository, facts.stage, facts.template) == ("model", "kim/qa", "sft", "chatml")
    assert (facts.base.repository, facts.base.revision, facts.base.licence) == ("org/base", "abc", "")
    assert facts.losses == (Loss(10, 2.5), Loss(20, 1.5, 1.75))
    assert (facts.training_s, facts.steps, facts.seed, facts.curve) == (21.0, 20, 42, "training_loss.png")
    assert (facts.spoke, facts.parameters, facts.dtype) == (True, 7, "bfloat16")
    assert (facts.gpus, facts.versions, facts.languages) == (("NVIDIA L4",), {"torch": "2.10.0"}, ("ko",))
    assert (facts.modelfile, facts.chat_template, facts.system) == ("FROM .\n", "{{ x }}", "짧게.")
    (data,) = facts.data
    assert (data.name, data.rows, data.licence, data.sha256, data.changed) == (
        "qa",
        2,
        "CC-BY-4.0",
        rows,
        False,
    )
    assert data.origins[0].name == "질문.csv"
    assert facts.spent is None
    assert curves(workspace, run) == [workspace.outputs / "qa" / "training_loss.png"]


def test_the_adapters_facts_say_nothing_of_the_merge(workspace: Workspace, run: Run) -> None:
    facts = model_facts(workspace, run, merged=False)
    assert (facts.kind, facts.export, facts.spoke, facts.parameters) == ("adapter", {}, False, None)


def test_data_that_changed_since_is_said_to_have(workspace: Workspace, run: Run, rows: str) -> None:
    path = workspace.root / "질문.csv"
    path.write_text("질문,답변\n새 질문?,새 답.\n", encoding="utf-8")
    add_dataset(Registry(workspace.registry), path, AddOptions(name="qa", replace=True))
    (data,) = model_facts(workspace, run).data
    assert (data.changed, data.sha256) == (True, rows)
    assert "Changed since: qa" in model_card(model_facts(workspace, run))


def test_data_that_is_gone_or_on_the_hub_is_named_all_the_same(workspace: Workspace, run: Run) -> None:
    (workspace.registry / "dataset_info.json").write_text(json.dumps({"qa": {"hf_hub_url": "org/qa"}}))
    for path in (workspace.registry / "qa").iterdir():
        path.unlink()
    (data,) = model_facts(workspace, run).data
    assert (data.name, data.repository, data.rows) == ("qa", "org/qa", None)
    (workspace.registry / "dataset_info.json").write_text("{}")
    (data,) = model_facts(workspace, run).data
    assert (data.name, data.repository) == ("qa", "")


def test_a_bases_card_tells_its_licence(workspace: Workspace, run: Run) -> None:
    readme = (
        "---\nlicense: other\nlicense_name: own\nlicense_link: https://x.y/z\nextra_gated_prompt: Ask\n---\n"
    )
    base = model_facts(workspace, run, base_readme=readme).base
    assert (base.licence, base.licence_name, base.licence_link, base.gated) == (
        "other",
        "own",
        "https://x.y/z",
        True,
    )
    local = {**run.facts, "model": {"folder": "models/b", "files": {"config.json": "ab"}}}
    local["config"] = {**CONFIG, "model_name_or_path": "models/b"}
    here = Run("qa", "qa", "", "f", "local", "outputs/qa", 1.0, local)
    write(workspace.root / "models/b/config.json", {})
    (workspace.root / "models/b/README.md").write_text("---\nlicense: [apache-2.0]\n---\n")
    base = model_facts(workspace, here).base
    assert (base.name, base.repository, base.licence, base.made_here) == ("models/b", "", "apache-2.0", False)
    assert licence_files(workspace, run) == licence_files(workspace, here) == []
    (workspace.root / "models/b/LICENSE.txt").write_text("terms")
    assert [path.name for path in licence_files(workspace, here)] == ["LICENSE.txt"]
    (workspace.root / "models/b/millhand_model.json").write_text("{}")
    assert model_facts(workspace, here).base.made_here


def test_nothing_of_this_machine_and_no_secret_is_in_what_is_told(workspace: Workspace, run: Run) -> None:
    with (workspace.root / ".env").open("a") as env:
        env.write(f"RUNPOD_API_KEY={KEY}\nTEAM_PASSWORD=correct-horse-battery\nMODEL=org/base-model\n")
    path = workspace.outputs / "qa" / "millhand_run.json"
    trained = json.loads(path.read_text())
    trained["config"] |= {
        "run_name": f"see {KEY}",
        "hub_token": "short1",
        "x": f"할 말은{workspace.root}/x correct-horse-battery",
    }
    write(path, trained)
    card = model_card(model_facts(workspace, run))
    for secret in (str(workspace.root), f"{Path.home()}/", KEY, "short1", "correct-horse-battery"):
        assert secret not in card
    assert "correct-horse-battery" in private_words(workspace)
    assert "org/base-model" not in private_words(workspace)


def test_what_rented_pods_cost_is_added_up(workspace: Workspace, run: Run) -> None:
    ledger = open_pod_ledger(workspace)
    for number, bill in enumerate((0.5, None)):
        ledger.add(entry(f"pod-{number}", bill_usd=bill))
    ledger.add(entry("other", run="other"))
    spent = model_facts(workspace, run).spent
    assert spent is not None
    assert (spent.hours, round(spent.usd, 6), spent.billed, spent.gpus) == (
        2.0,
        0.9,
        False,
        ("NVIDIA L4",) * 2,
    )


def entry(name: str, **fields: Any) -> PodEntry:
    terms = Terms(hours=2.0)
    known = {"run": "qa", "spans": ((0.0, 3600.0),), "ended_s": 3600.0, **fields}
    return PodEntry(
        name=name, owner="qa", state="ended", pod_file="l4", gpu="NVIDIA L4", cloud="SECURE",
        data_center=None, usd_per_hour=0.4, terms=terms, touched_s=3600.0, **known,
    )  # fmt: skip


def test_evaluations_are_kept_with_the_run_the_later_in_place_of_the_earlier(
    workspace: Workspace, run: Run
) -> None:
    seen = Evaluation(dataset="qa", metric="exact_match", value=1.0, trained_on=True)
    keep_evaluations(workspace, run, [seen, Evaluation(dataset="held", metric="exact_match", value=0.1)])
    keep_evaluations(workspace, run, [Evaluation(dataset="held", metric="exact_match", value=0.2, asked=30)])
    assert [(item.dataset, item.value) for item in evaluations_of(workspace, run)] == [
        ("held", 0.2),
        ("qa", 1.0),
    ]
    assert "| `held` | no | exact\\_match | 0.2 | 30 |" in model_card(model_facts(workspace, run))


def test_what_was_not_exported_or_is_gone_is_a_clear_error(workspace: Workspace, rows: str) -> None:
    other = Run("x", "x", "", "f", "local", "outputs/x", 1.0, {"config": CONFIG, "data": {}, "model": {}})
    open_ledger(workspace).add(other)
    with pytest.raises(UsageError, match="no merged model"):
        model_folder(workspace, other, merged=True)
    with pytest.raises(UsageError, match="no weights"):
        model_folder(workspace, other, merged=False)


def test_a_datasets_facts_are_those_of_its_definition(workspace: Workspace, rows: str) -> None:
    facts = dataset_facts(workspace, "qa", repository="kim/qa")
    assert (facts.rows, facts.licence, facts.sha256, facts.languages) == (2, "CC-BY-4.0", rows, ("ko",))
    assert facts.mapping == {"instruction": "질문", "output": "답변"}
    assert [(split.name, split.path, split.rows) for split in facts.splits] == [("train", "rows.jsonl", 2)]
    assert "자전거 질문과 답변" in dataset_card(facts)


def test_a_dataset_made_by_hand_has_few_facts_and_a_card(workspace: Workspace) -> None:
    (workspace.registry / "hand.json").write_text('[{"instruction": "q", "input": "", "output": "a"}]')
    (workspace.registry / "dataset_info.json").write_text(json.dumps({"hand": {"file_name": "hand.json"}}))
    facts = dataset_facts(workspace, "hand")
    assert (facts.rows, facts.licence, facts.columns) == (
        1,
        "",
        ("instruction", "input", "output"),
    )
    assert "Its licence is not known." in dataset_card(facts)


def test_a_built_datasets_facts_tell_its_parts_its_sources_licences_and_its_steps(
    workspace: Workspace,
) -> None:
    folder = workspace.registry / "manual"
    folder.mkdir()
    file = SourceFile(path="docs/manual.pdf", sha256="ab" * 32, bytes=9, rows=5)
    parts = {"manual": "rows.jsonl", "manual_validation": "validation.jsonl"}
    made = []
    for number, (name, rows) in enumerate(parts.items(), 3):
        (folder / rows).write_text(
            '{"instruction": "문은?", "input": "", "output": "저녁에 닫는다."}\n' * number
        )
        columns = ("instruction", "input", "output")
        known = {"licence": "CC0-1.0", "description": "설비", "file": f"manual/{rows}"}
        made.append(Definition(name, (file,), "alpaca", "alpaca", columns, number, "cd" * 32, **known))
    tally = Tally(came=5, went=4, dropped={"too short": 1})
    options: dict[str, object] = {"generator": "outline", "url": "http://10.0.0.9", "seed": 0, "exact": False}
    built = Built(
        key="k", datasets=tuple(made), sources=(SourceReport(file, "KOGL Type 1", 5),),
        steps=(StepReport("generate", options, tally),),
    )  # fmt: skip
    write_built(folder / "build.json", built)
    (folder / "dataset.yaml").write_text("name: manual\nlicence: CC0-1.0\nsources: []\nsteps: []\n")
    facts = dataset_facts(workspace, "manual", repository="kim/manual")
    assert [(s.name, s.path, s.rows) for s in facts.splits] == [
        ("train", "rows.jsonl", 3),
        ("validation", "validation.jsonl", 4),
    ]
    assert (facts.rows, facts.origins[0].name, facts.origins[0].licence) == (7, "manual.pdf", "KOGL Type 1")
    card = dataset_card(facts)
    assert "| `generate` | 5 | 4 | 0 | 1 too short | `{exact: false, generator: outline}` |" in card
    assert "10.0.0.9" not in card
    assert "- synthetic" in card
