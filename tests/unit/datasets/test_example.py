"""The shipped ko_civil_service_inst: the file is there, the input is the query, it is made of its source."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from millhand.datasets.add import AddOptions, add_dataset
from millhand.datasets.info import columns_of
from millhand.datasets.registry import Registry
from millhand.workspace import create_workspace
from tests.unit.datasets.conftest import read_json, snapshot

_SHIPPED = Path(__file__).parents[3] / "dataset_registry"
_NAME = "ko_civil_service_inst"


@pytest.fixture
def shipped() -> Registry:
    return Registry(_SHIPPED)


def test_its_entry_names_the_file_that_is_there_and_gives_the_input_to_the_query() -> None:
    entry = read_json(_SHIPPED / "dataset_info.json")[_NAME]
    assert entry["file_name"] == f"{_NAME}/rows.jsonl"
    assert (_SHIPPED / entry["file_name"]).is_file()
    columns = columns_of(entry)
    assert (columns["prompt"], columns["query"], columns["response"]) == ("instruction", "input", "output")
    assert columns["history"] is None


def test_every_row_asks_with_the_citizens_text(shipped: Registry) -> None:
    records = list(shipped.dataset(_NAME).records())
    assert len(records) >= 24
    for record in records:
        assert record.input
        assert record.turn.question == f"{record.instruction}\n{record.input}"
        assert record.output.endswith(".")
    assert len({record.input for record in records}) == len(records)


def test_its_definition_describes_the_data_and_no_entry_of_others(shipped: Registry) -> None:
    definition = shipped.dataset(_NAME).definition
    assert definition is not None
    assert "file_name" not in definition.description  # it stands on a public card
    assert definition.licence == "Apache-2.0"


def test_making_it_anew_gives_the_committed_bytes(tmp_path: Path, shipped: Registry) -> None:
    standing = shipped.dataset(_NAME).definition
    assert standing is not None
    root = create_workspace(tmp_path)[0]
    folder = root.registry / _NAME
    folder.mkdir()
    source = Path(shutil.copy(_SHIPPED / _NAME / "source.csv", folder))
    options = AddOptions(
        name=_NAME, mapping=standing.mapping, licence=standing.licence, description=standing.description
    )
    add_dataset(Registry(root.registry), source, options)
    assert snapshot(folder) == snapshot(_SHIPPED / _NAME)
    made = read_json(root.registry / "dataset_info.json")[_NAME]
    assert made == read_json(_SHIPPED / "dataset_info.json")[_NAME]


def test_regenerating_the_registry_gives_the_committed_bytes(tmp_path: Path) -> None:
    copy = Path(shutil.copytree(_SHIPPED, tmp_path / "dataset_registry"))
    (copy / "dataset_info.json").unlink()
    Registry(copy).write()
    assert snapshot(copy) == snapshot(_SHIPPED)
