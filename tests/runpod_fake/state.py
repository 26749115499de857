"""The fake's account: pods, volumes, balance and usage, and what becomes of them as its clock goes on."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.runpod_fake import schema
from tests.runpod_fake.catalog import Gpu, default_gpus
from tests.runpod_fake.clock import Clock, rfc3339
from tests.runpod_fake.machines import Machines, NullMachines
from tests.runpod_fake.script import Fault, How, ProblemError

KEY = "rpa_PLANTEDaccountKEY0123456789"
HOUR_S, MONTH_H = 3600.0, 730.0
Fate = Literal["well", "old-driver", "stuck", "error"]
Host = tuple[str, str, str]  # GPU, cloud, data centre
ACTIONS = {
    "RUNNING": ["stop", "restart", "terminate"],
    "EXITED": ["start", "terminate"],
    "ERROR": ["start", "terminate"],
    "PROVISIONING": ["stop", "terminate"],
    "STARTING": ["stop", "terminate"],
    "TERMINATED": [],
}


@dataclass
class FakePod:
    """A pod. ``used`` are the spans in which it was billed as running, the last one open while it is."""

    id: str
    body: dict[str, Any]
    rate: float
    data_center: str
    fate: Fate
    created_s: float
    begun_s: float
    env: dict[str, str] = field(default_factory=dict)
    used: list[tuple[float, float | None]] = field(default_factory=list)
    stopped: bool = False
    gone: bool = False
    booting: bool = False
    running_s: float | None = None
    address: tuple[str, int] | None = None

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.body["name"])

    @property
    def key(self) -> str:
        """The pod's own key, which RunPod puts into its environment."""
        return self.env.get("RUNPOD_API_KEY", "")

    @property
    def volume_path(self) -> str | None:
        """Where its lasting volume is mounted."""
        mounts = self.body.get("mounts", {})
        mount = (mounts.get("network") or [None])[0] or mounts.get("persistent")
        return mount["path"] if mount else None

    @property
    def on_network_volume(self) -> bool:
        """Whether a network volume is mounted."""
        return bool(self.body.get("mounts", {}).get("network"))

    def disk_rate(self, *, running: bool) -> float:
        """Dollars an hour for its disks."""
        persistent = self.body.get("mounts", {}).get("persistent", {}).get("size", 0)
        month = persistent * (0.10 if running else 0.20) + (
            self.body.get("disk", 20) * 0.10 if running else 0
        )
        return month / MONTH_H


