"""What the tests of this room wish for: a pod file's content, and changes of it."""

from __future__ import annotations

from typing import Any

import msgspec

from millhand.pods.podfile import RunPodSpec

SPEC = {
    "kind": "runpod",
    "gpus": ["NVIDIA L4", "NVIDIA GeForce RTX 4090"],
    "clouds": ["secure", "community"],
    "image": "runpod/pytorch:1.0.2-cu1281-torch280-ubuntu2404",
    "max_usd_per_hour": 0.8,
    "allow_loss": True,
    "lease": {"hours": 8, "spend_usd": 5, "idle_minutes": 20},
}


def spec(**changes: Any) -> RunPodSpec:
    return msgspec.convert({**SPEC, **changes}, RunPodSpec)
