"""Cells of a CSV for a spreadsheet: what looks like a formula stays text, and comes back as it was.

A cell that begins like a formula gets an apostrophe in front, and so does one that begins with apostrophes
and then like a formula: so each cell has one escaped form and can be read back. The signs are those of
OWASP's "CSV Injection", with their full-width forms.
"""

from __future__ import annotations

import re

_FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")
# What Excel keeps of a cell; the rest is cut off when it saves.
LONGEST = 32_767


def escaped(text: str) -> str:
    """``text`` as a cell that no spreadsheet takes for a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


def unescaped(cell: str) -> str:
    """The text that :func:`escaped` made ``cell`` of."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell
