"""Adding: the same twice, names taken, and nothing half-written or lost however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from millhand.datasets import store
from millhand.datasets.add import AddOptions, add_dataset
from millhand.datasets.registry import Registry
from millhand.errors import FindingsError, UsageError
from millhand.workspace import create_workspace
from tests.patience import WITHIN_S
from tests.unit.datasets.conftest import Adder, alpaca, read_json, snapshot

_ONE, _TWO = alpaca(("가?", "나.")), alpaca(("다?", "라."), ("마?", "바."))


def test_the_same_file_twice_is_unchanged(add: Adder, registry: Registry) -> None:
    assert add(_ONE).status == "added"
    before = snapshot(registry.folder)
    for replace in (False, True):
        assert add(_ONE, replace=replace).status == "unchanged"
    assert snapshot(registry.folder) == before


def test_the_same_content_elsewhere_gives_the_same_bytes(tmp_path: Path) -> None:
    made = []
    for place in ("하나", "둘"):
        registry = Registry(create_workspace(tmp_path / place)[0].registry)
        path = tmp_path / place / "qa.csv"
        path.write_text("질문,답변\n가?,나.\n", encoding="utf-8")
        add_dataset(registry, path, AddOptions(licence="MIT"))
        made.append(snapshot(registry.folder))
    assert made[0] == made[1]


def test_no_home_folder_gets_into_what_is_written(add: Adder, registry: Registry, tmp_path: Path) -> None:
    add(_ONE)
    inside = registry.folder.parent / "raw" / "b.jsonl"
    inside.parent.mkdir()
    inside.write_bytes(add.write(_TWO).read_bytes())
    definition = add(inside).definition
    assert definition.sources[0].path == "raw/b.jsonl"
    assert str(tmp_path).encode() not in b"".join(filter(None, snapshot(registry.folder).values()))


def test_another_file_under_a_taken_name_is_refused_and_replaces_on_request(
    add: Adder, registry: Registry
) -> None:
    add(_ONE)
    (finding,) = add.faults(_TWO)
    assert finding.id == "data.duplicate-name"
    assert "--replace" in finding.mend
    assert "--name qa-2" in finding.mend
    assert "other content" in finding.message
    assert add(_TWO, replace=True).status == "replaced"
    assert len(list(registry.dataset("qa").rows())) == 2
    assert not list(registry.folder.glob(".*"))


def test_other_options_are_not_the_same(add: Adder) -> None:
    add(_ONE)
    assert "other options" in add.faults(_ONE, system="짧게")[0].message
    assert "other options" in add.faults(_ONE, licence="MIT")[0].message


def test_rows_that_were_edited_or_lost_are_noticed(add: Adder, registry: Registry) -> None:
    add(_ONE)
    rows = registry.folder / "qa" / "rows.jsonl"
    whole = rows.read_bytes()
    rows.write_bytes(whole + whole)
    assert "changed since" in add.faults(_ONE)[0].message
    rows.unlink()
    assert add(_ONE, replace=True).status == "replaced"
    assert rows.read_bytes() == whole


def test_what_is_not_ours_is_never_overwritten(add: Adder, registry: Registry) -> None:
    (registry.folder / "dataset_info.json").write_text('{"hand": {"hf_hub_url": "a/b"}}')
    assert add.faults(_ONE, name="hand", replace=True)[0].id == "data.existing-output"
    (registry.folder / "mine").mkdir()
    (registry.folder / "mine" / "rows.jsonl").write_text("{}")
    assert add.faults(_ONE, name="mine", replace=True)[0].id == "data.existing-output"


def test_a_source_that_lies_in_its_own_folder_stays_there(add: Adder, registry: Registry) -> None:
    folder = registry.folder / "qa"
    (folder / "raw").mkdir(parents=True)
    source = folder / "raw" / "qa.csv"
    for answer in ("나", "라"):
        source.write_text(f"질문,답변\n가?,{answer}.\n", encoding="utf-8")
        add(source, replace=True)
    assert sorted(snapshot(folder)) == ["dataset.yaml", "raw", "raw/qa.csv", "rows.jsonl"]
    assert registry.dataset("qa").definition.sources[0].path == "dataset_registry/qa/raw/qa.csv"


@pytest.mark.parametrize("name", ["a/b", "a b", "../x", ".a", "a,b"])
def test_an_illegal_name_is_wrong_usage(add: Adder, registry: Registry, name: str) -> None:
    before = snapshot(registry.folder)
    with pytest.raises(UsageError, match="cannot name a dataset"):
        add(_ONE, name=name)
    assert snapshot(registry.folder) == before


def test_the_name_comes_of_the_file_and_hangul_stays(add: Adder) -> None:
    assert add(_ONE, file="민원 상담 (최종).jsonl").definition.name == "민원_상담_최종"


def test_a_header_and_no_rows(add: Adder, tmp_path: Path) -> None:
    path = tmp_path / "qa.csv"
    path.write_text("질문,답변\n,\n", encoding="utf-8")
    assert [(f.id, f.row) for f in add.faults(path)] == [("data.header-only", 1)]
    path = tmp_path / "qa.json"
    path.write_text("[]")
    with pytest.raises(FindingsError):
        add(path)


def test_a_file_that_is_saved_meanwhile_is_refused(
    add: Adder, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    from millhand.datasets import add as module

    real, path = module.convert_rows, add.write(_ONE)

    def saved_meanwhile(*arguments: Any) -> Any:
        result = real(*arguments)
        add.write(_TWO)
        return result

    monkeypatch.setattr(module, "convert_rows", saved_meanwhile)
    assert add.faults(path)[0].id == "data.changed-meanwhile"


def test_a_fault_between_the_renames_puts_the_old_one_back(
    add: Adder, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(_ONE)
    before = snapshot(registry.folder)
    real = Path.rename

    def fails_for_the_new_one(self: Path, target: Path) -> Path:
        if self.name.endswith(".new"):
            raise OSError("disk full")
        return real(self, target)

    monkeypatch.setattr(Path, "rename", fails_for_the_new_one)
    with pytest.raises(OSError, match="disk full"):
        add(_TWO, replace=True)
    assert snapshot(registry.folder) == before


_KILLED = """
import os, signal, sys
from pathlib import Path
from millhand.datasets import add, convert, store
from millhand.datasets.registry import Registry

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

