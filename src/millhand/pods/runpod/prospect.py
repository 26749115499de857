"""What renting would bring now: candidates with live prices, the volume, and the most that it can cost."""

from __future__ import annotations

from dataclasses import dataclass

from millhand.pods.podfile import RunPodSpec
from millhand.pods.runpod.candidates import Candidate, offer
from millhand.pods.runpod.client import RunPod
from millhand.pods.runpod.models import GpuType, NetworkVolume
from millhand.pods.runpod.volumes import found_volumes, monthly_usd


@dataclass(frozen=True, slots=True)
class Prospect:
    """The priced plan of a pod file.

    ``to_make``: the network volume is not there yet. ``monthly_usd``: what it costs, rented or not.
    ``most_usd``: the most that one lease can cost with the dearest candidate.
    """

    candidates: tuple[Candidate, ...]
    passed_over: tuple[str, ...]
    volumes: tuple[NetworkVolume, ...]
    to_make: bool
    monthly_usd: float
    most_usd: float


def prospect(account: RunPod, spec: RunPodSpec) -> Prospect:
    """Read the catalogue and the volumes, and order what may be rented.

    Raises:
        ApiError: The API refuses, or does not answer.
    """
    volumes = found_volumes(account, spec.volume) if spec.volume else []
    to_make = spec.volume is not None and not volumes
    centers = [c.id for c in account.data_centers() if c.network_volume_types] if to_make else None
    catalog: dict[str, list[GpuType]] = {
        cloud: account.gpus(cloud.upper(), spec.count, spec.min_cuda) for cloud in spec.clouds
    }
    found = offer(spec, catalog, centers, volumes)
    return Prospect(
        found.candidates,
        found.passed_over,
        tuple(volumes),
        to_make,
        sum(monthly_usd(volume.size) for volume in volumes) or _to_make_usd(spec),
        max((most_usd(spec, candidate.usd_per_hour) for candidate in found.candidates), default=0.0),
    )


def most_usd(spec: RunPodSpec, usd_per_hour: float) -> float:
    """The most that a lease can cost: the whole of its hours, or its spend limit."""
    return min(spec.lease.hours * usd_per_hour, spec.lease.spend_usd)


def _to_make_usd(spec: RunPodSpec) -> float:
    return monthly_usd(spec.volume.size_gb) if spec.volume else 0.0
