"""Faults of a machine and its interpreter: Python, pip, disk, cores, driver, GPU."""

from __future__ import annotations

from collections.abc import Iterator

from packaging.version import InvalidVersion, Version

from millhand.errors import Finding, Severity
from millhand.llamafactory import pins
from millhand.runs.facts import Facts, quoted

LITTLE_DISK_GB, DISK_FOR_A_GPU_GB = 2.0, 20.0
FEW_CORES = 4
# The oldest Linux driver of each CUDA major version (NVIDIA's minor-version compatibility).
DRIVERS = {11: "450.80.02", 12: "525.60.13", 13: "580.65.06"}


def fault(id: str, severity: Severity, message: str, mend: str, why: str = "") -> Finding:
    """A finding of the doctor's; ``id`` is the row of the table and the kind of fault: ``torch.import``."""
    return Finding(id=f"doctor.{id}", severity=severity, message=message, mend=mend, why=why)


def obstacles(facts: Facts) -> list[Finding]:
    """What keeps pip from installing LLaMA-Factory into this interpreter."""
    old = [finding for finding in check_python(facts) if finding.severity == "error"]
    return [*old, *_managed(facts), *_pip(facts)]


def check_machine(facts: Facts) -> Iterator[Finding]:
    """Every fault of the machine."""
    yield from check_python(facts)
    yield from _disk(facts)
    yield from check_driver(facts)
    yield from _gpu(facts)
    yield from _cores(facts)


def check_python(facts: Facts) -> Iterator[Finding]:
    """The interpreter's version."""
    version = facts.python.version
    if not pins.PYTHON.contains(version, prereleases=True):
        yield fault(
            "python.old",
            "error",
            f"Python {version} is too old: LLaMA-Factory {pins.VERSION} needs {pins.PYTHON}.",
            "Make an environment with a newer one: python3.11 -m venv .venv",
            "pip would install LLaMA-Factory 0.9.3 or none.",
        )
    elif not pins.PYTHON_TRIED.contains(version, prereleases=True):
        yield fault(
            "python.new",
            "warning",
            f"Python {version} is newer than 3.11-3.13, for which LLaMA-Factory {pins.VERSION} was released.",
            "Make an environment with an older one: python3.12 -m venv .venv",
            "Packages with native code may have no wheels for it.",
        )


def _managed(facts: Facts) -> Iterator[Finding]:
    if facts.python.externally_managed:
        yield fault(
            "python.managed",
            "error",
            "This Python belongs to the operating system, which forbids pip to install into it.",
            f"Make an environment of your own: {quoted(facts.python.executable)} -m venv .venv",
        )


def _pip(facts: Facts) -> Iterator[Finding]:
    if facts.python.pip:
        return
    mend = f"{quoted(facts.python.executable)} -m ensurepip --upgrade"
    if not facts.python.ensurepip:
        mend = "Install it as your system does (Debian, Ubuntu: sudo apt install python3-venv python3-pip)"
    yield fault("python.no-pip", "error", "This interpreter has no pip.", mend)


def _disk(facts: Facts) -> Iterator[Finding]:
    free = facts.disk_free_gb
    if free is not None and free < LITTLE_DISK_GB:
        yield fault(
            "disk.full",
            "error",
            f"{free} GB of disk are free; at least {LITTLE_DISK_GB:.0f} GB are needed.",
            "Free some, or keep the workspace on another disk.",
            "A checkpoint that does not fit is left half-written.",
        )
    elif free is not None and free < DISK_FOR_A_GPU_GB and facts.all_gpus:
        yield fault(
            "disk.small",
            "warning",
            f"{free} GB of disk are free; training on a GPU wants {DISK_FOR_A_GPU_GB:.0f} GB or more.",
            "Free some, or keep the workspace on another disk.",
            "An 8B model takes 16 GB before its first checkpoint.",
        )


def _cores(facts: Facts) -> Iterator[Finding]:
    if facts.cores > FEW_CORES or facts.all_gpus or facts.omp_num_threads or not facts.has_stack:
        return
    yield fault(
        "cores.few",
        "note",
        f"{facts.cores} cores: under load torch's own choice of threads makes a step many times slower.",
        "Where you call llamafactory-cli yourself, set OMP_NUM_THREADS=1.",
    )


def check_driver(facts: Facts) -> Iterator[Finding]:
    """Whether NVIDIA's driver is new enough for the CUDA that torch was built for."""
    needed = DRIVERS.get(cuda_major(facts.cuda))
    if not needed or not facts.driver or not _older(facts.driver, needed):
        return
    mend = f"Install an NVIDIA driver >= {needed}"
    if not _older(facts.driver, DRIVERS[12]):
        mend += f", or a torch of CUDA 12: {facts.pip('install', 'torch==2.10.*')}"
    yield fault(
        "driver.old",
        "error",
        f"The NVIDIA driver {facts.driver} is too old for torch's CUDA {facts.cuda} (needs >= {needed}).",
        mend,
        "torch cannot use the GPU.",
    )


def cuda_major(version: str | None) -> int:
    """The CUDA version's first number: ``12.8`` -> 12; 0 where there is none."""
    head = (version or "").partition(".")[0]
    return int(head) if head.isdigit() else 0


def _older(version: str, than: str) -> bool:
    try:
        return Version(version) < Version(than)
    except InvalidVersion:
        return False


def _gpu(facts: Facts) -> Iterator[Finding]:
    build, torch = facts.torch_build, facts.torch
    if not facts.gpus or build is None or build.hip:
        return
    if build.cuda is None:
        yield _cpu_torch(facts)
    elif torch and not torch.error and not torch.cuda_available and not list(check_driver(facts)):
        yield _unseen(facts, torch.cuda_error or "it gives no reason.")
    elif torch and any(gpu.bf16 is False for gpu in torch.gpus):
        yield fault(
            "gpu.no-bf16",
            "note",
            f"{torch.gpus[0].name} does not compute in bf16.",
            "Write `fp16: true` where a configuration says `bf16: true`.",
        )


def _cpu_torch(facts: Facts) -> Finding:
    return fault(
        "torch.cpu-only",
        "error" if facts.has_stack else "warning",
        f"torch {facts.packages.get('torch', '')} is a build for CPUs; this machine has a GPU, "
        f"{facts.gpus[0].name}.",
        f"{facts.pip('uninstall', '-y', 'torch')}, then install the build for your driver as "
        "https://pytorch.org/get-started/locally says, then millhand install",
        "Training would run on the CPU.",
    )


def _unseen(facts: Facts, reason: str) -> Finding:
    return fault(
        "gpu.unseen",
        "error",
        f"torch does not see the GPU {facts.gpus[0].name}: {reason}",
        "See whether CUDA_VISIBLE_DEVICES hides it, and whether the container was started with GPUs.",
        "Training would run on the CPU.",
    )
