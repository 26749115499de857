"""Markdown from values that may hold anything: what a value says is shown, never obeyed. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_MARKED = re.compile(r"([\\`*_{}\[\]#|~!$])")
_BACKTICKS = re.compile(r"`+")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def plain(text: object) -> str:
    """A value as text on one line, all that Markdown or HTML would obey escaped."""
    one_line = " ".join(_CONTROL.sub("", str(text)).split())
    escaped = one_line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MARKED.sub(r"\\\1", escaped)


def code(text: object) -> str:
    """A value as code within a line; in a table cell too."""
    one_line = " ".join(_CONTROL.sub("", str(text)).split()).replace("|", r"\|")
    if not one_line:
        return ""
    fence = "`" * (_longest(one_line) + 1)
    pad = " " if one_line.startswith("`") or one_line.endswith("`") else ""
    return f"{fence}{pad}{one_line}{pad}{fence}"


def fenced(text: str, language: str = "") -> str:
    """A value as a block of code, line by line as it is."""
    fence = "`" * max(3, _longest(text) + 1)
    # A line like a block's end would end the block for whoever reads the card back.
    kept = _CONTROL.sub("", text).replace("<!-- millhand:", "<!--  millhand:")
    return f"{fence}{language}\n{kept.rstrip()}\n{fence}"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; the cells are Markdown already."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def facts_list(facts: Iterable[tuple[str, str]]) -> str:
    """Names and values, a line each; those without a value are left out. Values are Markdown already."""
    return "\n".join(f"- **{name}:** {value}" for name, value in facts if value)


def folded(title: str, body: str) -> str:
    """A part that is shown when its title is clicked."""
    return f"<details>\n<summary>{title}</summary>\n\n{body}\n\n</details>"


def paragraphs(*parts: str) -> str:
    """The parts that are there, a blank line between them."""
    return "\n\n".join(part for part in parts if part)


def _longest(text: str) -> int:
    return max((len(run) for run in _BACKTICKS.findall(text)), default=0)
