"""What this project publishes passes its own check, and the hook that others use runs it."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from millhand.cli.check_pod import machine_of
from millhand.training.check.preflight import Preflight
from millhand.workspace import Workspace
from tests.cases import check as made

ROOT = Path(__file__).parents[3]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("runpod/*.md")])
_FENCE = re.compile(r"^```(yaml|json)\n(.*?)^```", re.M | re.S)
_PURPOSES = {"export_dir": "export", "do_train": "train"}


def snippets(text: str) -> Iterator[tuple[str, Any]]:
    """The blocks of a page that are LLaMA-Factory's: configs by their purpose, entries of a registry."""
    for kind, block in _FENCE.findall(text):
        values = yaml.safe_load(block) if kind == "yaml" else json.loads(block)
        if isinstance(values, dict) and "model_name_or_path" in values:
            yield next((name for key, name in _PURPOSES.items() if key in values), "chat"), values
        elif isinstance(values, dict) and any(
            isinstance(value, dict) and "file_name" in value for value in values.values()
        ):
            yield "registry", values


def faults(workspace: Workspace, text: str) -> list[str]:
    """What the check says of a page's snippets; what they name need not be there."""
    found: list[str] = []
    for purpose, values in snippets(text):
        if purpose == "registry":
            made.write_info(workspace, values)
            found += [name for entry in values for name in made.harmful(made.check(workspace, entry))]
        else:
            made.write_project(workspace, purpose, values)
            file = f"/{purpose}.yaml"
            found += [
                f.id for f in made.check(workspace).findings if f.severity != "note" and f.file.endswith(file)
            ]
    absent = {"data.no-file", "train.unknown-dataset", "train.no-model-folder", "infer.adapter-differs"}
    return [name for name in found if name not in absent]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_published_snippet_is_clean(workspace: Workspace, page: Path) -> None:
    made.furnish(workspace)
    assert faults(workspace, page.read_text(encoding="utf-8")) == []


def test_a_snippet_with_a_fault_would_be_found(workspace: Workspace) -> None:
    made.furnish(workspace)
    config = "```yaml\nmodel_name_or_path: models/tiny\ndo_train: true\nevaluation_strategy: steps\n```\n"
    assert "config.renamed-key" in faults(workspace, config)
    entry = '```json\n{"a": {"file_name": "a.jsonl", "format": "sharegpt"}}\n```\n'
    assert "data.unknown-member" in faults(workspace, entry)
    assert list(snippets("```yaml\nrepos: []\n```\n")) == []


def test_the_projects_own_configs_are_clean() -> None:
    report = made.check(Workspace(ROOT), "all")
    assert made.harmful(report) == [], report.findings
    assert any(file.endswith("train.yaml") for file in report.files)


@pytest.mark.parametrize("pod", sorted({path.stem for path in ROOT.glob("runpod/*.yaml")} - {"local"}))
def test_the_projects_own_configs_fit_the_published_pods(pod: str) -> None:
    workspace = Workspace(ROOT)
    machine = machine_of(workspace, pod)
    assert machine.rented
    assert machine.packages
    preflight = Preflight(workspace, machine=machine)
    assert made.harmful(preflight.check(["all"])) == []


def hook() -> dict[str, Any]:
    (found,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    return dict(found)


def committed(workspace: Workspace) -> tuple[int, str]:
    """Run the hook on all files, as pre-commit does: entry and args as a command line, the files behind."""
    names = [
        path.relative_to(workspace.root).as_posix() for path in workspace.root.rglob("*") if path.is_file()
    ]
    matching = [name for name in names if re.search(hook()["files"], name)]
    if not matching:
        return 0, "no files to check"
    command = [*shlex.split(hook()["entry"]), *hook().get("args", [])]
    command += matching if hook().get("pass_filenames", True) else []
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(command, cwd=workspace.root, env=env, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_the_hook_lets_good_files_pass_and_stops_bad_ones(workspace: Workspace) -> None:
    made.furnish(workspace)
    made.write_project(workspace, "train", made.TRAIN)
    (workspace.root / "outputs" / "qa").mkdir(parents=True)
    assert committed(workspace) == (0, committed(workspace)[1])
    made.write_project(workspace, "train", made.changed("train", {"stage": "SFT"}))
    code, said = committed(workspace)
    assert (code, "config.choice" in said) == (3, True)


def test_the_hook_has_what_pre_commit_asks_for() -> None:
    assert {"id", "name", "entry", "language", "files"} <= hook().keys()
    assert hook()["language"] == "python"
    assert re.search(hook()["files"], "dataset_registry/dataset_info.json")
    assert not re.search(hook()["files"], "docs/dataset_registry.md")
