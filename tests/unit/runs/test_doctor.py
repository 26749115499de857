"""The doctor's judgement over hand-made machines."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from millhand.errors import MillhandError
from millhand.llamafactory import pins
from millhand.pods.base import Result
from millhand.pods.fake import FakePod
from millhand.runs.doctor import Diagnosis, diagnose, findings
from millhand.runs.facts import Facts
from millhand.shell import Command

STACK = {
    "torch": "2.13.0+cpu", "torchaudio": "2.11.0", "llamafactory": "0.9.5", "transformers": "5.6.0",
    "datasets": "4.0.0", "accelerate": "1.11.0", "peft": "0.18.1", "trl": "0.24.0", "omegaconf": "2.4.0",
    "numpy": "2.4.6", "packaging": "26.3", "pyyaml": "6.0.3", "safetensors": "0.8.0", "fastapi": "0.163",
    "uvicorn": "0.54", "sse-starlette": "3.7.0", "pydantic": "2.12.3",
}  # fmt: skip
FOR_GPU = {"bitsandbytes": "0.50.2", "unsloth": "2026.10.7", "xformers": "0.0.35"}
L4 = {"name": "NVIDIA L4", "memory_gb": 24.2, "compute_capability": "8.9"}
T4 = {"name": "Tesla T4", "memory_gb": 15.8, "compute_capability": "7.5", "bf16": False}
CPU_BUILD = {"version": "2.13.0+cpu", "cuda": None, "hip": None}
CUDA_BUILD = {"version": "2.13.0", "cuda": "13.0", "hip": None}
CU128 = {"version": "2.10.0", "cuda": "12.8", "hip": None}
ROCM = {"version": "2.13.0", "cuda": None, "hip": "7.1"}
SEES = {"version": "2.13.0", "cuda": "13.0", "cuda_available": True, "gpus": [{**L4, "bf16": True}]}
BLIND = {"version": "2.13.0", "cuda": "13.0", "cuda_error": "RuntimeError: No CUDA GPUs are available"}
UNSLOTH = {"unsloth": ["datasets!=4.0.*,!=4.1.0,<4.4.0,>=3.4.1"]}


def machine(**changes: Any) -> Facts:
    """A roomy laptop with the light core; ``changes`` replace facts."""
    laptop: dict[str, Any] = {
        "python": {"version": "3.11.9", "executable": "/venv/bin/python"},
        "cores": 8,
        "memory_gb": 32.0,
        "disk_free_gb": 200.0,
        "prefix_free_gb": 200.0,
    }
    return msgspec.convert(laptop | changes, Facts)


def stack(**changes: Any) -> Facts:
    """The laptop with the whole training stack on its CPU."""
    return machine(**{"packages": STACK, "torch_build": CPU_BUILD, "requires": {}} | changes)


def gpu(**changes: Any) -> Facts:
    """A machine with an L4 and the whole training stack."""
    facts = {
        "packages": {**STACK, "torch": "2.13.0", **FOR_GPU},
        "torch_build": CUDA_BUILD,
        "torch": SEES,
        "gpus": [L4],
        "driver": "580.95.05",
    }
    return stack(**facts | changes)


def judged(facts: Facts) -> set[tuple[str, str]]:
    return {(found.severity, found.id.removeprefix("doctor.")) for found in findings(facts)}


CASES: dict[str, tuple[Facts, set[tuple[str, str]]]] = {
    "a healthy CPU stack": (stack(), set()),
    "a healthy GPU": (gpu(), set()),
    "a laptop with the light core": (machine(), {("note", "llamafactory.missing")}),
    "a GPU without the stack": (machine(gpus=[L4], driver="580.95"), {("warning", "llamafactory.missing")}),
    "Python 3.10": (
        machine(python={"version": "3.10.12"}),
        {("error", "python.old"), ("note", "llamafactory.missing")},
    ),
    "Python 3.14": (stack(python={"version": "3.14.0"}), {("warning", "python.new")}),
    "Debian's own Python": (
        machine(python={"version": "3.11.2", "externally_managed": True, "pip": False, "ensurepip": False}),
        {
            ("note", "llamafactory.missing"),
            ("warning", "python.managed"),
            ("warning", "python.no-pip"),
        },
    ),
    "managed, yet the stack is there": (
        stack(python={"version": "3.11.2", "externally_managed": True}),
        set(),
    ),
    "no torch": (
        stack(packages={k: v for k, v in STACK.items() if k != "torch"}, torch_build=None),
        {("error", "torch.missing")},
    ),
    "no peft, no fastapi": (
        stack(packages={k: v for k, v in STACK.items() if k not in ("peft", "fastapi")}),
        {("error", "peft.missing"), ("warning", "fastapi.missing")},
    ),
    "another LLaMA-Factory": (
        stack(packages={**STACK, "llamafactory": "0.9.3"}),
        {("warning", "llamafactory.version")},
    ),
    "datasets too new": (stack(packages={**STACK, "datasets": "4.4.1"}), {("error", "datasets.version")}),
    "datasets too new, no stack": (
        machine(packages={"datasets": "4.4.1"}),
        {("note", "llamafactory.missing"), ("note", "datasets.version")},
    ),
    "every pin that its start checks": (
        stack(
            packages={
                **STACK,
                "transformers": "5.7.0",
                "datasets": "4.1.0",
                "accelerate": "1.16.0",
                "peft": "0.21.0",
                "trl": "0.25.0",
            }
        ),
        {("error", f"{name}.version") for name in ("transformers", "datasets", "accelerate", "peft", "trl")},
    ),
    "pins that its start does not check": (
        stack(packages={**STACK, "accelerate": "1.12.0", "gradio": "6.0", "tyro": "0.9.1", "torch": "2.3.0"}),
        {("warning", f"{name}.version") for name in ("accelerate", "gradio", "tyro", "torch")},
    ),
    "the installed LLaMA-Factory's own pins win": (
        stack(requires={"llamafactory": ["datasets<=3.0"]}),
        {("warning", "datasets.version")},
    ),
    "unsloth bans datasets 4.0": (gpu(requires=UNSLOTH), {("warning", "datasets.version")}),
    "a CPU build beside a GPU": (
        gpu(packages={**STACK, **FOR_GPU}, torch_build=CPU_BUILD, torch=None),
        {("error", "torch.cpu-only")},
    ),
    "a CPU build beside a GPU, no stack": (
        machine(gpus=[L4], packages={"torch": "2.13.0"}, torch_build=CPU_BUILD),
        {("warning", "torch.cpu-only"), ("warning", "llamafactory.missing")},
    ),
    "ROCm beside an NVIDIA GPU": (gpu(torch_build=ROCM, torch=None), set()),
    "a driver too old for CUDA 13": (gpu(driver="550.54.15", torch=BLIND), {("error", "driver.old")}),
    "the same driver under CUDA 12": (
        gpu(driver="550.54.15", torch_build=CU128, torch={**SEES, "cuda": "12.8"}),
        set(),
    ),
    "a GPU that torch does not see": (gpu(torch=BLIND), {("error", "gpu.unseen")}),
    "a quick look at a GPU": (gpu(torch=None), set()),
    "no bf16": (gpu(gpus=[T4], torch={**SEES, "gpus": [T4]}), {("note", "gpu.no-bf16")}),
    "what a GPU likes is missing": (
        gpu(packages={**STACK, "torch": "2.13.0"}),
        {("note", f"{name}.missing") for name in FOR_GPU},
    ),
    "torchvision linked to CUDA": (
        stack(imports={"torchvision": "RuntimeError: operator torchvision::nms does not exist"}),
        {("error", "torchvision.import")},
    ),
    "torchaudio linked to CUDA": (
        stack(imports={"torchaudio": "OSError: Could not load this library: /v/lib/_torchaudio.abi3.so"}),
        {("error", "torchaudio.import")},
    ),
    "torch does not import": (
        stack(torch={"error": "OSError: libgomp.so.1: cannot open shared object file"}),
        {("error", "torch.import")},
    ),
    "torch ends the process": (stack(crash="code -4: "), {("error", "torch.crash")}),
    "LLaMA-Factory does not start": (
        stack(llamafactory_cli={"code": 1, "tail": "ImportError: x"}),
        {("error", "llamafactory.start")},
    ),
    "a full disk": (stack(disk_free_gb=1.9), {("error", "disk.full")}),
    "a small disk, no GPU": (stack(disk_free_gb=19.0), set()),
    "a small disk, a GPU": (gpu(disk_free_gb=19.0), {("warning", "disk.small")}),
    "few cores": (stack(cores=2), {("note", "cores.few")}),
    "few cores, threads set": (stack(cores=2, omp_num_threads="1"), set()),
    "few cores, no stack": (machine(cores=2), {("note", "llamafactory.missing")}),
    "few cores, a GPU": (gpu(cores=2), set()),
}


@pytest.mark.parametrize("name", CASES)
def test_a_machines_faults_are_found_and_no_others(name: str) -> None:
    facts, expected = CASES[name]
    assert judged(facts) == expected


@pytest.mark.parametrize("name", CASES)
def test_every_finding_names_a_mend_and_ends_its_sentence(name: str) -> None:
    for finding in findings(CASES[name][0]):
        assert finding.mend
        assert finding.message


def _mend(facts: Facts, id: str, **keywords: Any) -> str:
    return next(f.mend for f in findings(facts, **keywords) if f.id == f"doctor.{id}")


def test_mends_are_commands_of_the_machines_own_interpreter() -> None:
    wrong = stack(packages={**STACK, "datasets": "4.4.1"})
    assert _mend(wrong, "datasets.version") == '/venv/bin/python -m pip install "datasets>=2.16.0,<=4.0.0"'
    blank = stack(
        packages={**STACK, "trl": "0.25.0"}, python={"version": "3.11.9", "executable": "/a b/bin/python"}
    )
    assert _mend(blank, "trl.version") == '"/a b/bin/python" -m pip install "trl>=0.18.0,<=0.24.0"'


def test_a_mend_satisfies_all_who_ask() -> None:
    assert '"datasets>=2.16.0,>=3.4.1,<4.4.0,<=4.0.0,!=4.0.*,!=4.1.0"' in _mend(
        gpu(requires=UNSLOTH), "datasets.version"
    )


def test_an_old_driver_that_serves_cuda_12_may_stay() -> None:
    old = gpu(driver="550.54.15", torch=BLIND)
    assert '/venv/bin/python -m pip install "torch==2.10.*"' in _mend(old, "driver.old")
    assert "pip install" not in _mend(gpu(driver="470.42.01", torch=BLIND), "driver.old")


def test_the_install_command_of_another_interpreter_is_named_in_full() -> None:
    assert _mend(machine(), "llamafactory.missing", install="millhand install --python x").endswith(
        "millhand install --python x"
    )


def test_a_broken_torchaudio_beside_cuda_is_installed_again_beside_the_same_torch() -> None:
    facts = gpu(imports={"torchaudio": "OSError: undefined symbol"})
    assert _mend(facts, "torchaudio.import") == (
        "/venv/bin/python -m pip install --force-reinstall torch==2.13.0 torchaudio"
    )


def test_can_train_needs_the_stack_and_no_error() -> None:
    def can(facts: Facts) -> bool:
        return Diagnosis(facts, tuple(findings(facts))).can_train

    assert can(stack())
    assert not can(machine())
    assert not can(stack(disk_free_gb=1.0))


def test_rows_say_how_bad_each_line_is() -> None:
    facts = gpu(packages={**STACK, "torch": "2.13.0", "datasets": "4.4.1"})
    rows = {row.what: row for row in Diagnosis(facts, tuple(findings(facts))).rows()}
    assert (rows["datasets"].found, rows["datasets"].wanted, rows["datasets"].state) == (
        "4.4.1",
        ">=2.16.0,<=4.0.0",
        "error",
    )
    assert rows["GPU"].found == "NVIDIA L4, 24.2 GB, compute 8.9"
    assert rows["NVIDIA driver"].wanted == ">=580.65.06"
    assert (rows["unsloth"].found, rows["unsloth"].state) == ("-", "note")
    assert rows["gradio"].state == "absent"
    assert rows["torch"].state == "ok"


# --- asking a pod ------------------------------------------------------------------------------------


def _answers(code: int, stdout: str = "", stderr: str = "") -> Result:
    return Result(Command(("x",)), code, stdout, stderr)


def _json(facts: Facts) -> str:
    return json.dumps(msgspec.to_builtins(facts))


def test_the_probe_goes_over_standard_input() -> None:
    pod = FakePod({("python", "-", "--deep"): _answers(0, _json(stack()))})
    assert diagnose(pod, deep=True).findings == ()
    assert b"def probe(" in pod.inputs[0]


def test_a_crash_of_the_full_look_falls_back_to_the_quick_one() -> None:
    pod = FakePod(
        {
            ("python", "-"): _answers(-11, "", "Segmentation fault"),
            ("python", "-", "--quick"): _answers(0, _json(stack())),
        }
    )
    (finding,) = diagnose(pod).findings
    assert finding.id == "doctor.torch.crash"
    assert "Segmentation fault" in finding.message


@pytest.mark.parametrize("answer", [_answers(127, "", "not found"), _answers(0, "Welcome!\n")])
def test_a_pod_without_python_is_an_error_with_its_words(answer: Result) -> None:
    pod = FakePod({("python", "-"): answer, ("python", "-", "--quick"): answer})
    with pytest.raises(MillhandError, match="could not be looked at"):
        diagnose(pod)


def test_the_shipped_pins_are_used_where_none_are_installed() -> None:
    assert pins.VERSION == "0.9.5"
    assert "doctor.trl.version" in {f.id for f in findings(machine(packages={"trl": "0.26"}))}
