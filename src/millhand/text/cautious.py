"""Patterns that a person writes into a file, kept from running without an end.

Python's ``re`` tries again and again where a repeat stands in a repeat: 40 characters can take years. So
only patterns that cannot do so are taken, and each is put to 500 characters at a time.
"""

from __future__ import annotations

import re
import warnings

_LONGEST = 300
_WINDOW = 500
_REPEATS = 2
_TOKEN = re.compile(
    r"\\[1-9]|\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?P?[=(]|\(|\)[*+]|\)\{\d*(?:,\d*)?\}|[*+]|\{\d+,\}|\{\d*,(?P<most>\d+)\}|.",
    re.DOTALL,
)


def cautious(pattern: str) -> re.Pattern[str]:
    """Compile ``pattern`` if it ends soon on every text.

    Raises:
        ValueError: It is no pattern; or a group is repeated, a group is referred to, more than two parts
            may go on for as long as they like, or it is longer than 300 characters.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            compiled = re.compile(pattern)
    except (re.error, OverflowError, RecursionError, Warning) as error:
        raise ValueError(f"{pattern!r} is no pattern: {error}") from error
    fault = _fault(pattern)
    if fault:
        raise ValueError(f"{pattern!r} {fault}: on some texts it would run without an end")
    return compiled


def _fault(pattern: str) -> str:
    if len(pattern) > _LONGEST:
        return f"is longer than {_LONGEST} characters"
    repeats = 0
    for found in _TOKEN.finditer(pattern):
        part = found[0]
        if part[0] == ")" and len(part) > 1:
            return "repeats a group"
        if part.startswith(("(?P=", "(?(")) or re.fullmatch(r"\\[1-9]", part):
            return "refers to a group"
        repeats += part in "*+" or part.endswith(",}") or int(found["most"] or 0) > 20
    return f"has more than {_REPEATS} repeats without an end" if repeats > _REPEATS else ""


def stands_in(pattern: re.Pattern[str], text: str) -> bool:
    """Whether a line of ``text`` holds ``pattern``; of a long line, each 500 characters by themselves."""
    return any(
        pattern.search(line[start : start + _WINDOW])
        for line in text.splitlines()
        for start in range(0, len(line), _WINDOW)
    )
