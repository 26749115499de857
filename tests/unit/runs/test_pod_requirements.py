"""runpod/requirements-cu128.txt: exact, hashed, and what LLaMA-Factory, unsloth and xformers ask for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from millhand.llamafactory import pins

FOLDER = Path(__file__).parents[3] / "runpod"
# Requires-Dist of the pinned releases, less what names no version.
UNSLOTH = (
    "unsloth_zoo>=2026.10.7",
    "wheel>=0.42.0",
    "torch<2.15.0,>=2.4.0",
    "xformers>=0.0.27.post2",
    "bitsandbytes!=0.46.0,!=0.48.0,>=0.45.5",
    "triton>=3.0.0",
    "sentencepiece>=0.2.0",
    "datasets!=4.0.*,!=4.1.0,!=4.4.*,!=4.5.0,<5.0.0,>=3.4.1",
    "accelerate>=0.34.1",
    "peft!=0.11.0,>=0.18.0",
    "huggingface_hub>=0.34.0",
    "transformers!=4.53.0,!=4.54.0,!=4.55.0,!=4.55.1,!=4.57.0,!=4.57.4,!=4.57.5,!=5.0.0,!=5.1.0,<=5.17.0,>=4.52.4",
    "trl!=0.19.0,<=1.15.0,>=0.18.2",
    "typer>=0.19.0",
    "structlog>=24.1.0",
    "click>=8.0",
    "torchao>=0.13.0",
    "packaging>=24.1",
)
XFORMERS = ("torch>=2.10",)


@pytest.fixture(scope="module")
def locked() -> dict[str, str]:
    text = (FOLDER / "requirements-cu128.txt").read_text()
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text, flags=re.MULTILINE))


def test_every_line_is_an_exact_requirement_with_hashes() -> None:
    text = (FOLDER / "requirements-cu128.txt").read_text()
    entries = re.sub(r"(?m)^#.*\n|^\n", "", text).replace("\\\n", "").splitlines()
    assert len(entries) > 100
    for entry in entries:
        assert re.fullmatch(r"[a-z0-9-]+==[\w.!+]+(\s+--hash=sha256:[0-9a-f]{64})+\s*", entry), entry[:80]


def test_no_file_names_an_index() -> None:
    for file in FOLDER.glob("requirements*"):
        assert not re.search(r"https?://|file:|--(extra-)?index|--find-links", file.read_text())


def test_what_was_asked_for_is_there(locked: dict[str, str]) -> None:
    lines = (FOLDER / "requirements.in").read_text().splitlines()
    asked = [Requirement(line) for line in lines if line and not line.startswith("#")]
    assert len(asked) > 10
    assert not [r for r in asked if not r.specifier.contains(locked[pins.normal_name(r.name)])]


@pytest.mark.parametrize("lines", [pins.REQUIRES, pins.STARTS_WITH, UNSLOTH, XFORMERS])
def test_what_the_releases_ask_for_is_there(lines: tuple[str, ...], locked: dict[str, str]) -> None:
    asked = pins.read_pins(lines)
    assert not [name for name in asked if name not in locked]
    assert not [name for name in asked if not pins.check_version(name, locked[name], asked)]


def test_torch_is_built_for_cuda_12_8_and_its_company_fits_it(locked: dict[str, str]) -> None:
    assert locked["torch"] == locked["torchaudio"]
    assert SpecifierSet("==12.8.*").contains(locked["nvidia-cuda-runtime-cu12"])
    assert not [name for name in locked if name.endswith("-cu13") or name == "cuda-toolkit"]
    assert (locked["torchvision"], locked["triton"]) == ("0.25.0", "3.6.0")
