"""The lines above a Korean table: its caption, and its unit, ``(단위 : 백만원, %)``."""

from __future__ import annotations

import re

_UNIT = re.compile(r"^[(（\[<〈]?\s*(?:표시)?\s*단위\s*[:：]\s*[^\n]{1,60}?\s*[)）\]>〉]?$")

_CAPTION = re.compile(
    r"^(?:[\[<〈《【(]\s*표\s*\d[\d.-]*\s*[\]>〉》】)]|표\s*\d[\d.-]*[.:]?(?=\s))\s*\S[^\n]{0,80}$"
)


def unit_of(line: str) -> str | None:
    """The unit without its brackets (``단위 : 백만원``); None where a line is no such line."""
    return line.strip("()（）[]<>〈〉 ") if _UNIT.match(line) else None


def is_caption(line: str) -> bool:
    """Whether a line names the table below it: ``[표 1] 구역별 권한``, ``표 2-1. 순찰 시각``."""
    return bool(_CAPTION.match(line)) and not line.endswith("다.")
