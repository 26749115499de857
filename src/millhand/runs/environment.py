"""The training environment of a pod: what a run needs to know before it starts, and its manifest keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import takewhile
from typing import Any

from packaging.version import Version

from millhand.errors import MissingPackageError
from millhand.llamafactory import launch
from millhand.pods.base import Pod
from millhand.runs.facts import Facts, ask
from millhand.training.effective import JIT_CHECKPOINT_SINCE

_KEPT = (
    "accelerate", "bitsandbytes", "datasets", "deepspeed", "flash-attn", "liger-kernel", "llamafactory",
    "peft", "safetensors", "tokenizers", "torch", "transformers", "trl", "unsloth", "xformers",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class TrainingEnvironment:
    """The machine, its usable GPUs and versions. ``threads`` is for torch; None leaves it to torch."""

    python: str
    platform: str
    cores: int
    memory_gb: float | None
    gpus: tuple[str, ...]
    driver: str | None
    packages: dict[str, str]
    threads: int | None

    @property
    def processes(self) -> int:
        """How many training processes: one a GPU, or one."""
        return max(1, len(self.gpus))

    @property
    def saves_on_request(self) -> bool:
        """Whether its transformers saves a checkpoint when it is asked to end."""
        return Version(self.packages.get("transformers", "0")).release >= JIT_CHECKPOINT_SINCE

    def as_facts(self) -> dict[str, Any]:
        """For the manifest."""
        return asdict(self)


def training_environment(pod: Pod, settings: Mapping[str, str]) -> TrainingEnvironment:
    """Look at a pod without importing anything there.

    Args:
        pod: Where training is to run.
        settings: The workspace's, for CUDA_VISIBLE_DEVICES.

    Raises:
        MissingPackageError: LLaMA-Factory is not installed there.
    """
    facts = ask(pod, quick=True)
    if "llamafactory" not in facts.packages:
        raise MissingPackageError(
            f"LLaMA-Factory is not installed for {pod.python}.",
            mend="Bring the training environment: `millhand install` (see `millhand doctor`).",
        )
    gpus = usable_gpus(facts, settings.get("CUDA_VISIBLE_DEVICES"))
    return TrainingEnvironment(
        python=facts.python.version,
        platform=facts.platform.text,
        cores=facts.cores,
        memory_gb=facts.memory_gb,
        gpus=gpus,
        driver=facts.driver,
        packages={name: facts.packages[name] for name in _KEPT if name in facts.packages},
        threads=None if gpus else launch.cpu_threads(facts.cores),
    )


def usable_gpus(facts: Facts, visible: str | None) -> tuple[str, ...]:
    """The GPUs that training can use: none for a CPU build of torch, and only those made visible.

    Args:
        facts: The pod's.
        visible: CUDA_VISIBLE_DEVICES; None where it is not set. CUDA stops at the first number it lacks.
    """
    names = [gpu.name for gpu in facts.gpus] if facts.cuda else []
    if visible is None:
        return tuple(names)
    wanted = [word.strip() for word in visible.split(",")]
    if any(word.startswith(("GPU-", "MIG-")) for word in wanted):
        return tuple(names[: len(wanted)])
    known = takewhile(lambda word: word.isdigit() and int(word) < len(names), wanted)
    return tuple(names[int(word)] for word in known)
