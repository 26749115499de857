"""What travels to a pod to publish from there: whole, and the same hashes as here."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millhand.errors import Finding, FindingsError, MillhandError, UsageError
from millhand.files import sha256_file
from millhand.hub import inventory, sending
from millhand.hub.listing import git_blob_id, local_file
from millhand.pods import carried

_LONGEST_VARIABLE = 1 << 17  # MAX_ARG_STRLEN of Linux


def imported(module: str) -> set[str]:
    """Every module of Millhand that a module imports, anywhere in it."""
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    found = set()
    for node in ast.walk(ast.parse(Path(spec.origin).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("millhand"):
            found.add(node.module)
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.startswith("millhand")}
    return found


def test_the_modules_that_travel_import_each_other_only_and_in_this_order() -> None:
    known: set[str] = set()
    for module in sending.MODULES:
        assert imported(module) <= known, module
        known.add(module)


def test_the_program_fits_into_a_variable() -> None:
    assert len(carried.packed(sending.MODULES, sending.ENTRY)) < _LONGEST_VARIABLE / 2


def test_it_runs_where_millhand_is_not_installed(tmp_path: Path) -> None:
    """Without .pth files, so without this editable installation, the libraries are there all the same."""
    (tmp_path / "plan.json").write_text(
        '{"target": {"kind": "model", "id": "a/b"}, "stale": [], "card": "", "files": []}'
    )
    program = carried.packed(sending.MODULES, sending.ENTRY)
    env = {
        **os.environ,
        "PYTHONPATH": sysconfig.get_path("purelib"),
        "PROGRAM": program,
        "HF_HUB_OFFLINE": "1",
        "HF_TOKEN": "hf_x",
    }
    argv = [sys.executable, "-S", *carried.boot_argv("PROGRAM", alone=False)[3:], "plan.json"]
    ended = subprocess.run(argv, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert ended.returncode == UsageError.exit_code, ended.stderr
    assert "HF_HUB_OFFLINE is set" in json.loads(ended.stdout.splitlines()[-1])["error"]


def test_an_error_travels_home() -> None:
    finding = Finding(id="hub.no-right", severity="error", message="한글", why="why", mend="mend")
    told = json.loads(json.dumps(sending.told(FindingsError([finding], message="Nothing was sent."))))
    assert told["error"] == "Nothing was sent."
    assert [Finding(**item) for item in told["findings"]] == [finding]
    assert sending.told(MillhandError("lost", mend="again")) == {
        "error": "lost",
        "mend": "again",
        "findings": [],
    }


@given(data=st.binary(max_size=3000))
def test_a_pod_describes_a_file_as_this_side_does(
    data: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("there") / "a 가.json"
    path.write_bytes(data)
    here, there = local_file(path.name, path, sha256_file), inventory.described(path)
    assert there == {
        "path": path.name,
        "size": here.size,
        "mtime_ns": here.mtime_ns,
        "sha256": here.sha256,
        "blob_id": git_blob_id(data),
    }


def test_the_inventory_runs_alone_and_leaves_folders_out(tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(b"12")
    (tmp_path / "a").write_bytes(b"1")
    (tmp_path / "checkpoint-1").mkdir()

    def ask(*arguments: str) -> object:
        argv = [sys.executable, "-I", "-S", "-", *arguments]
        script = Path(inventory.__file__).read_bytes()
        return json.loads(subprocess.run(argv, input=script, capture_output=True, check=True).stdout)

    assert ask(str(tmp_path)) == [{"path": "a", "size": 1}, {"path": "b", "size": 2}]
    assert ask(str(tmp_path), "b") == [inventory.described(tmp_path / "b")]
    assert ask(str(tmp_path / "none")) == []
