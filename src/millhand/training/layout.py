"""How a configuration looks on disk: LLaMA-Factory's own style, below a head that explains it. Pure."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

from millhand.llamafactory.yaml import dump_value

WIDTH = 100
Sections = Mapping[str, Mapping[str, Any]]


def render(head: Iterable[str], sections: Sections, notes: Mapping[str, str]) -> str:
    """Write a config's text.

    Args:
        head: Paragraphs of the head comment; one that starts with blanks is kept as it is.
        sections: Settings by section; an empty section is left out.
        notes: What to say about a setting or, below its name, about a section.
    """
    notes = {key: _one_line(note) for key, note in notes.items()}
    blocks = ["\n".join(line for paragraph in head for line in _comment(paragraph))]
    for name, settings in sections.items():
        if settings:
            about = _comment(notes[name]) if name in notes else []
            lines = [
                line for key, value in settings.items() for line in _setting(key, value, notes.get(key, ""))
            ]
            blocks.append("\n".join([f"### {name}", *about, *lines]))
    return "\n\n".join(blocks) + "\n"


def _comment(paragraph: str) -> list[str]:
    if paragraph.startswith(" "):
        return [f"# {paragraph}"]
    return [f"# {line}" for line in textwrap.wrap(paragraph, WIDTH - 2, break_on_hyphens=False)]


def _setting(key: str, value: Any, note: str) -> list[str]:
    """One setting with its note behind it, or above it where the line would grow too long."""
    line = f"{key}: {dump_value(value)}"
    whole = f"{line}  # {note}" if note else line
    return [whole] if len(whole) <= WIDTH else [*_comment(note), line]


def _one_line(note: str) -> str:
    """A note as a comment can hold it: no line breaks, nothing that YAML forbids."""
    return " ".join("".join(c if c.isprintable() else " " for c in note).split())


def commands(purpose: str, project: str, file: str, environment: Mapping[str, str]) -> list[str]:
    """The two ways to use a config from the workspace's root: with Millhand and without."""
    before = [f"{name}={shlex.quote(value)}" for name, value in environment.items()]
    return [
        f"  millhand {purpose} {shlex.quote(project)}",
        f"  {' '.join([*before, 'llamafactory-cli', purpose, shlex.quote(file)])}",
    ]
