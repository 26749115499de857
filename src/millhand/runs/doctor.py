"""Look at a machine, say what it lacks for training and which command mends it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from millhand.errors import Finding, Severity
from millhand.llamafactory import pins
from millhand.pods.base import Pod
from millhand.runs.facts import Facts, Gpu, ask
from millhand.runs.machine_checks import (
    DISK_FOR_A_GPU_GB,
    DRIVERS,
    LITTLE_DISK_GB,
    check_machine,
    cuda_major,
)
from millhand.runs.stack_checks import INSTALL, asked_pins, check_stack
from millhand.runs.trials import Trial, check_trials, slug, try_out

PACKAGES = (
    "torch",
    "torchaudio",
    "torchvision",
    "llamafactory",
    "transformers",
    "datasets",
    "accelerate",
    "peft",
    "trl",
    "bitsandbytes",
    "unsloth",
    "xformers",
    "gradio",
)
_WORST_FIRST: tuple[Severity, ...] = ("error", "warning", "note")
State = Literal["ok", "absent", "note", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the doctor's table."""

    what: str
    found: str
    wanted: str
    state: State


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was found, and what is wrong with it, the worst first."""

    facts: Facts
    findings: tuple[Finding, ...]
    trials: tuple[Trial, ...] = ()

    @property
    def errors(self) -> int:
        """The number of errors."""
        return sum(finding.severity == "error" for finding in self.findings)

    @property
    def can_train(self) -> bool:
        """Whether LLaMA-Factory is there and nothing was found that would break a run."""
        return self.facts.has_stack and not self.errors

    def rows(self) -> list[Row]:
        """The table: what, found, wanted, and how bad it is."""
        machine = [_row(self, *line) for line in _machine_lines(self.facts)]
        packages = [_row(self, *line) for line in _package_lines(self.facts)]
        return machine + packages + [_trial_row(self, trial) for trial in self.trials]


def diagnose(pod: Pod, *, deep: bool = False, install: str = INSTALL) -> Diagnosis:
    """Look at a pod and judge it; ``install`` is the command that brings the training stack there.

    A deep look also starts LLaMA-Factory once and tries what training computes.

    Raises:
        MillhandError: The pod has no Python that runs.
    """
    facts = ask(pod, deep=deep)
    tried = try_out(pod) if deep and facts.torch and not facts.torch.error else ()
    return Diagnosis(facts, tuple(findings(facts, tried, install=install)), tried)


def findings(facts: Facts, tried: tuple[Trial, ...] = (), *, install: str = INSTALL) -> list[Finding]:
    """Every fault of a machine, errors first."""
    found = [*check_machine(facts), *check_stack(facts), *check_trials(tried, facts)]
    found = [replace(finding, mend=finding.mend.replace(INSTALL, install)) for finding in found]
    return sorted(found, key=lambda finding: _WORST_FIRST.index(finding.severity))


def _row(diagnosis: Diagnosis, subject: str, what: str, found: str, wanted: str) -> Row:
    states = [f.severity for f in diagnosis.findings if f.id.startswith(f"doctor.{subject}.")]
    state: State = states[0] if states else "ok" if found else "absent"
    return Row(what, found or "-", wanted, state)


def _trial_row(diagnosis: Diagnosis, trial: Trial) -> Row:
    if trial.state in ("untried", "absent"):
        return Row(trial.name, "not tried: no GPU" if trial.state == "untried" else "-", "", "absent")
    found = "failed" if trial.state == "failed" else trial.text or "it computes"
    return _row(diagnosis, slug(trial), trial.name, found, "")


def _machine_lines(facts: Facts) -> Iterator[tuple[str, str, str, str]]:
    python, torch = facts.python, facts.torch
    driver = DRIVERS.get(cuda_major(facts.cuda), "") if facts.gpus else ""
    disk = DISK_FOR_A_GPU_GB if facts.all_gpus else LITTLE_DISK_GB
    yield "python", "Python", python.version, str(pins.PYTHON)
    yield "system", "system", f"{facts.platform.system} {facts.platform.machine}".strip(), ""
    yield "cores", "cores", str(facts.cores), ""
    yield "memory", "memory", _gb(facts.memory_gb), ""
    yield "disk", "free disk", _gb(facts.disk_free_gb), f">={disk:.0f} GB"
    yield "gpu", "GPU", "; ".join(_gpu_text(gpu) for gpu in facts.all_gpus), ""
    yield "driver", "NVIDIA driver", facts.driver or "", f">={driver}" if driver else ""
    yield "cuda", "torch's CUDA", facts.cuda or ("none: a CPU build" if facts.torch_build else ""), ""
    yield "cudnn", "cuDNN", str((torch and torch.cudnn) or ""), ""


def _gb(size: float | None) -> str:
    return "" if size is None else f"{size:g} GB"


def _gpu_text(gpu: Gpu) -> str:
    capability = f"compute {gpu.compute_capability}" if gpu.compute_capability else ""
    return ", ".join(part for part in (gpu.name, _gb(gpu.memory_gb), capability) if part)


def _package_lines(facts: Facts) -> Iterator[tuple[str, str, str, str]]:
    asked = asked_pins(facts)["LLaMA-Factory"]
    for name in PACKAGES:
        wanted = f"=={pins.VERSION}" if name == "llamafactory" else pins.wanted_text(name, asked)
        yield name, name, facts.packages.get(name, ""), wanted
