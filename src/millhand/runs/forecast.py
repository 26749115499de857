"""A training held against the pods that it could run on: pod files, live prices, this machine's own GPUs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec

from millhand.errors import FindingsError, UsageError
from millhand.llamafactory.knowledge import Knowledge, installed
from millhand.llamafactory.yaml import parse_yaml
from millhand.pods.local import LocalPod
from millhand.pods.podfile import PodFile, RunPodSpec, find_pod, pod_names
from millhand.pods.runpod.candidates import price
from millhand.pods.runpod.client import RunPod
from millhand.runs.facts import ask
from millhand.training.check.keys import check_keys
from millhand.training.check.machine import locked_packages
from millhand.training.check.rule import apply
from millhand.training.check.rules import BY_PURPOSE
from millhand.training.check.subject import Config
from millhand.training.check.values import check_values
from millhand.training.estimate.gpus import GPUS, USUAL, Gpu, find_gpu
from millhand.training.estimate.models import Finder
from millhand.training.estimate.plan import Forecast, Offer, Planner
from millhand.training.estimate.speed import Range
from millhand.training.project import Project
from millhand.workspace import Workspace

_USUAL = "usual"
_EXTRA = ("bitsandbytes", "deepspeed", "liger-kernel")
_COUNTS = (1, 2, 4)


def forecast(
    workspace: Workspace,
    project: Project,
    pods: Sequence[str],
    *,
    gpus: int | None = None,
    offline: bool = False,
    account: RunPod | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Forecast:
    """What the project's training needs on each GPU of the pods; all pod files where none is named.

    Args:
        gpus: How many GPUs in place of the pod files' own count.
        account: RunPod, to read prices live; None takes the pod files' highest price.

    Raises:
        UsageError: A pod or the model cannot be found, or the training is of a kind that is not covered.
        FindingsError: train.yaml, a pod file or a dataset is broken.
    """
    knowledge, values = installed(), project.values("train")
    _check(workspace, project, knowledge)
    finder = Finder(workspace.root, workspace.settings(), offline=offline)
    planner = Planner(project.name, values, workspace.root, knowledge, finder)
    found = list(_offers(workspace, pods, gpus, account, tell))
    if not found:
        raise UsageError(
            "None of the pods has a GPU whose memory is known here.",
            mend=f"Known are {', '.join(GPUS)}. Name a pod file: `millhand plan {project.name} --pod l4`.",
        )
    return planner.forecast(found)


def _check(workspace: Workspace, project: Project, knowledge: Knowledge) -> None:
    """Look for values without which no figure means anything.

    Raises:
        FindingsError: LLaMA-Factory refuses a key or a value, or DeepSpeed's settings are not there.
    """
    path = project.path("train")
    document = parse_yaml(path.read_bytes().decode("utf-8"), workspace.relative(path))
    config = Config("train", document, knowledge, workspace.root, workspace.settings())
    found = [*check_keys(config), *check_values(config)]
    found += [fault for fault in apply(BY_PURPOSE["train"], config) if fault.id == "deepspeed.file"]
    faults = [finding for finding in found if finding.severity == "error"]
    if faults:
        raise FindingsError(faults, message="What LLaMA-Factory refuses is not estimated.")


def _offers(
    workspace: Workspace,
    names: Sequence[str],
    gpus: int | None,
    account: RunPod | None,
    tell: Callable[[str], None],
) -> Iterator[Offer]:
    files = [find_pod(workspace, name) for name in names or _rented(workspace)]
    if not files:
        yield from _usual(gpus)
    seen: set[tuple[str, int]] = set()
    for file in files:
        for offer in _of(workspace, file, gpus, account, tell):
            if (offer.gpu.id, offer.count) not in seen or names:
                seen.add((offer.gpu.id, offer.count))
                yield offer


def _rented(workspace: Workspace) -> list[str]:
    """The pod files that rent."""
    return [name for name in pod_names(workspace) if isinstance(find_pod(workspace, name).spec, RunPodSpec)]


def _usual(gpus: int | None) -> Iterator[Offer]:
    """What is commonly rented, alone and, of the largest, two and four together."""
    for id_ in USUAL:
        counts = (gpus,) if gpus else _COUNTS if id_ == USUAL[-1] else (1,)
        for count in counts:
            yield Offer(pod=_USUAL, gpu=GPUS[id_], count=count)


def _of(
    workspace: Workspace, file: PodFile, gpus: int | None, account: RunPod | None, tell: Callable[[str], None]
) -> Iterator[Offer]:
    if isinstance(file.spec, RunPodSpec):
        lacks = _lacks(file)
        for offer in _of_runpod(file.name, file.spec, gpus, account, tell):
            yield msgspec.structs.replace(offer, lacks=lacks)
    elif file.spec.kind == "local":
        yield from _of_this_machine(workspace, file.name, gpus, tell)
    else:
        tell(f"{file.name}: its GPUs are not known before it is connected to; left out.")


def _lacks(file: PodFile) -> tuple[str, ...]:
    """What settings may need and the pod file's locked requirements have not."""
    locked = locked_packages(file.requirements)
    return tuple(name for name in _EXTRA if name not in locked) if locked else ()


def _of_runpod(
    name: str, spec: RunPodSpec, gpus: int | None, account: RunPod | None, tell: Callable[[str], None]
) -> Iterator[Offer]:
    count = gpus or spec.count
    for id_ in spec.gpus:
        gpu = find_gpu(id_)
        if gpu is None:
            tell(f"{name}: {id_} is not in the table of GPUs; left out.")
            continue
        rate, source = _rate(spec, gpu, count, account)
        yield Offer(pod=name, gpu=gpu, count=count, usd_per_hour=rate, price_source=source)


def _rate(spec: RunPodSpec, gpu: Gpu, count: int, account: RunPod | None) -> tuple[Range | None, str]:
    """Dollars an hour for the whole pod: the catalogue's, else the most that the pod file allows."""
    if account is None:
        most = spec.max_usd_per_hour * count / spec.count
        return Range(most, most), "at most: the pod file's max_usd_per_hour"
    rates = [
        price(spec, kind, cloud) * count / spec.count
        for cloud in spec.clouds
        for kind in account.gpus(cloud, count, spec.min_cuda)
        if kind.id == gpu.id
    ]
    return (Range(min(rates), max(rates)), "RunPod's catalogue, now") if rates else (None, "not on offer")


def _of_this_machine(
    workspace: Workspace, name: str, gpus: int | None, tell: Callable[[str], None]
) -> Iterator[Offer]:
    facts = ask(LocalPod(workspace.root), quick=True)
    first = facts.gpus[0] if facts.gpus else None
    if first is None or first.memory_gb is None:
        tell(f"{name}: this machine has no GPU that nvidia-smi names; left out.")
        return
    known = find_gpu(first.name)
    gpu = Gpu(first.name, first.name, first.memory_gb, known.tflops if known else 50.0,
              known.bandwidth_gb_s if known else 500.0, "nvidia-smi")  # fmt: skip
    yield Offer(pod=name, gpu=gpu, count=gpus or len(facts.gpus), rented=False)
