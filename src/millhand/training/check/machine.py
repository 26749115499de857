"""A machine as the check sees it: a plain value that whoever knows the machine fills in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# Compute capability by a word of the name: developer.nvidia.com/cuda-gpus. The first that fits counts.
_CAPABILITY = (
    (r"\bB[23]00\b|\bGB200\b", 10.0),
    (r"RTX\s*50\d0|RTX\s*PRO\s*\d000", 12.0),
    (r"\bH[128]00\b|\bGH200\b", 9.0),
    (r"\bL4(0S?)?\b|RTX\s*40\d0|RTX\s*\d000\s*Ada|\bL20?\b", 8.9),
    (r"\bA(2|10G?|16|40)\b|RTX\s*30\d0|RTX\s*A\d000", 8.6),
    (r"\bA[138]00X?\b|\bA30\b", 8.0),
    (r"\bT4G?\b|RTX\s*20\d0|\bTITAN RTX\b|Quadro RTX|GTX\s*16\d0", 7.5),
    (r"\bV100S?\b|\bTITAN V\b", 7.0),
    (r"\bP100\b", 6.0),
    (r"\bP(4|40)\b|GTX\s*10\d0", 6.1),
)
_PINNED = re.compile(r"^\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*==\s*([^\s;\\#]+)", re.M)
BF16_SINCE = 8.0  # Ampere; also what FlashAttention-2 needs
FP8_SINCE = 8.9  # Ada and Hopper


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU. ``capability`` is CUDA's (8.9 for an L4), None where it is not known."""

    name: str
    memory_gb: float | None = None
    capability: float | None = None

    @property
    def generation(self) -> float | None:
        """The capability as told, else as the name tells."""
        return self.capability if self.capability is not None else capability_of(self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What a run would find there; None where nobody knows.

    ``gpus`` are those it has or, where it is rented, those that it may be one of (``rented``); ``count`` how
    many of them. ``disk_gb`` (10^9 bytes) is what is free for models and outputs. ``packages`` are names and
    versions as pip lists them.
    """

    name: str
    cores: int | None = None
    memory_gb: float | None = None
    disk_gb: float | None = None
    gpus: tuple[Gpu, ...] | None = None
    count: int = 1
    packages: Mapping[str, str] | None = None
    rented: bool = False

    def has(self, package: str) -> bool:
        """Whether a package is there; True where nobody knows."""
        return self.packages is None or normal(package) in {normal(name) for name in self.packages}

    def weaker_than(self, capability: float) -> tuple[Gpu, ...]:
        """The GPUs of an older generation."""
        known = ((gpu, gpu.generation) for gpu in self.gpus or ())
        return tuple(gpu for gpu, generation in known if generation is not None and generation < capability)


def capability_of(name: str) -> float | None:
    """The compute capability of a GPU by its name; None for a name that is not known."""
    return next((value for words, value in _CAPABILITY if re.search(words, name, re.I)), None)


def normal(package: str) -> str:
    """A package's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", package).lower()


def locked_packages(path: Path | None) -> dict[str, str] | None:
    """The packages of a locked requirements file, with their versions; None where there is none."""
    if path is None or not path.is_file():
        return None
    return dict(_PINNED.findall(path.read_text(encoding="utf-8")))
