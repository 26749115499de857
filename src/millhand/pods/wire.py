"""Messages between a client and its agent on a pod. Standard library only: this file travels.

A message is a header (a JSON object) and a payload (bytes)::

    4 bytes   length of the header    big-endian
    8 bytes   length of the payload   big-endian
    header    UTF-8 JSON
    payload

JSON carries names as ``os.fsdecode`` gives them: bytes that are no UTF-8 travel as lone surrogates.
"""

from __future__ import annotations

import json
import struct
from typing import Any, Protocol

_LENGTHS = struct.Struct(">IQ")
MAX_HEADER = 64 << 20  # a manifest of a million files; more is a stranger's bytes
MAX_PAYLOAD = 1 << 30


class Reader(Protocol):
    """Where messages come from."""

    def read(self, size: int) -> bytes:
        """At most ``size`` bytes, at least one; none at the end."""


class Writer(Protocol):
    """Where messages go."""

    def write(self, data: bytes | bytearray) -> Any:
        """Take all of ``data``."""

    def flush(self) -> Any:
        """Send what was taken."""


class WireError(Exception):
    """The other end is gone, or speaks something else."""


def send(writer: Writer, header: dict[str, Any], payload: bytes | bytearray = b"") -> None:
    """Send one message; it is not flushed."""
    text = json.dumps(header, separators=(",", ":")).encode("ascii")
    writer.write(_LENGTHS.pack(len(text), len(payload)) + text)
    if payload:
        writer.write(payload)


def receive(reader: Reader) -> tuple[dict[str, Any], bytes]:
    """Receive one message.

    Raises:
        WireError: The stream ended, or it does not hold a message.
    """
    header, payload_size = receive_header(reader)
    return header, read_exactly(reader, payload_size)


def receive_header(reader: Reader) -> tuple[dict[str, Any], int]:
    """Receive the header of a message; its payload, of so many bytes, comes next.

    Raises:
        WireError: The stream ended, or it does not hold a message.
    """
    header_size, payload_size = _LENGTHS.unpack(read_exactly(reader, _LENGTHS.size))
    if header_size > MAX_HEADER or payload_size > MAX_PAYLOAD:
        raise WireError("this is not a message: its lengths cannot be")
    try:
        header = json.loads(read_exactly(reader, header_size))
    except ValueError as error:
        raise WireError("this is not a message: its header is no JSON") from error
    if not isinstance(header, dict):
        raise WireError("this is not a message: its header is no object")
    return header, payload_size


def read_exactly(reader: Reader, size: int) -> bytes:
    """Read ``size`` bytes.

    Raises:
        WireError: The stream ended before.
    """
    parts = []
    while size:
        part = reader.read(size)
        if not part:
            raise WireError("the connection ended in the middle of a message")
        parts.append(part)
        size -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)
