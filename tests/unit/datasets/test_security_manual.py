"""The shipped security_manual: built anew it is the committed bytes; rows are sourced and leak nothing."""

from __future__ import annotations

import json
import shutil
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from millhand.datasets.building.build import BuildOptions, build_dataset
from millhand.datasets.registry import Registry
from millhand.datasets.synthesize.ground import Ground
from millhand.datasets.synthesize.judge import faults, question_key
from millhand.documents.document import plain_text
from millhand.documents.read import read_document
from millhand.files import sha256_file
from millhand.workspace import create_workspace
from tests.unit.datasets.conftest import read_json, snapshot

SHIPPED = Path(__file__).parents[3] / "dataset_registry"
NAME = "security_manual"
FILES = {"train": "rows.jsonl", "validation": "validation.jsonl", "test": "test.jsonl"}


@pytest.fixture(scope="module")
def rows() -> dict[str, list[dict[str, Any]]]:
    return {
        split: [json.loads(line) for line in (SHIPPED / NAME / file).read_text("utf-8").splitlines()]
        for split, file in FILES.items()
    }


def chapter(row: dict[str, Any]) -> str:
    return str(row["source"]["section"]).partition(" > ")[0]


def test_building_it_anew_gives_the_committed_bytes(tmp_path: Path) -> None:
    space = create_workspace(tmp_path)[0]
    ignored = shutil.ignore_patterns("*.jsonl", "build.json", "*.py", "__pycache__")
    shutil.copytree(SHIPPED / NAME, space.registry / NAME, ignore=ignored)
    build_dataset(space, NAME, BuildOptions(workers=1))
    made, committed = snapshot(space.registry / NAME), snapshot(SHIPPED / NAME)
    for file in (*FILES.values(), "build.json"):
        assert made[file] == committed[file], f"make data, then commit {NAME}/{file}"
    entries = read_json(space.registry / "dataset_info.json")
    shipped = read_json(SHIPPED / "dataset_info.json")
    assert entries == {name: entry for name, entry in shipped.items() if name.startswith(NAME)}


def test_there_are_enough_rows_and_no_question_stands_twice(rows: dict[str, list[dict[str, Any]]]) -> None:
    every = [row for split in rows.values() for row in split]
    assert len(every) >= 200
    assert all(len(split) >= 20 for split in rows.values())
    assert len({question_key(row["instruction"]) for row in every}) == len(every)
    assert not any(row["input"] for row in every)


def test_each_procedure_is_in_one_split(rows: dict[str, list[dict[str, Any]]]) -> None:
    splits = defaultdict(set)
    for split, found in rows.items():
        for row in found:
            splits[chapter(row)].add(split)
    assert len(splits) == 14
    assert all(len(found) == 1 for found in splits.values())


def test_every_row_names_its_page_licence_and_generator(rows: dict[str, list[dict[str, Any]]]) -> None:
    sha256 = sha256_file(SHIPPED / NAME / "source" / "manual.pdf")
    for row in (row for split in rows.values() for row in split):
        source = row["source"]
        assert source["sha256"] == sha256
        assert source["place"].startswith("page ")
        assert (source["licence"], source["generator"]) == ("CC0-1.0", "outline 1")
        assert len(source["prompt_sha256"]) == 64


def test_every_answer_is_grounded_in_its_section(rows: dict[str, list[dict[str, Any]]]) -> None:
    (document,) = read_document(SHIPPED / NAME / "source" / "manual.pdf", tables=True).documents
    texts = {
        " > ".join(section.heading for section in path): "\n".join(map(plain_text, path[-1].blocks))
        for path in document.paths()
    }
    for row in (row for split in rows.values() for row in split):
        section = row["source"]["section"]
        ground = Ground(f"{document.title}\n{section}\n{texts[section]}")
        assert faults(row["instruction"], row["output"], ground) == []


def test_the_registry_knows_its_three_parts() -> None:
    registry = Registry(SHIPPED)
    for split, count in (("", 300), ("_validation", 20), ("_test", 20)):
        assert len(list(registry.dataset(f"{NAME}{split}").records())) >= count
