"""Which versions LLaMA-Factory works with: as shipped for 0.9.5, or as an installed one states them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

VERSION = "0.9.5"
PYTHON = SpecifierSet(">=3.11")
PYTHON_TRIED = SpecifierSet(">=3.11,<3.14")  # the ones it was released for

# Requires-Dist of llamafactory 0.9.5.
REQUIRES = (
    "accelerate<=1.11.0,>=1.3.0",
    "av<=16.0.0,>=10.0.0",
    "datasets<=4.0.0,>=2.16.0",
    "einops",
    "fastapi",
    "fire",
    "gradio<=5.50.0,>=4.38.0",
    "hf-transfer",
    "matplotlib>=3.7.0",
    "modelscope",
    "numpy",
    "omegaconf",
    "packaging",
    "pandas",
    "peft<=0.18.1,>=0.18.0",
    "protobuf",
    "pydantic",
    "pyyaml",
    "safetensors",
    "scipy",
    "sentencepiece",
    "sse-starlette",
    "tiktoken",
    "torch>=2.4.0",
    "torchaudio>=2.4.0",
    "torchdata<=0.11.0,>=0.10.0",
    "torchvision>=0.19.0",
    "transformers!=4.52.0,!=4.57.0,<=5.6.0,>=4.55.0",
    "trl<=0.24.0,>=0.18.0",
    "tyro<0.9.0",
    "uvicorn",
)
# What its start checks (extras/misc.py); outside of these every command ends at once, whereas the
# stricter of REQUIRES are what it was released with.
STARTS_WITH = (
    "transformers>=4.55.0,<=5.6.0",
    "datasets>=2.16.0,<=4.0.0",
    "accelerate>=1.3.0,<=1.15.0",
    "peft>=0.18.0,<=0.20.0",
    "trl>=0.18.0,<=0.24.0",
)
# What it imports before any command, whatever the model; the rest of REQUIRES serves images, sound, the
# WebUI and model hubs, and may be left out.
NEEDED = (
    "torch",
    "torchaudio",
    "transformers",
    "datasets",
    "accelerate",
    "peft",
    "trl",
    "omegaconf",
    "numpy",
    "packaging",
    "pyyaml",
    "safetensors",
)

Pins = Mapping[str, SpecifierSet]


def normal_name(name: str) -> str:
    """A package's name as the index compares it: ``SSE_Starlette`` -> ``sse-starlette``."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_pins(lines: Iterable[str]) -> dict[str, SpecifierSet]:
    """Read Requires-Dist lines; those of an extra or another platform, and unreadable ones, are left out."""
    pins: dict[str, SpecifierSet] = {}
    for line in lines:
        try:
            asked = Requirement(line)
        except InvalidRequirement:
            continue
        if asked.marker is None or asked.marker.evaluate({"extra": ""}):
            name = normal_name(asked.name)
            pins[name] = pins.get(name, SpecifierSet()) & asked.specifier
    return pins


def check_version(name: str, version: str, pins: Pins) -> bool:
    """Say whether ``version`` of ``name`` is one that the pins allow; without a pin any is.

    A local part (``2.13.0+cpu``) does not count; a version that is not one (``unknown``) is not allowed.
    """
    wanted = pins.get(normal_name(name), SpecifierSet())
    try:
        return wanted.contains(Version(version), prereleases=True)
    except InvalidVersion:
        return not wanted


def wanted_text(name: str, pins: Pins) -> str:
    """What is wanted of a package, lower limits first: ``>=2.16.0,<=4.0.0``; empty where anything goes."""
    order = [">=", ">", "~=", "==", "===", "<", "<=", "!="]
    specifiers = pins.get(normal_name(name), SpecifierSet())
    return ",".join(str(s) for s in sorted(specifiers, key=lambda s: (order.index(s.operator), s.version)))
