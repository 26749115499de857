"""Stars out personal data in all that the page is told, before any of it is drawn: at one place, once."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from typing import Any, TypeVar

import msgspec

from millhand.text.pii import veiled

T = TypeVar("T")
# A document's id ends with the first signs of its file's hash: digits there hide where a number ends.
_HASH = re.compile(r"-[0-9a-f]{8}(?=[:/]|\Z)")
_HASHES = ("key", "sha256", "prompt_sha256")


def for_page(value: T) -> T:
    """``value`` with personal data starred out of every text in it, keys of mappings too; hashes stay."""
    found: T = _veiled(value)
    return found


def _veiled(value: Any) -> Any:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Counter):
        return _counter(value)
    if isinstance(value, dict):
        return {_veiled(name): _veiled(of_it) for name, of_it in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(_veiled, value))
    if isinstance(value, list | tuple):
        return type(value)(map(_veiled, value))
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.replace(value, **_fields(value, value.__struct_fields__))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.replace(value, **_fields(value, [f.name for f in dataclasses.fields(value)]))
    return value


def _fields(value: Any, names: Any) -> dict[str, Any]:
    return {name: _veiled(getattr(value, name)) for name in names if name not in _HASHES}


def _counter(counts: Counter[Any]) -> Counter[Any]:
    found: Counter[Any] = Counter()
    for name, count in counts.items():
        found[_veiled(name)] += count
    return found


def _text(text: str) -> str:
    at = 0
    parts: list[str] = []
    for found in _HASH.finditer(text):
        parts += [veiled(text[at : found.start()]), found[0]]
        at = found.end()
    return veiled("".join([*parts, text[at:]]))
