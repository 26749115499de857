"""The request bodies of API v2, strictly: what the OpenAPI document allows and nothing else.

``CREATE_POD`` and its kind are JSON Schema, as far as :func:`violations` knows it: type, required,
properties (anything else is a violation), enum, pattern, minimum, maximum, minLength, maxItems, items.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

_TEXT = {"type": "string"}
_CUDA = {"type": "string", "pattern": r"^\d+\.\d+$"}
# In the API since the document was written; the document itself does not have them.
NEWER = {"gpu": {"minRamPerGpu", "minVcpuCountPerGpu"}, "": {"cmd", "entrypoint"}}
CREATE_POD: dict[str, Any] = {
    "type": "object",
    "required": ["name", "image"],
    "properties": {
        "name": {"type": "string", "minLength": 1},
        "image": _TEXT,
        "args": _TEXT,
        "cmd": {"type": "array", "items": _TEXT},
        "entrypoint": {"type": "array", "items": _TEXT},
        "disk": {"type": "integer", "minimum": 1},
        "env": {"type": "object", "values": _TEXT},
        "ports": {"type": "array", "items": _TEXT},
        "registry": {"type": "string", "null": True},
        "cloud": {"type": "string", "enum": ["SECURE", "COMMUNITY"]},
        "cpu": {"type": "object", "properties": {"id": _TEXT, "vcpu": {"type": "integer"}}},
        "dataCenterIds": {"type": "array", "items": _TEXT},
        "globalNetworking": {"type": "boolean"},
        "gpu": {
            "type": "object",
            "required": ["id"],
            "properties": {
                "id": _TEXT,
                "count": {"type": "integer", "minimum": 1},
                "allowedCudaVersions": {"type": "array", "items": _CUDA},
                "minCudaVersion": _CUDA,
                "minRamPerGpu": {"type": "integer", "minimum": 1},
                "minVcpuCountPerGpu": {"type": "integer", "minimum": 1},
            },
        },
        "mounts": {
            "type": "object",
            "properties": {
                "persistent": {
                    "type": "object",
                    "required": ["size", "path"],
                    "properties": {"size": {"type": "integer", "minimum": 10}, "path": _TEXT},
                },
                "network": {
                    "type": "array",
                    "maxItems": 1,
                    "items": {
                        "type": "object",
                        "required": ["volumeId", "path"],
                        "properties": {"volumeId": _TEXT, "path": _TEXT},
                    },
                },
            },
        },
        "startJupyter": {"type": "boolean"},
        "startSsh": {"type": "boolean"},
        "templateId": {"type": "string", "minLength": 1},
    },
}
ACTION: dict[str, Any] = {
    "type": "object",
    "required": ["action"],
    "properties": {"action": {"type": "string", "enum": ["start", "stop", "restart", "terminate"]}},
}
CREATE_VOLUME: dict[str, Any] = {
    "type": "object",
    "required": ["name", "size", "dataCenter"],
    "properties": {
        "name": {"type": "string", "minLength": 1},
        "size": {"type": "integer", "minimum": 10, "maximum": 4096},
        "dataCenter": {"type": "string", "minLength": 1},
        "type": {"type": "string", "enum": ["STANDARD", "HIGH_PERFORMANCE"]},
    },
}
_PYTHON = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
}


def violations(schema: dict[str, Any], value: object, at: str = "$") -> Iterator[str]:
    """Everything about ``value`` that the schema does not allow, in the API's words."""
    if value is None and schema.get("null"):
        return
    kind = schema["type"]
    if not isinstance(value, _PYTHON[kind]) or (kind == "integer" and isinstance(value, bool)):
        yield f"{at}: got {type(value).__name__}, want {kind}"
        return
    yield from _limits(schema, value, at)
    if isinstance(value, dict):
        yield from _members(schema, value, at)
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from violations(schema["items"], item, f"{at}/{index}")


def _members(schema: dict[str, Any], value: dict[str, Any], at: str) -> Iterator[str]:
    missing = [name for name in schema.get("required", ()) if name not in value]
    if missing:
        yield f"{at}: missing properties {', '.join(map(repr, missing))}"
    known = schema.get("properties")
    for name, member in value.items():
        if known is None:
            yield from violations(schema["values"], member, f"{at}/{name}")
        elif name not in known:
            yield f"{at}: additional properties {name!r} not allowed"
        else:
            yield from violations(known[name], member, f"{at}/{name}")


def _limits(schema: dict[str, Any], value: Any, at: str) -> Iterator[str]:
    if "enum" in schema and value not in schema["enum"]:
        yield f"{at}: value must be one of {', '.join(map(repr, schema['enum']))}"
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield f"{at}: {value!r} does not match pattern {schema['pattern']!r}"
    for name, measure, wrong in (
        ("minimum", lambda v: v, lambda got, limit: got < limit),
        ("maximum", lambda v: v, lambda got, limit: got > limit),
        ("minLength", len, lambda got, limit: got < limit),
        ("maxItems", len, lambda got, limit: got > limit),
    ):
        if name in schema and wrong(measure(value), schema[name]):
            yield f"{at}: {name}: got {measure(value)}, want {schema[name]}"


def broken_rules(body: dict[str, Any]) -> Iterator[str]:
    """What a well-formed create body may not say all the same: a 400."""
    gpu, mounts = body.get("gpu") or {}, body.get("mounts") or {}
    if ("gpu" in body) == ("cpu" in body):
        yield "exactly one of gpu or cpu must be set"
    if "persistent" in mounts and "network" in mounts:
        yield "mounts.persistent and mounts.network are mutually exclusive"
    if gpu.get("allowedCudaVersions") and gpu.get("minCudaVersion"):
        yield "gpu.allowedCudaVersions and gpu.minCudaVersion are mutually exclusive"
    for port in body.get("ports", ()):
        if not re.fullmatch(r"\d{1,5}/(http|tcp|udp)", port):
            yield f"ports: {port!r} is not port/protocol"
