"""The check of a pod file: every key that is unknown, missing or of the wrong kind, each in its place."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar, get_args

import msgspec

from millhand.errors import Finding, FindingsError
from millhand.llamafactory.yaml import KeyPath, YamlDocument
from millhand.text.normal import did_you_mean

T = TypeVar("T")
_WHY = "A pod file says what is rented and what it may cost; it is read strictly: no slip stays unseen."
# A value of each key that any pod file takes, as it would be written.
EXAMPLES = {
    "kind": "runpod",
    "gpus": "[NVIDIA L4]",
    "image": "runpod/pytorch:1.0.2-cu1281-torch280-ubuntu2404",
    "max_usd_per_hour": "0.50",
    "lease": "{hours: 8, spend_usd: 6, idle_minutes: 30}",
    "hours": "8",
    "spend_usd": "6",
    "idle_minutes": "30",
    "count": "1",
    "clouds": "[secure]",
    "data_centers": "[EU-RO-1]",
    "min_cuda": '"12.8"',
    "min_vcpus_per_gpu": "4",
    "min_ram_gb_per_gpu": "24",
    "disk_gb": "40",
    "volume": "{name: millhand, size_gb: 100}",
    "name": "millhand",
    "size_gb": "100",
    "path": "/workspace",
    "persistent_gb": "100",
    "allow_loss": "true",
    "environment": "requirements-cu128.txt",
    "python": "python3",
    "host": "gpu.example.org",
    "port": "22",
    "user": "mill",
    "key": "~/.ssh/id_ed25519",
    "workspace": "millhand",
    "host_keys": "[SHA256:HNiQZDLe1bL4ZWSgMc7mPNkgFUi6kXvDiU1W3nyHxGA]",
}


def convert(document: YamlDocument, kinds: Mapping[str, type[T]]) -> T:
    """The document as the struct that its ``kind`` names.

    Raises:
        FindingsError: It has faults, all of them listed.
    """
    kind = document.values.get("kind")
    if not isinstance(kind, str) or kind not in kinds:
        raise FindingsError([_no_kind(document, kind, kinds)], message="The pod file cannot be used.")
    findings = [*_keys(document, kinds[kind], document.values, ()), *_rules(document)]
    if findings:
        findings.sort(key=lambda finding: finding.line or 0)
        raise FindingsError(findings, message="The pod file cannot be used.")
    return msgspec.convert(document.values, kinds[kind])


def _no_kind(document: YamlDocument, kind: object, kinds: Mapping[str, object]) -> Finding:
    known = ", ".join(kinds)
    if kind is None:
        return _finding(
            document, (), "missing", f"`kind` is missing: one of {known}.", "Write `kind: runpod`."
        )
    near = did_you_mean(str(kind), kinds)
    return _finding(
        document, ("kind",), "value", f"There is no kind {kind!r}.", near or f"Known are: {known}."
    )


def _keys(document: YamlDocument, struct: type, values: Mapping[str, Any], at: KeyPath) -> Iterator[Finding]:
    fields = {field.name: field for field in msgspec.structs.fields(struct)}
    for key in values:
        if key not in fields:
            mend = did_you_mean(key, fields) or f"Known are: {', '.join(fields)}."
            yield _finding(document, (*at, key), "unknown-key", f"{_shown((*at, key))} is no key here.", mend)
    for name, field in fields.items():
        if name in values:
            yield from _value(document, field.type, values[name], (*at, name))
        elif field.required:
            message = f"{_shown((*at, name))} is missing."
            yield _finding(document, at, "missing", message, f"Add the line `{name}: {EXAMPLES[name]}`.")


def _value(document: YamlDocument, kind: Any, value: object, at: KeyPath) -> Iterator[Finding]:
    inner = _struct(kind)
    if inner is not None and isinstance(value, dict):
        yield from _keys(document, inner, value, at)
        return
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        message, place = _told(str(error))
        yield _finding(
            document, (*at, *place), "value", f"{_shown(at)}: {message}.", _mend(at, value, message)
        )


def _struct(kind: Any) -> type | None:
    """The struct of a field that holds one, also where it may be left out."""
    kinds = (kind, *get_args(kind))
    return next((k for k in kinds if isinstance(k, type) and issubclass(k, msgspec.Struct)), None)


def _told(error: str) -> tuple[str, KeyPath]:
    """What msgspec says without its place, and the index in a list that it names."""
    message, _, place = error.partition(" - at ")
    index = re.search(r"\[(\d+)\]", place)
    return message[:1].lower() + message[1:], (int(index[1]),) if index else ()


def _mend(at: KeyPath, value: object, message: str) -> str:
    if message.startswith("expected `str") and isinstance(value, int | float):
        return f'Put quotes around it: "{value}".'
    if message.startswith("expected `array"):
        return "Write a list: `[one, another]`."
    return f"Write for example `{at[-1]}: {EXAMPLES[str(at[-1])]}`."


def _rules(document: YamlDocument) -> Iterator[Finding]:
    """What keys may not be together, or must be."""
    values = document.values
    if values.get("kind") != "runpod":
        return
    kept = [key for key in ("volume", "persistent_gb") if values.get(key) is not None]
    if len(kept) == 2:
        message = "volume and persistent_gb stand together; RunPod mounts one of them."
        yield _finding(document, ("persistent_gb",), "value", message, "Keep `volume`, the sound one.")
    if not kept and values.get("allow_loss") is not True:
        message = "There is neither a volume nor `allow_loss: true`."
        mend = "Add `volume: {name: …, size_gb: …}`; or `allow_loss: true`, and a restart loses everything."
        yield _finding(document, (), "no-volume", message, mend)
    if kept and values.get("allow_loss") is True:
        message = f"allow_loss stands beside {kept[0]}: nothing is lost there."
        yield _finding(document, ("allow_loss",), "value", message, "Take one of the two lines out.")


def _shown(path: KeyPath) -> str:
    return ".".join(map(str, path))


def _finding(document: YamlDocument, at: KeyPath, name: str, message: str, mend: str) -> Finding:
    column = document.columns.get(at)
    return Finding(
        id=f"pod.{name}",
        severity="error",
        message=message,
        file=document.file,
        line=document.line(*at) or 1,
        column=str(column) if column else None,
        why=_WHY,
        mend=mend,
    )
