"""The probe: what it reads, and one real run of it in the tests' own interpreter."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from millhand.pods import probe

SOURCE = Path(probe.__file__).read_bytes()


def _cgroup(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text + "\n")
    return folder


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"cpu__max": "max 100000"}, 8),
        ({"cpu__max": "150000 100000"}, 2),
        ({"cpu__max": "20000 100000"}, 1),
        ({"cpu__cfs_quota_us": "400000", "cpu__cfs_period_us": "100000"}, 4),
        ({"cpu__cfs_quota_us": "-1", "cpu__cfs_period_us": "100000"}, 8),
        ({"cpu__max": "garbage"}, 8),
    ],
)
def test_a_containers_quota_cuts_the_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], cores: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(8)), raising=False)
    assert probe.core_count([_cgroup(tmp_path, **files), tmp_path / "absent"]) == cores


def test_a_containers_limit_cuts_the_memory(tmp_path: Path) -> None:
    assert probe.memory_gb([_cgroup(tmp_path, memory__max="1000000000")]) == 1.0
    # cgroup v1 says "no limit" with a number larger than any machine
    assert probe.memory_gb([_cgroup(tmp_path, memory__max="9223372036854771712")]) == probe.memory_gb([])


def test_a_process_is_limited_by_its_own_group_and_by_those_above(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.write_text("4:memory:/docker/ab\n0::/user.slice/app\n")
    folders = probe.cgroup_folders("/g", str(own))
    assert Path("/g/memory/docker/ab") in folders
    assert [Path("/g/user.slice"), Path("/g/user.slice/app")] == folders[-2:]


def test_nvidia_smi_is_read() -> None:
    text = "NVIDIA L4, 23034, 8.9, 550.54.15\nNVIDIA L4, [N/A], 8.9, 550.54.15\n"
    gpus, driver = probe.parse_smi(text)
    assert driver == "550.54.15"
    assert gpus[0] == {"name": "NVIDIA L4", "memory_gb": 24.2, "compute_capability": "8.9"}
    assert gpus[1]["memory_gb"] is None


def test_nvidia_smi_without_a_driver_is_no_gpu() -> None:
    words = "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver."
    assert probe.parse_smi(words) == ([], None)


def _run(*flags: str, cwd: Path, python_flags: tuple[str, ...] = ()) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, *python_flags, "-", *flags], input=SOURCE, cwd=cwd, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_it_runs_alone_where_nothing_is_installed(tmp_path: Path) -> None:
    facts = _run(cwd=tmp_path, python_flags=("-I", "-S"))
    assert facts["packages"] == {}
    assert facts["torch_build"] is None
    assert "torch" not in facts


def test_a_quick_look_names_this_interpreters_packages_and_is_not_fooled_by_the_folder(
    tmp_path: Path,
) -> None:
    (tmp_path / "torch.py").write_text("raise SystemExit('the wrong torch')\n")
    (tmp_path / "json.py").write_text("")
    facts = _run("--quick", cwd=tmp_path)
    packages = facts["packages"]
    assert isinstance(packages, dict)
    assert "msgspec" in packages
    assert isinstance(facts["cores"], int)
    assert facts["cores"] >= 1
    assert "torch" not in facts


def test_a_package_that_cannot_be_imported_is_reported_as_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "brokenaudio.py").write_text("raise OSError('Could not load this library: x.so')\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert probe.import_facts(["brokenaudio", "json"]) == {
        "brokenaudio": "OSError: Could not load this library: x.so",
        "json": "",
    }


@pytest.mark.real
def test_a_full_look_imports_torch_and_reads_what_llamafactory_asks_for(tmp_path: Path) -> None:
    facts = _run(cwd=tmp_path)
    assert facts["torch"]["version"] == facts["packages"]["torch"]
    assert facts["imports"]["torchaudio"] == ""
    assert "trl<=0.24.0,>=0.18.0" in facts["requires"]["llamafactory"]
