"""What the fake has on offer: GPU types, data centres, stock."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

DATA_CENTERS = {
    "EU-RO-1": ("EU Romania 1", "EUROPE"),
    "US-KS-2": ("US Kansas 2", "NORTH_AMERICA"),
    "AP-JP-1": ("AP Japan 1", "ASIA"),
}
_RANK = {"NONE": 0, "LOW": 1, "MEDIUM": 2, "HIGH": 3}


@dataclass
class Gpu:
    """A GPU type. ``stock``: (cloud, data centre) -> NONE, LOW, MEDIUM or HIGH. Prices are per hour."""

    id: str
    name: str
    memory: int
    secure: float
    community: float
    stock: dict[tuple[str, str], str] = field(default_factory=dict)
    cuda: tuple[str, ...] = ("12.8", "13.0")
    max_count: int = 8

    def level(self, cloud: str) -> str:
        """The best stock of a cloud."""
        levels = [level for (where, _), level in self.stock.items() if where == cloud]
        return max(levels, key=lambda level: _RANK[level], default="NONE")

    def listed(self, query: dict[str, str]) -> dict[str, Any]:
        """Its entry in the catalogue."""
        entry: dict[str, Any] = {
            "id": self.id,
            "name": self.name,
            "pool": None,
            "manufacturer": "NVIDIA",
            "memory": self.memory,
            "secure": self.secure > 0,
            "community": self.community > 0,
            "price": {"secure": self.secure, "community": self.community},
            "maxCount": {"secure": self.max_count, "community": 4},
        }
        return {**entry, **self._availability(query)} if query.get("include") == "AVAILABILITY" else entry

    def _availability(self, query: dict[str, str]) -> dict[str, Any]:
        cloud = query.get("cloud", "SECURE")
        centers = [
            {"id": center, "name": DATA_CENTERS[center][0], "availability": level}
            for (where, center), level in self.stock.items()
            if where == cloud
        ]
        there = {"availability": self.level(cloud)}
        if any(center["availability"] != "NONE" for center in centers):
            return {**there, "dataCenters": centers}
        return there  # "omitted entirely when the configuration is unavailable everywhere"


def default_gpus() -> list[Gpu]:
    """A small catalogue with every level of stock."""
    secure = {("SECURE", "EU-RO-1"): "LOW", ("SECURE", "US-KS-2"): "HIGH", ("SECURE", "AP-JP-1"): "NONE"}
    both = {**secure, ("COMMUNITY", "US-KS-2"): "MEDIUM"}
    return [
        Gpu("NVIDIA L4", "L4", 24, 0.44, 0.0, dict(secure)),
        Gpu("NVIDIA GeForce RTX 4090", "RTX 4090", 24, 0.69, 0.34, dict(both)),
        Gpu("NVIDIA A100 80GB PCIe", "A100 PCIe", 80, 1.64, 1.19, {("SECURE", "EU-RO-1"): "NONE"}),
        Gpu("NVIDIA H100 PCIe", "H100 PCIe", 80, 2.39, 1.99, dict(both)),
    ]


def data_centers() -> list[dict[str, Any]]:
    """The answer to GET /v2/catalog/datacenters. The last one has no network volumes."""
    return [
        {
            "id": name,
            "name": shown,
            "region": region,
            "globalNetwork": True,
            "networkVolumeTypes": [] if name == "AP-JP-1" else ["STANDARD"],
            "compliance": [],
        }
        for name, (shown, region) in DATA_CENTERS.items()
    ]
