"""What can be mended without a question: one line of YAML becomes another, or goes."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from millhand.errors import Finding, FindingsError
from millhand.llamafactory.arguments import Argument
from millhand.llamafactory.knowledge import shipped
from millhand.llamafactory.yaml import YamlDocument, parse_yaml
from millhand.training.check.keys import REMOVED, RENAMED
from millhand.training.check.values import LISTS, fits

_SAFE = (
    "config.renamed-key",
    "config.removed-key",
    "config.other-command",
    "config.unquoted-no",
    "config.type",
)
_MARK = "\ufeff"  # some editors begin a file with it
_LINE = re.compile(r"^(?P<key>[\w-]+)(?P<colon>\s*:\s*)(?P<value>.*?)(?P<rest>\s*(?:#.*)?)$")


def mended(document: YamlDocument, text: str, findings: Iterable[Finding]) -> str:
    """The text of a file with all that is safe mended; the rest of it stays as it is, letter by letter.

    Where the file could not be read afterwards, it stays as it is altogether.
    """
    lines, names = text.splitlines(keepends=True), set(document.values)
    for finding in findings:
        if finding.id in _SAFE and finding.line is not None:
            at = finding.line - 1
            lines[at] = _mended(lines[at], finding.id, document.values, names)
    after = "".join(lines)
    return after if _reads(after) else text


def _reads(text: str) -> bool:
    try:
        parse_yaml(text, "")
    except FindingsError:
        return False
    return True


def _mended(line: str, finding: str, values: Mapping[str, Any], names: set[str]) -> str:
    """A line; ``names`` are the keys of the file as they are by now."""
    mark = _MARK if line.startswith(_MARK) else ""
    body = line.removeprefix(mark).rstrip("\r\n")
    found, end = _LINE.match(body), line[len(mark) + len(body) :]
    # The line alone must say what the file says there: no list, text or anchor that goes on below.
    if found is None or _alone(body) != {found["key"]: values.get(found["key"])}:
        return line
    if not _keeps(found, finding):
        return mark
    return mark + _replaced(found, finding, values, names) + end


def _keeps(found: re.Match[str], finding: str) -> bool:
    return not (
        finding == "config.other-command" or (finding == "config.removed-key" and found["key"] in REMOVED)
    )


def _replaced(found: re.Match[str], finding: str, values: Mapping[str, Any], names: set[str]) -> str:
    key, value = found["key"], values.get(found["key"])
    if finding == "config.renamed-key":
        return _renamed(found, value, names)
    right = _right(key, value, found["value"])
    if finding in ("config.unquoted-no", "config.type") and right is not None:
        return f"{key}{found['colon']}{right}{found['rest']}"
    return found[0]


def _renamed(found: re.Match[str], value: Any, names: set[str]) -> str:
    """The line under the key's new name, if nothing has that already and the value fits it."""
    new = RENAMED[found["key"]]
    right = _right(new, value, found["value"])
    if new in names or right is None:
        return found[0]
    names.add(new)
    return f"{new}{found['colon']}{right}{found['rest']}"


def _right(key: str, value: Any, written: str) -> str | None:
    """What stands for a value of the key, quotes put right; None where it is no value for it."""
    argument = _arguments().get(key)
    if argument is None:
        return None
    word = "no" if value is False else "yes"
    if argument.choices:
        if isinstance(value, bool):
            return f'"{word}"' if word in argument.choices else None
        return written if value in argument.choices else None
    if fits(value, argument.type) or (key in LISTS and isinstance(value, list)):
        return written
    bare = value.strip() if isinstance(value, str) else ""
    if not _unquoted(bare) or not fits(parse_yaml(f"v: {bare}", "").values["v"], argument.type):
        return None
    return bare


def _arguments() -> Mapping[str, Argument]:
    """The keys of all commands; those of a training are all that another has, and more."""
    return shipped().arguments


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
        before.splitlines(), after.splitlines(), file, f"{file} (mended)", lineterm=""
    )
    return "".join(f"{line}\n" for line in lines)
