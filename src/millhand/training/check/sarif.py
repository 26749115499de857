"""Findings in SARIF 2.1.0, which code hosts and editors show at the line."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from millhand import __version__
from millhand.errors import Finding
from millhand.training.check.explain import explain

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def sarif(findings: Iterable[Finding]) -> dict[str, Any]:
    """One run of the check as a SARIF log."""
    found = list(findings)
    rules = [
        {"id": name, "shortDescription": {"text": name}, "help": {"text": explain(name) or name}}
        for name in sorted({finding.id for finding in found})
    ]
    driver = {"name": "millhand check", "version": __version__, "rules": rules}
    run = {"tool": {"driver": driver}, "results": [_result(finding) for finding in found]}
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _result(finding: Finding) -> dict[str, Any]:
    text = " ".join(part for part in (finding.message, finding.why, finding.mend) if part)
    result: dict[str, Any] = {"ruleId": finding.id, "level": finding.severity, "message": {"text": text}}
    if finding.file:
        place: dict[str, Any] = {"artifactLocation": {"uri": _uri(finding.file)}}
        if finding.line:
            place["region"] = {"startLine": finding.line, **_column(finding)}
        result["locations"] = [{"physicalLocation": place}]
    return result


def _uri(file: str) -> str:
    """RFC 3986 has letters of ASCII only, and no blanks."""
    return Path(file).as_uri() if Path(file).is_absolute() else quote(file)


def _column(finding: Finding) -> dict[str, int]:
    """Where on the line; the column of a table is a name and no place."""
    return {"startColumn": int(finding.column)} if finding.column and finding.column.isdigit() else {}
