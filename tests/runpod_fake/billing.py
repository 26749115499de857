"""GET /v2/billing/pods: usage cut into buckets."""

from __future__ import annotations

import math
from typing import Any

from tests.runpod_fake.clock import parse_time, rfc3339
from tests.runpod_fake.script import ProblemError
from tests.runpod_fake.state import FakePod, FakeRunPod

_BUCKETS = {"hour": 3600, "day": 86_400, "week": 7 * 86_400}


def billing(fake: FakeRunPod, query: dict[str, str]) -> dict[str, Any]:
    """The records of a window, one a pod and bucket, and their totals."""
    size = query.get("bucketSize", "day")
    if size not in _BUCKETS:
        raise ProblemError(422, "Request validation failed.", (f"bucketSize: {size!r}",))
    begin, end = _window(fake, query, _BUCKETS[size])
    pods = [*fake.pods.values(), *fake.ended.values()]
    wanted = [pod for pod in pods if query.get("podId") in (None, pod.id)]
    starts = range(begin, end, _BUCKETS[size])
    records = [_record(fake, pod, start, start + _BUCKETS[size]) for pod in wanted for start in starts]
    records = [record for record in records if record["totalAmount"] > 0]
    window = {"startTime": rfc3339(begin), "endTime": rfc3339(end), "bucketSize": size}
    kinds = ("totalAmount", "gpuAmount", "cpuAmount", "diskAmount")
    return {
        "records": records,
        "metadata": {
            "query": {**window, "podId": query.get("podId")},
            "recordCount": len(records),
            "uniquePodCount": len({record["podId"] for record in records}),
            "totals": {kind: sum(record[kind] for record in records) for kind in kinds},
        },
    }


def _window(fake: FakeRunPod, query: dict[str, str], bucket: int) -> tuple[int, int]:
    now = fake.clock.now()
    if "lastN" in query and {"startTime", "endTime"} & set(query):
        raise ProblemError(400, "lastN and startTime/endTime are mutually exclusive")
    end = parse_time(query["endTime"]) if "endTime" in query else now
    begin = parse_time(query["startTime"]) if "startTime" in query else now - 30 * 86_400
    last = math.ceil(end / bucket) * bucket
    return (last - int(query["lastN"]) * bucket if "lastN" in query else int(begin // bucket) * bucket), last


def _record(fake: FakeRunPod, pod: FakePod, start: int, end: int) -> dict[str, Any]:
    gpu, disk = fake.cost(pod, start, end)
    return {
        "startTime": rfc3339(start),
        "endTime": rfc3339(end),
        "podId": pod.id,
        "totalAmount": gpu + disk,
        "gpuAmount": gpu,
        "cpuAmount": 0,
        "diskAmount": disk,
    }
