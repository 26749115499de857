"""What RunPod has billed, by pod."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from millhand.pods.runpod.client import RunPod


@dataclass(frozen=True, slots=True)
class Bill:
    """Dollars for one pod so far. The current span of time is billed with a delay."""

    total_usd: float
    gpu_usd: float
    disk_usd: float


def bills(account: RunPod, pod_ids: Collection[str], since_s: float) -> dict[str, Bill]:
    """The bill of each of the pods that has one, from ``since_s`` (seconds since the epoch) on.

    Raises:
        ApiError: The API refuses, or does not answer.
    """
    start = datetime.fromtimestamp(since_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    found: dict[str, Bill] = {}
    for record in account.billing({"startTime": start, "bucketSize": "day"}):
        if record.pod_id in pod_ids:  # others' pods are in the same answer
            had = found.get(record.pod_id, Bill(0.0, 0.0, 0.0))
            found[record.pod_id] = Bill(
                had.total_usd + record.total_amount,
                had.gpu_usd + record.gpu_amount,
                had.disk_usd + record.disk_amount,
            )
    return found
