"""The head of a GGUF file: what it says of itself, and whether the file is as long as it says.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, version 3, little-endian. A string is a
uint64 length and UTF-8; an array a uint32 type, a uint64 count and its values; a tensor's entry its name, a
uint32 count of dimensions, those as uint64, a uint32 type and a uint64 offset into the data.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from millhand.errors import MillhandError

_MAGIC = b"GGUF"
_VERSION = 3
_ALIGNMENT = 32
_STRING, _ARRAY = 8, 9
# uint8, int8, uint16, int16, uint32, int32, float32, bool, …, uint64, int64, float64
_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
# ggml type -> values in a block, bytes of a block (ggml/src/ggml-common.h)
_BLOCKS = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 10: (256, 84),
    11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 30: (1, 2),
}  # fmt: skip
_LONGEST = 1 << 28  # of a string or an array: a broken file is no reason to fill the memory


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """What a file says: its facts by name (without arrays), how many tensors, how many bytes it needs."""

    facts: dict[str, Any]
    tensors: int
    size: int

    @property
    def adds_bos(self) -> bool:
        """Whether llama.cpp puts the token for a text's begin before every prompt by itself.

        Where the file does not say: as src/llama-vocab.cpp has it, for SentencePiece and Llama 3's BPE.
        """
        said = self.facts.get("tokenizer.ggml.add_bos_token")
        if isinstance(said, bool):
            return said
        bpe = self.facts.get("tokenizer.ggml.pre") in ("llama3", "llama-v3", "llama-bpe", "tekken")
        return self.facts.get("tokenizer.ggml.model") == "llama" or bpe


def read_header(path: Path) -> GgufHeader:
    """Read the head of a GGUF file.

    Raises:
        MillhandError: It is none, or it is cut off.
    """
    with path.open("rb") as file:
        try:
            header = _read(file)
        except (struct.error, ValueError, KeyError, UnicodeDecodeError) as error:
            raise MillhandError(f"{path.name} is no whole GGUF file ({error}).") from error
    if path.stat().st_size < header.size:
        raise MillhandError(f"{path.name} is cut off: {path.stat().st_size:,} of {header.size:,} bytes.")
    return header


def _read(file: BinaryIO) -> GgufHeader:
    magic, version, tensors, count = struct.unpack("<4sIQQ", file.read(24))
    if magic != _MAGIC or version != _VERSION:
        raise ValueError(f"it begins with {magic!r}, version {version}")
    facts: dict[str, Any] = {}
    for _ in range(count):
        name, kind = _text(file), _number(file, "I")
        value = _value(file, kind)
        if kind != _ARRAY:
            facts[name] = value
    end = max((_tensor_end(file) for _ in range(tensors)), default=0)
    alignment = int(facts.get("general.alignment", _ALIGNMENT))
    start = -(-file.tell() // alignment) * alignment
    return GgufHeader(facts, tensors, start + end)


def _tensor_end(file: BinaryIO) -> int:
    """Where a tensor's bytes end in the data; for a type that is not known here, where they begin."""
    _text(file)
    values = 1
    for _ in range(_number(file, "I")):
        values *= _number(file, "Q")
    kind, offset = _number(file, "I"), _number(file, "Q")
    per_block, size = _BLOCKS.get(kind, (1, 0))
    return int(offset + values // per_block * size)


def _value(file: BinaryIO, kind: int) -> Any:
    if kind == _STRING:
        return _text(file)
    if kind != _ARRAY:
        return _number(file, _NUMBERS[kind])
    of, count = _number(file, "I"), _number(file, "Q")
    if of == _STRING:
        for _ in range(_bounded(count)):
            _text(file)
    else:
        file.seek(_bounded(count * struct.calcsize(f"<{_NUMBERS[of]}")), 1)
    return None


def _number(file: BinaryIO, code: str) -> Any:
    return struct.unpack(f"<{code}", file.read(struct.calcsize(f"<{code}")))[0]


def _text(file: BinaryIO) -> str:
    raw = file.read(_bounded(_number(file, "Q")))
    return raw.decode("utf-8", errors="replace")


def _bounded(length: int) -> int:
    if length > _LONGEST:
        raise ValueError(f"a length of {length:,}")
    return length