class FakeRunPod:
    """One account at RunPod. Fields may be turned between requests; ``requests`` holds what came in.

    Args:
        clock: RunPod's time.
        machines: What stands behind the pods.
        provision_s, start_s, direct_null_s: How long a new pod is PROVISIONING, then STARTING, and how
            long after that its ssh.direct is null.
    """

    def __init__(
        self,
        clock: Clock | None = None,
        machines: Machines | None = None,
        *,
        provision_s: float = 5.0,
        start_s: float = 20.0,
        direct_null_s: float = 5.0,
    ) -> None:
        self.clock, self.machines = clock or Clock(), machines or NullMachines()
        self.provision_s, self.start_s, self.direct_null_s = provision_s, start_s, direct_null_s
        self.key, self.balance_usd = KEY, 50.0
        self.gpus: list[Gpu] = default_gpus()
        self.pods: dict[str, FakePod] = {}
        self.ended: dict[str, FakePod] = {}
        self.volumes: list[dict[str, Any]] = []
        self.faults: list[Fault] = []
        self.no_capacity: set[Host] = set()
        self.forbidden: set[Host] = set()
        self.fates: dict[str, Fate] = {}
        self.price_factor, self.page_size, self.quota = 1.0, 0, 0
        self.username = "root"
        self.outage_until_s: float = 0.0
        self.outage_how: How = "answer"
        self.log_hold_s = 5.0
        self.requests: list[tuple[str, str, Any]] = []
        self.on_request: Callable[[str, str], None] | None = None
        self.lock = threading.RLock()

    # --- what tests turn ---------------------------------------------------------------------------------

    def fault(self, method: str, path: str, **settings: Any) -> Fault:
        """Let the next matching request go wrong; see :class:`Fault`."""
        fault = Fault(method, path, **settings)
        self.faults.append(fault)
        return fault

    def outage(self, seconds: float, how: How = "answer") -> None:
        """Let every request fail for so long, by its clock."""
        self.outage_until_s, self.outage_how = self.clock.now() + seconds, how

    def struck(self, method: str, path: str, body: object) -> Fault | None:
        """The fault that strikes a request."""
        if self.clock.now() < self.outage_until_s:
            return Fault(method, path, how=self.outage_how, status=503, detail="down for a while")
        return next((fault for fault in self.faults if fault.takes(method, path, body)), None)

    def plant(self, name: str, **body: Any) -> FakePod:
        """A pod of somebody else's in the same account, running."""
        whole = {"name": name, "image": "x", "gpu": {"id": "NVIDIA L4", "count": 1}, **body}
        pod = self._add(whole, self.gpus[0].secure, "US-KS-2")
        pod.begun_s -= 10 * HOUR_S
        self.settle()
        return pod

    def add_volume(self, name: str, size: int = 100, center: str = "EU-RO-1") -> dict[str, Any]:
        """A network volume that is there already."""
        kind = {"id": f"vol_{secrets.token_hex(4)}", "name": name, "size": size}
        self.volumes.append({**kind, "dataCenter": center, "type": "STANDARD"})
        return self.volumes[-1]

    def created(self) -> list[dict[str, Any]]:
        """The bodies of the create requests that came in, also those that were refused."""
        return [body for method, path, body in self.requests if (method, path) == ("POST", "/pods")]

    # --- as time goes on ---------------------------------------------------------------------------------

    def settle(self) -> None:
        """Let everything happen that was due by now: machines boot, an empty balance ends pods."""
        with self.lock:
            due = [pod for pod in self.pods.values() if self._due(pod)]
            for pod in due:
                pod.booting = True
        for pod in due:  # outside the lock: a machine may ask the API while it boots
            address = self.machines.boot(pod.id, pod.env, pod.body.get("args", ""), pod.volume_path)
            with self.lock:
                pod.address, pod.booting, pod.running_s = address, False, self.clock.now()
        if self.balance() <= 0:
            for pod in list(self.pods.values()):
                (self.stop if pod.on_network_volume else self.terminate)(pod)

    def _due(self, pod: FakePod) -> bool:
        waits = pod.stopped or pod.booting or pod.running_s is not None or pod.fate != "well"
        return not waits and self.clock.now() >= pod.begun_s + self.provision_s + self.start_s

    def status(self, pod: FakePod) -> str:
        """A pod's status by now."""
        age = self.clock.now() - pod.begun_s
        if pod.gone:
            return "TERMINATED"
        if pod.stopped:
            return "EXITED"
        if pod.fate == "stuck" or age < self.provision_s:
            return "PROVISIONING"
        if pod.fate == "error":
            return "ERROR"
        late = age >= self.provision_s + self.start_s
        return "RUNNING" if pod.running_s is not None or (pod.fate == "old-driver" and late) else "STARTING"

    # --- what requests do --------------------------------------------------------------------------------

    def create(self, body: dict[str, Any]) -> FakePod:
        """Place a pod where the body allows it.

        Raises:
            ProblemError: 402, 403, or 400 where a rule is broken or nothing is free.
        """
        broken = [*schema.broken_rules(body)]
        if broken:
            raise ProblemError(400, broken[0])
        gpu = self._gpu(body)
        cloud, wish = body.get("cloud", "SECURE"), body.get("dataCenterIds") or []
        center = self._place(gpu, cloud, wish, body)
        rate = (gpu.secure if cloud == "SECURE" else gpu.community) * body["gpu"]["count"]
        if self.balance() < rate:
            raise ProblemError(402, "Your balance is too low: deploying needs an hour of credit.")
        return self._add(body, rate, center)

    def _gpu(self, body: dict[str, Any]) -> Gpu:
        wanted = body.get("gpu", {})
        gpu = next((gpu for gpu in self.gpus if gpu.id == wanted.get("id")), None)
        if gpu is None:
            raise ProblemError(400, f"unknown GPU type {wanted.get('id')!r}")
        if "count" not in wanted:
            raise ProblemError(400, "There are no instances currently available")
        return gpu

    def _place(self, gpu: Gpu, cloud: str, wish: list[str], body: dict[str, Any]) -> str:
        free = [center for (where, center), level in gpu.stock.items() if where == cloud and level != "NONE"]
        free = [center for center in free if not wish or center in wish]
        if any((gpu.id, cloud, center) in self.forbidden for center in free):
            raise ProblemError(403, "Your account cannot access the requested pool.")
        free = [center for center in free if (gpu.id, cloud, center) not in self.no_capacity]
        for mount in body.get("mounts", {}).get("network", ()):
            volume = next((v for v in self.volumes if v["id"] == mount["volumeId"]), None)
            if volume is None:
                raise ProblemError(404, "network volume not found")
            free = [center for center in free if center == volume["dataCenter"]]
        if not free:
            raise ProblemError(400, "There are no instances currently available")
        return free[0]

    def _add(self, body: dict[str, Any], rate: float, center: str) -> FakePod:
        now, pod_id = self.clock.now(), secrets.token_hex(7)
        fate = self.fates.get(center, "well")
        env = {**body.get("env", {}), "RUNPOD_POD_ID": pod_id, "RUNPOD_API_KEY": f"rpp_pod_{pod_id}"}
        pod = FakePod(pod_id, body, rate * self.price_factor, center, fate, now, now, env, [(now, None)])
        with self.lock:
            self.pods[pod_id] = pod
        return pod

    def act(self, pod: FakePod, action: str) -> None:
        """Start, stop, restart or terminate.

        Raises:
            ProblemError: 409: not legal now.
        """
        if action not in ACTIONS[self.status(pod)]:
            raise ProblemError(409, f"{action} is not valid for a pod that is {self.status(pod)}")
        getattr(self, action)(pod)

    def start(self, pod: FakePod) -> None:
        """Boot it again, on another port."""
        pod.stopped, pod.running_s, pod.begun_s = False, None, self.clock.now()
        pod.used.append((pod.begun_s, None))

    def stop(self, pod: FakePod) -> None:
        """Give its GPU back and keep its disk."""
        self._close(pod)
        pod.stopped, pod.running_s, pod.address = True, None, None
        self.machines.kill(pod.id)

    def restart(self, pod: FakePod) -> None:
        """Start its container anew: another port, an empty container disk."""
        with self.lock:  # nobody who asks after it boots it a second time
            pod.address, pod.running_s, pod.booting = None, None, True
        address = self.machines.restart(pod.id)
        with self.lock:
            pod.address, pod.booting, pod.running_s = address, False, self.clock.now()

    def terminate(self, pod: FakePod) -> None:
        """Delete it."""
        with self.lock:
            if self.pods.pop(pod.id, None) is None:
                return
            self._close(pod)
            pod.gone = True
            self.ended[pod.id] = pod
        self.machines.kill(pod.id)

    def _close(self, pod: FakePod) -> None:
        began, ended = pod.used[-1]
        if ended is None:
            pod.used[-1] = (began, self.clock.now())

    # --- money -------------------------------------------------------------------------------------------

    def balance(self) -> float:
        """Dollars left."""
        now = self.clock.now()
        everything = [*self.pods.values(), *self.ended.values()]
        return self.balance_usd - sum(sum(self.cost(pod, 0.0, now)) for pod in everything)

    def cost(self, pod: FakePod, begin: float, end: float) -> tuple[float, float]:
        """Dollars for GPU and for disk between two times, per second."""
        hours = 0.0
        for began, ended in pod.used:
            last = self.clock.now() if ended is None else ended
            hours += max(0.0, min(end, last) - max(begin, began)) / HOUR_S
        return hours * pod.rate, hours * pod.disk_rate(running=True)

    # --- answers -----------------------------------------------------------------------------------------

    def shown(self, pod: FakePod) -> dict[str, Any]:
        """A pod as the API answers it."""
        status, body = self.status(pod), pod.body
        return {
            "id": pod.id,
            "name": pod.name,
            "status": status,
            "actions": ACTIONS[status],
            "image": body["image"],
            "args": body.get("args", ""),
            "disk": body.get("disk", 20),
            "ports": body.get("ports", []),
            "env": body.get("env", {}),
            "registry": None,
            "mounts": body.get("mounts", {}),
            "gpu": body["gpu"],
            "cloud": body.get("cloud", "SECURE"),
            "dataCenterId": pod.data_center,
            "cudaVersion": "12.8",
            "ssh": {"proxy": None, "direct": self._direct(pod)},
            "template": None,
            "cost": 0.0 if status in ("EXITED", "TERMINATED") else round(pod.rate, 4),
            "locked": False,
            "globalNetworking": {"enabled": False},
            "runtime": self._runtime(pod, status),
            "createdAt": rfc3339(pod.created_s),
            "startedAt": rfc3339(pod.running_s) if pod.running_s else None,
            "aFieldOfTomorrow": {"ignored": True},
        }

    def _direct(self, pod: FakePod) -> dict[str, Any] | None:
        mapped = pod.running_s is not None and self.clock.now() >= pod.running_s + self.direct_null_s
        if pod.address is None or not mapped or "22/tcp" not in pod.body.get("ports", []):
            return None
        host, port = pod.address
        command = f"ssh {self.username}@{host} -p {port}"
        return {"host": host, "port": port, "username": self.username, "command": command}

    def _runtime(self, pod: FakePod, status: str) -> dict[str, Any] | None:
        if status == "PROVISIONING":
            return {}
        if status != "RUNNING" or pod.running_s is None:
            return None
        direct = self._direct(pod)
        ports = (
            [{"private": 22, "public": direct["port"], "type": "tcp", "ip": direct["host"]}] if direct else []
        )
        uptime = int(self.clock.now() - pod.running_s)
        return {"uptime": uptime, "gpus": [{"util": 0, "memoryUtil": 0}], "ports": ports}