moment, folder, source = sys.argv[1:]
if moment == "reading":
    convert.RowWriter.finish = die
elif moment == "between":
    real = Path.rename
    Path.rename = lambda self, target: die() if self.name.endswith(".new") else real(self, target)
elif moment == "before-entry":
    Registry.write = die
add.add_dataset(Registry(Path(folder)), Path(source), add.AddOptions(name="qa", replace=True))
"""


@pytest.mark.parametrize("moment", ["reading", "between", "before-entry"])
def test_killed_at_any_moment_the_old_or_the_new_is_whole(
    add: Adder, registry: Registry, moment: str
) -> None:
    add(_ONE)
    old = snapshot(registry.folder)
    source = add.write(_TWO, "other.jsonl")
    code = textwrap.dedent(_KILLED)
    done = subprocess.run(
        [sys.executable, "-c", code, moment, registry.folder, source],
        check=False,
        capture_output=True,
        timeout=WITHIN_S,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    add(_ONE, name="next")  # whoever comes next clears up
    assert not list(registry.folder.glob(".*"))
    assert {"qa", "next"} == set(read_json(registry.folder / "dataset_info.json"))
    rows = list(registry.dataset("qa").rows())
    assert len(rows) == (2 if moment == "before-entry" else 1)
    if moment != "before-entry":
        assert snapshot(registry.folder / "qa") == {
            path.removeprefix("qa/"): content for path, content in old.items() if path.startswith("qa/")
        }


def test_what_another_command_is_building_is_left_alone(registry: Registry) -> None:
    with store.staging(registry.folder, "a") as stage:
        (stage / "rows.jsonl").write_text("{}")
        with store.locked(registry.folder):
            store.sweep(registry.folder)
        assert stage.is_dir()
    assert not stage.exists()


def test_two_commands_at_once_lose_no_entry(registry: Registry, tmp_path: Path, add: Adder) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from millhand.datasets.add import *\n"
        "add_dataset(Registry(Path(sys.argv[1])), Path(sys.argv[2]), AddOptions(name=sys.argv[3]))"
    )
    source = add.write(_ONE)
    names = [f"d{number}" for number in range(6)]
    running = [
        subprocess.Popen([sys.executable, "-c", code, registry.folder, source, name]) for name in names
    ]
    assert [process.wait(WITHIN_S) for process in running] == [0] * len(names)
    assert list(read_json(registry.folder / "dataset_info.json")) == names


def test_what_another_command_made_meanwhile_is_not_replaced(
    add: Adder, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    from millhand.datasets import add as module

    real, first = module.convert_rows, add.write(_ONE, "first.jsonl")

    def another_is_faster(*arguments: Any) -> Any:
        monkeypatch.setattr(module, "convert_rows", real)
        add(first, name="qa")
        return real(*arguments)

    monkeypatch.setattr(module, "convert_rows", another_is_faster)
    with pytest.raises(FindingsError, match="another command just made it"):
        add(_TWO)
    assert len(list(registry.dataset("qa").rows())) == 1


def test_a_folder_that_cannot_be_written_leaves_everything(add: Adder, registry: Registry) -> None:
    if os.geteuid() == 0:
        pytest.skip("root writes everywhere")
    registry.folder.chmod(0o500)
    try:
        with pytest.raises(OSError, match="denied"):
            add(_ONE)
    finally:
        registry.folder.chmod(0o700)
