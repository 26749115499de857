"""What may be rented now: the pod file's GPUs, clouds and data centres, as the live catalogue has them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from millhand.pods.podfile import RunPodSpec
from millhand.pods.runpod.models import GpuType, NetworkVolume

MONTH_H = 730.0
DISK_USD_GB_MONTH = 0.10  # a running pod's disks
VOLUME_USD_GB_MONTH = 0.07  # a network volume below 1 TB, rented or not
_RANK = {"HIGH": 0, "MEDIUM": 1, "LOW": 2}


@dataclass(frozen=True, slots=True)
class Candidate:
    """One thing to ask for. ``data_center`` None: wherever RunPod likes. ``usd_per_hour``: the whole pod."""

    gpu: str
    cloud: str
    data_center: str | None
    usd_per_hour: float
    stock: str
    volume: NetworkVolume | None = None

    @property
    def shown(self) -> str:
        """``NVIDIA L4, secure, EU-RO-1``."""
        return ", ".join([self.gpu, self.cloud.lower(), self.data_center or "any data centre"])


@dataclass(frozen=True, slots=True)
class Offer:
    """What the catalogue says: candidates, best first, and why the rest was passed over."""

    candidates: tuple[Candidate, ...]
    passed_over: tuple[str, ...]


def offer(
    spec: RunPodSpec,
    catalog: dict[str, list[GpuType]],
    centers: Iterable[str] | None,
    volumes: Iterable[NetworkVolume],
) -> Offer:
    """Order what the pod file allows: by its GPUs, its clouds, its data centres, then by stock.

    Args:
        catalog: The GPU types by cloud (``secure``, ``community``).
        centers: The data centres that may be used; None for all. With a volume to be made: those that have
            network volumes.
        volumes: The network volumes of the pod file's name; where there are any, they decide the place.
    """
    found: list[Candidate] = []
    notes: list[str] = []
    there = {volume.data_center: volume for volume in volumes}
    allowed = None if centers is None else set(centers)
    for gpu in spec.gpus:
        for cloud in spec.clouds:
            kind = next((kind for kind in catalog.get(cloud, ()) if kind.id == gpu), None)
            reason = _reason(spec, kind, cloud)
            if reason or kind is None:
                notes.append(f"{gpu}, {cloud}: {reason}")
                continue
            placed = [*_placed(spec, kind, cloud, allowed, there)]
            found += placed
            if not placed:
                notes.append(f"{gpu}, {cloud}: nothing is free in the data centres that may be used")
    return Offer(tuple(found), tuple(notes))


def price(spec: RunPodSpec, kind: GpuType, cloud: str) -> float:
    """Dollars an hour for the whole pod: its GPUs and its own disks."""
    gpu = kind.price.secure if cloud == "secure" else kind.price.community
    disks = (spec.disk_gb + (spec.persistent_gb or 0)) * DISK_USD_GB_MONTH / MONTH_H
    return gpu * spec.count + disks


def put_last(candidates: Iterable[Candidate], bad: Candidate, data_center: str | None) -> list[Candidate]:
    """The candidates with those of a host's kind and place at the end: it gave us one that does not work."""
    place = data_center or bad.data_center

    def suspect(candidate: Candidate) -> bool:
        return candidate == bad or (place is not None and candidate.data_center == place)

    return sorted(candidates, key=suspect)


def _reason(spec: RunPodSpec, kind: GpuType | None, cloud: str) -> str:
    """Why nothing of a GPU type can be rented in a cloud; empty where it can."""
    if kind is None:
        return "RunPod knows no GPU of this id"
    gpu = kind.price.secure if cloud == "secure" else kind.price.community
    most = kind.max_count.secure if cloud == "secure" else kind.max_count.community
    if gpu <= 0:
        return "not on offer in this cloud"
    if spec.count > most:
        return f"one pod has at most {most}"
    if price(spec, kind, cloud) > spec.max_usd_per_hour:
        return (
            f"${price(spec, kind, cloud):.2f} an hour is above max_usd_per_hour {spec.max_usd_per_hour:.2f}"
        )
    return "none is free" if kind.availability == "NONE" else ""


def _placed(
    spec: RunPodSpec,
    kind: GpuType,
    cloud: str,
    allowed: set[str] | None,
    volumes: dict[str, NetworkVolume],
) -> Iterator[Candidate]:
    usd = price(spec, kind, cloud)
    wanted = {center: index for index, center in enumerate(spec.data_centers)}
    stock = {c.id: c.availability for c in kind.data_centers if c.availability != "NONE"}
    if not stock and not wanted and not volumes and spec.volume is None:
        yield Candidate(kind.id, cloud.upper(), None, usd, kind.availability)
    for center in sorted(stock, key=lambda c: (wanted.get(c, 0), _RANK.get(stock[c], 3), c)):
        fits = (not wanted or center in wanted) and (allowed is None or center in allowed)
        if fits and (not volumes or center in volumes):
            yield Candidate(kind.id, cloud.upper(), center, usd, stock[center], volumes.get(center))
