"""The body of a create request: a pure value of the pod file, the candidate and the lease.

The container's command starts the keeper of the lease before the image's own start script, at each boot:
a pod whose client died the second after the 201 comes to its end all the same.
"""

from __future__ import annotations

import re
import secrets
import shlex
from typing import Any

from millhand.pods.lease import Terms, boot_argv, boot_env
from millhand.pods.podfile import RunPodSpec
from millhand.pods.runpod.candidates import Candidate

MARK = "millhand"
PORTS = ("22/tcp",)
# One word of quoting only, whoever splits it: the rest stands in the environment.
ARGS = """bash -c 'eval "$MILLHAND_START"'"""
# Killed, it is started again; where another holds the lease it leaves with 0. RunPod's images start sshd in
# /start.sh; the container lives as long as process 1 does.
_START = "(until {keeper}; do sleep 5; done) & [ -x /start.sh ] && exec /start.sh; exec sleep infinity"


def new_name(label: str) -> str:
    """A pod's name, never used before: ``millhand-<label>-<8 hex>``; of the label what ASCII can say."""
    plain = re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")[:40].strip("-")
    return "-".join(part for part in (MARK, plain, secrets.token_hex(4)) if part)


def terms_of(
    spec: RunPodSpec, candidate: Candidate, *, now_s: float, api_url: str, workspace: str = ""
) -> Terms:
    """The lease of a pod that is asked for at ``now_s`` by the API's clock.

    ``workspace`` is the folder there in which jobs run; the mounted volume itself where it is empty.
    """
    return Terms(
        hours=spec.lease.hours,
        deadline_epoch_s=now_s + spec.lease.hours * 3600,
        spend_usd=spec.lease.spend_usd,
        usd_per_hour=candidate.usd_per_hour,
        idle_minutes=spec.lease.idle_minutes,
        end_action=spec.end_action,
        storage="network" if spec.volume else "persistent" if spec.persistent_gb else "container",
        api_url=api_url,
        volume=spec.folder,
        jobs=f"{workspace or spec.folder}/.millhand/jobs",
    )


def create_body(
    spec: RunPodSpec, candidate: Candidate, *, name: str, public_key: str, terms: Terms
) -> dict[str, Any]:
    """What is sent to POST /v2/pods. It holds no secret."""
    start = _START.format(keeper=shlex.join(boot_argv()))
    body: dict[str, Any] = {
        "name": name,
        "image": spec.image,
        "cloud": candidate.cloud,
        "gpu": _gpu(spec, candidate),
        "disk": spec.disk_gb,
        "ports": list(PORTS),
        "env": {"PUBLIC_KEY": public_key, "MILLHAND_START": start, **boot_env(terms)},
        "args": ARGS,
    }
    mounts = _mounts(spec, candidate)
    if mounts:
        body["mounts"] = mounts
    if candidate.data_center:
        body["dataCenterIds"] = [candidate.data_center]
    return body


def _gpu(spec: RunPodSpec, candidate: Candidate) -> dict[str, Any]:
    # without `count` the API answers that there are no instances
    gpu: dict[str, Any] = {"id": candidate.gpu, "count": spec.count}
    optional = {
        "minCudaVersion": spec.min_cuda,
        "minVcpuCountPerGpu": spec.min_vcpus_per_gpu,
        "minRamPerGpu": spec.min_ram_gb_per_gpu,
    }
    return {**gpu, **{name: value for name, value in optional.items() if value is not None}}


def _mounts(spec: RunPodSpec, candidate: Candidate) -> dict[str, Any]:
    if candidate.volume is not None:
        return {"network": [{"volumeId": candidate.volume.id, "path": spec.folder}]}
    if spec.volume:
        raise ValueError("a pod that should keep its data is not asked for without its volume")
    if spec.persistent_gb:
        return {"persistent": {"size": spec.persistent_gb, "path": spec.folder}}
    return {}
