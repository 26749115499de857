"""The commands that bring the training stack into an interpreter. Builders only: nothing here runs.

Where pip offers CUDA's build of torch, LLaMA-Factory's own dependencies are right. Beside a build for a
CPU they are not: its torchvision and torchaudio are linked to CUDA on the package index and break every
command. There the smallest set that trains text models is installed, and LLaMA-Factory without
dependencies. Which build pip offers is known only once torch is there, so torch comes first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Literal

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from millhand.llamafactory import pins
from millhand.shell import Command

TORCH = "torch>=2.4"
LLAMAFACTORY = f"llamafactory=={pins.VERSION}"
GRADIO = "gradio==5.50.0"
BESIDE_CUDA = ("bitsandbytes>=0.45", "tensorboard>=2.18")
# From this torch on, one torchaudio serves every later torch; before, they were released in pairs.
_TORCHAUDIO_FOR_ALL = Version("2.11")
Build = Literal["cpu", "cuda"]


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user asked for.

    ``constraints`` are pip's constraint files; ``limits`` is what they say of each package.
    """

    python: str
    constraints: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    webui: bool = False

    def limit(self) -> dict[str, SpecifierSet]:
        """The versions that the constraint files allow."""
        return pins.read_pins(self.limits)


@dataclass(frozen=True, slots=True)
class Step:
    """One command; ``when`` is the build of torch that it is for, None for any."""

    what: str
    command: Command
    when: Build | None = None


def pip_install(wish: Wish, *requirements: str) -> Command:
    """``pip install`` with the user's own settings and constraints; it never asks back."""
    files = [word for path in wish.constraints for word in ("--constraint", path)]
    options = ("--no-input", "--disable-pip-version-check")
    return Command((wish.python, "-m", "pip", "install", *options, *files, *requirements))


def pip_uninstall(wish: Wish, name: str) -> Command:
    """``pip uninstall`` of one package."""
    return Command((wish.python, "-m", "pip", "uninstall", "--yes", "--disable-pip-version-check", name))


def cli_version(python: str) -> Command:
    """LLaMA-Factory's own command line, which imports all that training needs."""
    return Command((python, "-m", "llamafactory.cli", "version"))


def torch_steps(wish: Wish, installed: Mapping[str, str]) -> list[Step]:
    """Bring torch, where there is none that LLaMA-Factory and the constraints take."""
    if not _lacking([TORCH], wish, installed):
        return []
    return [Step("torch, in the build that pip offers here", pip_install(wish, TORCH))]


def stack_steps(build: Build, wish: Wish, installed: Mapping[str, str], asked: Sequence[str]) -> list[Step]:
    """Bring what is missing beside torch.

    Args:
        build: What the installed torch was built for.
        wish: What the user asked for.
        installed: Versions by normalised name.
        asked: The installed LLaMA-Factory's Requires-Dist lines.
    """
    return _cuda_steps(wish, installed, asked) if build == "cuda" else _cpu_steps(wish, installed)


def cpu_requirements() -> list[str]:
    """The lines of requirements-cpu.txt."""
    text = resources.files("millhand.training").joinpath("requirements-cpu.txt").read_text(encoding="utf-8")
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]


def _cpu_steps(wish: Wish, installed: Mapping[str, str]) -> list[Step]:
    wanted = cpu_requirements() + ([GRADIO] if wish.webui else [])
    lacking = _lacking(wanted, wish, installed)
    steps = []
    if lacking:
        what = "the smallest set that trains text models on a CPU"
        steps.append(Step(what, pip_install(wish, *lacking), "cpu"))
    if _lacking([LLAMAFACTORY], wish, installed):
        what = "LLaMA-Factory, without the dependencies that break a CPU build of torch"
        steps.append(Step(what, pip_install(wish, "--no-deps", LLAMAFACTORY), "cpu"))
    return steps


def _cuda_steps(wish: Wish, installed: Mapping[str, str], asked: Sequence[str]) -> list[Step]:
    wanted = [LLAMAFACTORY, *BESIDE_CUDA]
    if not _lacking([*wanted, *(asked or pins.REQUIRES)], wish, installed):
        return []
    command = pip_install(wish, *wanted, *([GRADIO] if wish.webui else []), *_beside_torch(installed))
    return [Step("LLaMA-Factory and all that it asks for", command, "cuda")]


def _beside_torch(installed: Mapping[str, str]) -> list[str]:
    # Named again so that pip looks for what fits this torch, and does not take another torch.
    if "torch" not in installed:
        return []
    version = Version(installed["torch"])
    pair = [f"torchaudio=={version.major}.{version.minor}.*"] if version < _TORCHAUDIO_FOR_ALL else []
    return [f"torch=={version.public}", *pair]


def _lacking(wanted: Iterable[str], wish: Wish, installed: Mapping[str, str]) -> list[str]:
    """What of ``wanted`` has to be installed, as it is to be asked of pip.

    What is there and within LLaMA-Factory's pins is left alone, even where another version would be
    chosen anew; a constraint's choice goes before Millhand's.
    """
    limits, ranges = wish.limit(), pins.read_pins(pins.REQUIRES)
    lacking = []
    for line in wanted:
        need = Requirement(line)
        if need.marker is not None and not need.marker.evaluate({"extra": ""}):
            continue
        name = pins.normal_name(need.name)
        good = {name: ranges.get(name, need.specifier) & limits.get(name, SpecifierSet())}
        if name not in installed or not pins.check_version(name, installed[name], good):
            chosen = ranges.get(name, SpecifierSet()) if name in limits else need.specifier
            lacking.append(f"{name}{pins.wanted_text(name, {name: chosen})}")
    return lacking
