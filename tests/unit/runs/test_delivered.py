"""What a run made on a pod that stays is said to be home, so that the pod may end when it is idle."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from millhand.errors import MillhandError
from millhand.pods.lease import PodLease
from millhand.pods.podfile import PodFile, RunPodSpec
from millhand.runs.on_demand import PodOnDemand
from millhand.workspace import Workspace


class Lease:
    """A lease that hears what was delivered."""

    def __init__(self, fault: MillhandError | None = None) -> None:
        self.delivered_jobs: list[str] = []
        self._fault = fault

    def delivered(self, job: str) -> None:
        self.delivered_jobs.append(job)
        if self._fault:
            raise self._fault


@pytest.mark.parametrize("fault", [None, MillhandError("there is no job")])
def test_a_pod_that_stays_is_told_that_the_run_is_home(
    workspace: Workspace, fault: MillhandError | None
) -> None:
    spec = cast(RunPodSpec, SimpleNamespace(kind="runpod"))
    pod = PodOnDemand(workspace, PodFile("gpu", spec), cast(Any, None), [].append)
    lease = Lease(fault)
    assert pod.release() is None
    pod.claim("qa")
    pod._lease = cast(PodLease, lease)
    assert pod.release() is None
    assert lease.delivered_jobs == ["train-qa"]
