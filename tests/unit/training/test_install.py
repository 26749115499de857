"""The installation's commands, whole."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from millhand.llamafactory.pins import normal_name, read_pins
from millhand.training.install import (
    BESIDE_CUDA,
    LLAMAFACTORY,
    TORCH,
    Wish,
    cli_version,
    cpu_requirements,
    pip_uninstall,
    stack_steps,
    torch_steps,
)

ROOT = Path(__file__).parents[3]
PY = "/a b/bin/python"
PIP = (PY, "-m", "pip", "install", "--no-input", "--disable-pip-version-check")
WISH = Wish(PY)
CPU = {
    "torch": "2.13.0+cpu", "torchaudio": "2.11.0", "transformers": "5.6.0", "datasets": "4.0.0",
    "accelerate": "1.11.0", "peft": "0.18.1", "trl": "0.24.0", "omegaconf": "2.4.0", "numpy": "2.4.6",
    "packaging": "26.3", "pyyaml": "6.0.3", "safetensors": "0.8.0", "sentencepiece": "0.2.3",
    "protobuf": "7.36.2", "fastapi": "0.163", "uvicorn": "0.54", "sse-starlette": "3.7.0",
    "pydantic": "2.12.3", "bitsandbytes": "0.50.2", "matplotlib": "3.11.2", "tensorboard": "2.21.0",
    "llamafactory": "0.9.5",
}  # fmt: skip
ASKED = ["torch>=2.4.0", "torchaudio>=2.4.0", "torchvision>=0.19.0", "datasets<=4.0.0", "tyro<0.9.0"]
CUDA = {**CPU, "torch": "2.13.0", "torchvision": "0.28.0", "tyro": "0.8.14"}


def argvs(steps: list[object]) -> list[tuple[str, ...]]:
    return [step.command.argv for step in steps]  # type: ignore[attr-defined]


def without(packages: dict[str, str], *names: str) -> dict[str, str]:
    return {name: version for name, version in packages.items() if name not in names}


def test_torch_comes_first_and_alone() -> None:
    assert argvs([*torch_steps(WISH, {})]) == [(*PIP, "torch>=2.4")]


@pytest.mark.parametrize(
    ("installed", "limits", "needed"),
    [
        ("2.13.0+cpu", (), False),
        ("2.3.1", (), True),
        ("2.12.0", ("torch==2.13.0",), True),
        ("2.13.0+cpu", ("torch==2.13.0",), False),
    ],
)
def test_a_torch_that_serves_stays(installed: str, limits: tuple[str, ...], needed: bool) -> None:
    steps = torch_steps(Wish(PY, ("/c.txt",), limits), {"torch": installed})
    assert bool(steps) is needed


def test_a_constraint_file_goes_to_pip_and_the_users_index_is_left_alone() -> None:
    (argv,) = argvs([*torch_steps(Wish(PY, ("/c d.txt",)), {})])
    assert argv == (*PIP, "--constraint", "/c d.txt", "torch>=2.4")


def test_beside_a_cpu_build_the_smallest_set_then_llamafactory_without_dependencies() -> None:
    small, bare = argvs([*stack_steps("cpu", WISH, {"torch": "2.13.0+cpu"}, [])])
    assert small[: len(PIP)] == PIP
    assert small[len(PIP) :][:7] == (
        "torchaudio==2.11.0",
        "transformers==5.6.0",
        "datasets==4.0.0",
        "accelerate==1.11.0",
        "peft==0.18.1",
        "trl==0.24.0",
        "omegaconf",
    )
    assert not any(word.startswith(("torchvision", "gradio", "torch=")) for word in small)
    assert bare == (*PIP, "--no-deps", "llamafactory==0.9.5")


def test_only_what_is_missing_or_wrong_is_asked_for() -> None:
    packages = {**without(CPU, "peft", "uvicorn"), "datasets": "4.4.1"}
    assert argvs([*stack_steps("cpu", WISH, packages, [])]) == [
        (*PIP, "datasets==4.0.0", "peft==0.18.1", "uvicorn")
    ]


def test_a_version_within_llamafactorys_pins_stays_though_another_would_be_chosen() -> None:
    packages = {**CPU, "datasets": "3.6.0", "torchaudio": "2.10.0"}
    assert stack_steps("cpu", WISH, packages, []) == []


def test_a_constraint_goes_before_millhands_own_choice() -> None:
    wish = Wish(PY, ("/c.txt",), ("transformers==5.5.0", "trl==0.24.0"))
    assert argvs([*stack_steps("cpu", wish, CPU, [])]) == [
        (
            *PIP,
            "--constraint",
            "/c.txt",
            "transformers>=4.55.0,<=5.6.0,!=4.52.0,!=4.57.0",
        )
    ]


def test_a_finished_environment_needs_nothing() -> None:
    assert torch_steps(WISH, CPU) == []
    assert stack_steps("cpu", WISH, CPU, ASKED) == []
    assert stack_steps("cuda", WISH, CUDA, ASKED) == []


def test_the_webui_is_one_package_more() -> None:
    wish = Wish(PY, webui=True)
    assert argvs([*stack_steps("cpu", wish, CPU, ASKED)]) == [(*PIP, "gradio==5.50.0")]


def test_another_llamafactory_is_replaced() -> None:
    packages = {**CPU, "llamafactory": "0.9.4"}
    assert argvs([*stack_steps("cpu", WISH, packages, [])]) == [(*PIP, "--no-deps", "llamafactory==0.9.5")]


def test_beside_a_cuda_build_all_of_llamafactorys_dependencies_and_the_same_torch() -> None:
    assert argvs([*stack_steps("cuda", WISH, {"torch": "2.13.0"}, [])]) == [
        (*PIP, "llamafactory==0.9.5", "bitsandbytes>=0.45", "tensorboard>=2.18", "torch==2.13.0")
    ]


def test_an_older_torch_gets_the_torchaudio_it_was_released_with() -> None:
    (argv,) = argvs([*stack_steps("cuda", WISH, {"torch": "2.10.0+cu128"}, [])])
    assert argv[-2:] == ("torch==2.10.0", "torchaudio==2.10.*")


def test_a_gap_in_what_the_installed_llamafactory_asks_for_is_closed() -> None:
    assert len(stack_steps("cuda", WISH, without(CUDA, "tyro"), ASKED)) == 1
    assert len(stack_steps("cuda", WISH, without(CUDA, "bitsandbytes"), ASKED)) == 1


def test_removing_and_starting() -> None:
    assert pip_uninstall(WISH, "torchvision").argv == (
        PY, "-m", "pip", "uninstall", "--yes", "--disable-pip-version-check", "torchvision",
    )  # fmt: skip
    assert cli_version(PY).argv == (PY, "-m", "llamafactory.cli", "version")


def test_the_shipped_set_names_neither_torch_nor_what_is_linked_to_cuda() -> None:
    names = {line.split("=")[0].split(">")[0] for line in cpu_requirements()}
    assert not names & {"torch", "torchvision", "llamafactory", "gradio"}
    assert "torchaudio" in names


def extras() -> dict[str, list[Requirement]]:
    parsed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = {"": parsed["dependencies"], **parsed["optional-dependencies"]}
    return {name: [Requirement(text) for text in texts] for name, texts in groups.items()}


def test_the_train_extra_names_what_an_installation_for_cuda_brings() -> None:
    named = {f"{requirement.name}{requirement.specifier}" for requirement in extras()["train"]}
    assert named == {LLAMAFACTORY, TORCH, *BESIDE_CUDA}


def test_every_dependency_is_pinned_within_its_bounds() -> None:
    wanted = [item for group in extras().values() for item in group if item.name != "millhand"]
    pins = read_pins((ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines())
    for requirement in wanted:
        (pin,) = pins[normal_name(requirement.name)]
        assert requirement.specifier.contains(pin.version), requirement
