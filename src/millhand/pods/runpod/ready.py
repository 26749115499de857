"""Waiting until a pod can be connected to, and no longer than that can be hoped for."""

from __future__ import annotations

from collections.abc import Callable

from millhand.errors import MillhandError
from millhand.pods.runpod.client import RunPod
from millhand.pods.runpod.models import PodState

LIMIT_S = 480.0
_NEW_S = 30.0  # a pod that was just made may not be listed yet
_OFTEN_S, _SELDOM_S = 2.0, 5.0
_DEAD = ("ERROR", "EXITED", "TERMINATED")


class HostUnusableError(MillhandError):
    """The host that RunPod gave does not work. It bills all the same, so the pod must be ended."""

    def __init__(self, message: str, data_center: str | None = None) -> None:
        super().__init__(message)
        self.data_center = data_center


def wait_ready(
    account: RunPod, pod_id: str, *, limit_s: float = LIMIT_S, say: Callable[[str], None]
) -> PodState:
    """Wait until the pod runs on a host that works and its SSH port is mapped.

    Raises:
        HostUnusableError: It ended, is gone, or did not come up within ``limit_s``.
        OutcomeUnknownError: The API does not answer.
    """
    began, told = account.waits.now(), ""
    while True:
        pod, age = account.pod(pod_id), account.waits.now() - began
        if pod is not None and pod.ready:
            return pod
        _give_up(pod, age, limit_s)
        now = _stage(pod)
        if now != told:
            say(f"{now} ({age:.0f} s)")
            told = now
        account.waits.sleep(_OFTEN_S if age < _NEW_S else _SELDOM_S)


def _give_up(pod: PodState | None, age: float, limit_s: float) -> None:
    if pod is None:
        if age >= _NEW_S:
            raise HostUnusableError("RunPod no longer knows the pod.")
        return
    if pod.status in _DEAD:
        raise HostUnusableError(f"The pod is {pod.status} before it ran.", pod.data_center_id)
    if age >= limit_s:
        raise HostUnusableError(f"After {age / 60:.0f} minutes: {_stage(pod)}.", pod.data_center_id)


def _stage(pod: PodState | None) -> str:
    """How far it is, in words."""
    if pod is None or pod.status == "PROVISIONING":
        return "RunPod looks for a host"
    if pod.status == "STARTING":
        return "The host fetches the image and starts the container"
    if pod.runtime is None or not pod.runtime.alive:
        return "The container reports nothing yet (a host with too old a driver never does)"
    return "The container runs; its SSH port is not mapped yet"
