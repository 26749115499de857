"""What `millhand check --pod` knows of a pod: asked of one that runs, else what its file promises."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from millhand.pods.podfile import PodFile, RunPodSpec
    from millhand.runs.facts import Facts
    from millhand.training.check.machine import Machine
    from millhand.workspace import Workspace


def machine_of(workspace: Workspace, text: str) -> Machine:
    """The machine that ``--pod TEXT`` means.

    Raises:
        UsageError: There is no such pod.
        FindingsError: Its file has faults.
        MillhandError: It cannot be looked at.
    """
    from millhand.pods.podfile import RunPodSpec, find_pod

    found = find_pod(workspace, text)
    if isinstance(found.spec, RunPodSpec):
        return promised(found, found.spec)
    from millhand.cli.place import open_pod
    from millhand.runs.facts import ask

    return from_facts(found.name, ask(open_pod(workspace, text), quick=True))


def from_facts(name: str, facts: Facts) -> Machine:
    """A machine that was looked at."""
    from millhand.training.check.machine import Gpu, Machine

    gpus = tuple(Gpu(gpu.name, gpu.memory_gb, _number(gpu.compute_capability)) for gpu in facts.all_gpus)
    return Machine(
        name="this machine" if name == "local" else f"the pod {name}",
        cores=facts.cores,
        memory_gb=facts.memory_gb,
        disk_gb=facts.disk_free_gb,
        gpus=gpus,
        count=max(1, len(gpus)),
        # without LLaMA-Factory the environment that trains is another one, or not made yet
        packages=facts.packages if facts.has_stack else None,
    )


def promised(file: PodFile, spec: RunPodSpec) -> Machine:
    """A pod that is not rented yet: what its file asks for."""
    from millhand.training.check.machine import Gpu, Machine, locked_packages

    cores, memory_gb = spec.min_vcpus_per_gpu, spec.min_ram_gb_per_gpu
    return Machine(
        name=f"the pod {file.name}",
        cores=cores * spec.count if cores else None,
        memory_gb=memory_gb * spec.count if memory_gb else None,
        disk_gb=spec.volume.size_gb if spec.volume else spec.persistent_gb or spec.disk_gb,
        gpus=tuple(Gpu(name) for name in spec.gpus),
        count=spec.count,
        packages=locked_packages(file.requirements),
        rented=True,
    )


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None
