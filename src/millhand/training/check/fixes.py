"""What can be mended without a question: one line of YAML becomes another, or goes."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from millhand.errors import Finding, FindingsError
from millhand.llamafactory.yaml import YamlDocument, parse_yaml
from millhand.training.check.keys import REMOVED, RENAMED

_SAFE = (
    "config.renamed-key",
    "config.removed-key",
    "config.other-command",
    "config.unquoted-no",
    "config.type",
)
_LINE = re.compile(r"^(?P<key>[\w-]+)(?P<colon>\s*:\s*)(?P<value>.*?)(?P<rest>\s*(?:#.*)?)$")


def mended(document: YamlDocument, text: str, findings: Iterable[Finding]) -> str:
    """The text of a file with all that is safe mended; the rest of it stays as it is, letter by letter."""
    lines = text.splitlines(keepends=True)
    for finding in findings:
        if finding.id in _SAFE and finding.line is not None:
            lines[finding.line - 1] = _mended(lines[finding.line - 1], finding.id, document.values)
    return "".join(lines)


def _mended(line: str, finding: str, values: Mapping[str, Any]) -> str:
    body = line.rstrip("\r\n")
    found = _LINE.match(body)
    # The line alone must say what the file says there: no list, text or anchor that goes on below.
    if found is None or _alone(body) != {found["key"]: values.get(found["key"])}:
        return line
    return _replaced(found, finding, values) + (line[len(body) :] if _keeps(found, finding) else "")


def _keeps(found: re.Match[str], finding: str) -> bool:
    return not (
        finding == "config.other-command" or (finding == "config.removed-key" and found["key"] in REMOVED)
    )


def _replaced(found: re.Match[str], finding: str, values: Mapping[str, Any]) -> str:
    key, value = found["key"], values.get(found["key"])
    if not _keeps(found, finding):
        return ""
    if finding == "config.renamed-key" and RENAMED[key] not in values:
        return f"{RENAMED[key]}{found['colon']}{found['value']}{found['rest']}"
    if finding == "config.unquoted-no":
        return f'{key}{found["colon"]}"{"no" if value is False else "yes"}"{found["rest"]}'
    if finding == "config.type" and isinstance(value, str) and _unquoted(value):
        return f"{key}{found['colon']}{value.strip()}{found['rest']}"
    return found[0]


def _unquoted(text: str) -> bool:
    """Whether the text is a number or true or false, so that only its quotes are wrong."""
    return bool(re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?|true|false", text.strip(), re.I))


def _alone(line: str) -> dict[str, Any]:
    try:
        return parse_yaml(line, "").values
    except FindingsError:
        return {}


def diff(before: str, after: str, file: str) -> str:
    """What would change, as a unified diff."""
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), file, f"{file} (mended)"
    )
    return "".join(lines)
