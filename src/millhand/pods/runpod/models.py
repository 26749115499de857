"""What API v2 answers and is sent, as far as Millhand uses it. Unknown fields of an answer are ignored.

Source: the OpenAPI document of API v2 (2026-08-20). Prices are US dollars, memory and disks GB.
"""

from __future__ import annotations

from typing import Any

import msgspec


class Answer(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """The base of answers: camelCase keys, whatever is not known here is passed over."""


class SshEndpoint(Answer, frozen=True):
    """A way to the pod's sshd."""

    host: str
    port: int
    username: str = "root"


class Ssh(Answer, frozen=True):
    """``direct`` is null until the port is mapped; the proxy carries a shell only and is not used."""

    direct: SshEndpoint | None = None


class GpuUse(Answer, frozen=True):
    """Use of one GPU in percent."""

    util: int | None = None


class Runtime(Answer, frozen=True):
    """Live figures. Null, or an empty object, until the container runs on a host that works."""

    uptime: int | None = None
    gpus: tuple[GpuUse, ...] | None = None
    ports: tuple[dict[str, Any], ...] | None = None

    @property
    def alive(self) -> bool:
        """Whether the host reports anything of the container."""
        return self.uptime is not None or bool(self.gpus) or bool(self.ports)


class GpuOfPod(Answer, frozen=True):
    """The GPUs of a pod."""

    id: str = ""
    count: int = 1


class PodState(Answer, frozen=True):
    """A pod as the API sees it. ``status`` is observed, and may be a word that is not known here."""

    id: str
    name: str
    status: str
    actions: tuple[str, ...] = ()
    cost: float = 0.0
    cloud: str = ""
    data_center_id: str | None = None
    gpu: GpuOfPod | None = None
    ssh: Ssh | None = None
    runtime: Runtime | None = None
    created_at: str | None = None
    started_at: str | None = None

    @property
    def direct(self) -> SshEndpoint | None:
        """Where its sshd is reached now."""
        return self.ssh.direct if self.ssh else None

    @property
    def ready(self) -> bool:
        """Whether it runs on a host that works and can be connected to."""
        alive = self.runtime is not None and self.runtime.alive
        return self.status == "RUNNING" and alive and self.direct is not None

    @property
    def over(self) -> bool:
        """Whether it is terminated."""
        return self.status == "TERMINATED"


class Prices(Answer, frozen=True):
    """Dollars per GPU and hour in each cloud."""

    secure: float = 0.0
    community: float = 0.0


class MaxCount(Answer, frozen=True):
    """The most GPUs of one pod in each cloud."""

    secure: int = 1
    community: int = 1


class CenterStock(Answer, frozen=True):
    """The stock of a GPU type in a data centre: NONE, LOW, MEDIUM or HIGH."""

    id: str
    availability: str = "NONE"


class GpuType(Answer, frozen=True):
    """A GPU type on offer. ``availability`` and ``data_centers`` are for the cloud that was asked about."""

    id: str
    name: str = ""
    memory: int = 0
    price: Prices = Prices()
    max_count: MaxCount = MaxCount()
    availability: str = "NONE"
    data_centers: tuple[CenterStock, ...] = ()


class DataCenter(Answer, frozen=True):
    """A data centre and the kinds of network volume it has."""

    id: str
    name: str = ""
    network_volume_types: tuple[str, ...] = ()


class NetworkVolume(Answer, frozen=True):
    """A network volume. Names need not be unique."""

    id: str
    name: str
    size: int
    data_center: str


class BillingRecord(Answer, frozen=True):
    """What one pod cost in one span of time."""

    pod_id: str
    start_time: str
    end_time: str
    total_amount: float = 0.0
    gpu_amount: float = 0.0
    disk_amount: float = 0.0


class Problem(Answer, frozen=True):
    """An error answer, RFC 9457. ``errors`` names each fault of a request's body."""

    title: str = ""
    status: int = 0
    detail: str = ""
    errors: tuple[str, ...] = ()
