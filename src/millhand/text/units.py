"""The line above a Korean table that says in what its numbers are counted: ``(단위 : 백만원, %)``."""

from __future__ import annotations

import re

_UNIT = re.compile(r"^[(（\[<〈]?\s*(?:표시)?\s*단위\s*[:：]\s*[^\n]{1,60}?\s*[)）\]>〉]?$")


def unit_of(line: str) -> str | None:
    """The unit without its brackets (``단위 : 백만원``); None where a line is no such line."""
    return line.strip("()（）[]<>〈〉 ") if _UNIT.match(line) else None
