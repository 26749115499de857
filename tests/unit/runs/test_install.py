"""The installation, step by step, on a scripted machine."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from millhand.errors import CommandError, FindingsError, MillhandError
from millhand.pods.base import Result
from millhand.pods.fake import FakePod
from millhand.runs.facts import ask
from millhand.runs.install import STAMP, Report, install, planned_steps, read_limits, remove_libraries
from millhand.shell import Command
from millhand.training.install import Wish
from tests.unit.training.test_install import ASKED, CPU, CUDA, PIP, PY, without

UNLOADABLE = "OSError: Could not load this library: /v/torchaudio/lib/_torchaudio.abi3.so"
CPU_BUILD = {"version": "2.13.0+cpu", "cuda": None}
CUDA_BUILD = {"version": "2.13.0", "cuda": "13.0"}
EMPTY = {"pip": "24"}
WISH = Wish(PY)


class Machine:
    """Scripts a pod: the quick looks in order, the full look, and how LLaMA-Factory starts."""

    def __init__(
        self, prefix: Path, *quick: dict[str, Any], full: dict[str, Any] | None = None, start: int = 0
    ):
        self.prefix = prefix
        self.said: list[str] = []
        self.ran: list[tuple[str, ...]] = []
        self.codes: list[int] = []
        script: dict[Any, Result | Sequence[Result]] = {
            (PY, "-", "--quick"): [self._look(facts) for facts in quick],
            (PY, "-m", "llamafactory.cli", "version"): _ended(start, "Welcome", "ImportError: boom"),
        }
        if full is not None:
            script[(PY, "-")] = [self._look(full)]
        self.pod = FakePod(script, python=PY)

    def _look(self, facts: dict[str, Any]) -> Result:
        python = {
            "version": "3.11.9",
            "executable": PY,
            "prefix": str(self.prefix),
            **facts.pop("python", {}),
        }
        return _ended(0, json.dumps({"python": python, "prefix_free_gb": 50.0, **facts}), "")

    def stream(self, command: Command) -> int:
        self.ran.append(command.argv)
        return self.codes.pop(0) if self.codes else 0

    def install(self, wish: Wish = WISH) -> Report:
        return install(self.pod, wish, say=self.said.append, stream=self.stream)

    @property
    def started(self) -> int:
        return sum(command.argv[-1] == "version" for command in self.pod.commands)


def _ended(code: int, stdout: str, stderr: str) -> Result:
    return Result(Command(("x",)), code, stdout, stderr)


def _cpu(**changes: Any) -> dict[str, Any]:
    return {"packages": CPU, "torch_build": CPU_BUILD, "requires": {"llamafactory": ASKED}} | changes


def _fresh_cpu(tmp_path: Path, **full: Any) -> Machine:
    with_torch = {"packages": {**EMPTY, "torch": "2.13.0+cpu"}, "torch_build": CPU_BUILD}
    return Machine(tmp_path, {"packages": EMPTY}, with_torch, _cpu(), full=_cpu(**full))


def test_a_fresh_cpu_machine_gets_torch_the_set_and_llamafactory(tmp_path: Path) -> None:
    machine = _fresh_cpu(tmp_path, imports={"torchaudio": ""})
    report = machine.install()
    assert machine.ran[0] == (*PIP, "torch>=2.4")
    assert machine.ran[1][len(PIP)] == "torchaudio==2.11.0"
    assert machine.ran[2] == (*PIP, "--no-deps", "llamafactory==0.9.5")
    assert len(machine.ran) == len(report.steps) == 3
    assert machine.started == 1
    assert (report.build, report.packages["llamafactory"]) == ("CPU", "0.9.5")
    assert (tmp_path / STAMP).is_file()


def test_a_fresh_cuda_machine_gets_all_dependencies(tmp_path: Path) -> None:
    with_torch = {"packages": {"torch": "2.13.0"}, "torch_build": CUDA_BUILD}
    done = {"packages": CUDA, "torch_build": CUDA_BUILD, "requires": {"llamafactory": ASKED}}
    machine = Machine(tmp_path, {"packages": EMPTY}, with_torch, {**done}, full={**done, "imports": {}})
    report = machine.install()
    assert machine.ran == [
        (*PIP, "torch>=2.4"),
        (*PIP, "llamafactory==0.9.5", "bitsandbytes>=0.45", "tensorboard>=2.18", "torch==2.13.0"),
    ]
    assert report.build == "CUDA 13.0"


def test_a_rerun_does_nothing_and_imports_nothing(tmp_path: Path) -> None:
    _fresh_cpu(tmp_path, imports={}).install()
    again = Machine(tmp_path, _cpu())
    report = again.install()
    assert again.ran == []
    assert again.started == 0
    assert report.steps == []


def test_what_changed_since_is_looked_at_again(tmp_path: Path) -> None:
    _fresh_cpu(tmp_path, imports={}).install()
    changed = Machine(tmp_path, _cpu(packages={**CPU, "numpy": "2.5.0"}), full=_cpu(imports={}))
    changed.install()
    assert changed.ran == []
    assert changed.started == 1


def test_torchaudios_libraries_go_where_they_do_not_load(tmp_path: Path) -> None:
    libraries = _torchaudio(tmp_path, "_torchaudio.abi3.so", "libtorchaudio.abi3.so")
    machine = _fresh_cpu(tmp_path, imports={"torchaudio": UNLOADABLE}, torchaudio_libraries=libraries)
    report = machine.install()
    assert report.removed == libraries
    assert not any(Path(path).exists() for path in libraries)
    assert any("torchaudio's native libraries" in said for said in machine.said)


def test_torchaudios_libraries_stay_where_they_load_or_fail_otherwise(tmp_path: Path) -> None:
    libraries = _torchaudio(tmp_path, "_torchaudio.abi3.so")
    machine = _fresh_cpu(
        tmp_path, imports={"torchaudio": "ImportError: no numpy"}, torchaudio_libraries=libraries
    )
    assert machine.install().removed == []
    assert all(Path(path).exists() for path in libraries)


def test_nothing_outside_torchaudio_lib_is_ever_removed(tmp_path: Path) -> None:
    other = tmp_path / "torch" / "lib" / "libtorch.so"
    other.parent.mkdir(parents=True)
    other.touch()
    assert remove_libraries([str(other)]) == []
    assert other.exists()


def test_a_broken_torchvision_beside_a_cpu_build_is_uninstalled(tmp_path: Path) -> None:
    broken = {"torchvision": "RuntimeError: operator torchvision::nms does not exist"}
    machine = Machine(tmp_path, _cpu(), _cpu(), full=_cpu(imports=broken))
    report = machine.install()
    assert machine.ran == [
        (PY, "-m", "pip", "uninstall", "--yes", "--disable-pip-version-check", "torchvision")
    ]
    assert report.removed == ["torchvision"]


def test_a_broken_torchvision_beside_cuda_is_left_to_the_doctor(tmp_path: Path) -> None:
    facts = {"packages": CUDA, "torch_build": CUDA_BUILD, "requires": {"llamafactory": ASKED}}
    machine = Machine(tmp_path, {**facts}, full={**facts, "imports": {"torchvision": "ImportError: x"}})
    machine.install()
    assert machine.ran == []


def test_a_failure_of_pip_stops_there_and_a_rerun_goes_on(tmp_path: Path) -> None:
    machine = _fresh_cpu(tmp_path)
    machine.codes = [0, 1]
    with pytest.raises(CommandError, match="goes on from there"):
        machine.install()
    assert len(machine.ran) == 2
    assert not (tmp_path / STAMP).exists()


def test_a_llamafactory_that_does_not_start_is_no_success(tmp_path: Path) -> None:
    machine = Machine(tmp_path, _cpu(), full=_cpu(imports={}), start=1)
    with pytest.raises(CommandError, match="boom"):
        machine.install()
    assert not (tmp_path / STAMP).exists()


@pytest.mark.parametrize(
    ("python", "free_gb", "id"),
    [
        ({"version": "3.10.1"}, 50.0, "doctor.python.old"),
        ({"externally_managed": True}, 50.0, "doctor.python.managed"),
        ({"pip": False}, 50.0, "doctor.python.no-pip"),
        ({}, 1.0, "doctor.disk.full"),
    ],
)
def test_what_keeps_pip_from_installing_is_found_before_it_runs(
    tmp_path: Path, python: dict[str, Any], free_gb: float, id: str
) -> None:
    machine = Machine(tmp_path, {"packages": EMPTY, "python": python, "prefix_free_gb": free_gb})
    with pytest.raises(FindingsError, match="Nothing was installed") as caught:
        machine.install()
    assert [finding.id for finding in caught.value.findings] == [id]
    assert machine.ran == []


def test_a_finished_environment_of_the_systems_own_python_is_no_fault(tmp_path: Path) -> None:
    facts = _cpu(python={"externally_managed": True})
    machine = Machine(tmp_path, {**facts}, full={**facts, "imports": {}})
    assert machine.install().steps == []


def test_the_plan_names_both_builds_where_torch_is_still_to_come(tmp_path: Path) -> None:
    fresh = ask(Machine(tmp_path, {"packages": EMPTY}).pod, quick=True)
    assert [step.when for step in planned_steps(fresh, WISH)] == [None, "cpu", "cpu", "cuda"]
    half = ask(Machine(tmp_path, _cpu(packages=without(CPU, "trl"))).pod, quick=True)
    assert [step.command.argv for step in planned_steps(half, WISH)] == [(*PIP, "trl==0.24.0")]


def test_limits_are_read_from_constraint_files(tmp_path: Path) -> None:
    file = tmp_path / "c.txt"
    file.write_text("# head\n\ntorch==2.13.0  # any build\ntrl==0.24.0\n")
    assert read_limits([file]) == ("torch==2.13.0", "trl==0.24.0")
    with pytest.raises(MillhandError, match="cannot be read"):
        read_limits([tmp_path / "none.txt"])


def _torchaudio(folder: Path, *names: str) -> list[str]:
    lib = folder / "torchaudio" / "lib"
    lib.mkdir(parents=True)
    for name in names:
        (lib / name).touch()
    return [str(lib / name) for name in names]
