"""Small GGUF files, written by the format's page (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md)."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from typing import Any


def _text(value: str) -> bytes:
    raw = value.encode("utf-8")
    return struct.pack("<Q", len(raw)) + raw


def _value(value: Any) -> bytes:
    if isinstance(value, bool):
        return struct.pack("<I?", 7, value)
    if isinstance(value, int):
        return struct.pack("<II", 4, value)
    if isinstance(value, list):
        return struct.pack("<IIQ", 9, 8, len(value)) + b"".join(map(_text, value))
    return struct.pack("<I", 8) + _text(value)


def gguf_bytes(facts: Mapping[str, Any], tensors: Mapping[str, tuple[int, ...]]) -> bytes:
    """A file of F16 tensors, each beginning at a multiple of 32."""
    head = struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), len(facts))
    head += b"".join(_text(key) + _value(value) for key, value in facts.items())
    data = b""
    for name, shape in tensors.items():
        data += bytes(-len(data) % 32)
        sizes = struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
        head += _text(name) + sizes + struct.pack("<IQ", 1, len(data))
        data += bytes(2 * math.prod(shape))
    return head + bytes(-len(head) % 32) + data
