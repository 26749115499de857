"""Files as others may see them: less what tells of the maker's machines, endpoints and dropped texts.

What goes is written below ``.millhand/published``; what lies in the workspace stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from millhand.datasets.built import FILE as BUILD
from millhand.datasets.built import for_others, read_built, write_built
from millhand.datasets.definition import FILE as DEFINITION
from millhand.errors import Finding
from millhand.files import write_text
from millhand.runs import manifest
from millhand.workspace import Workspace

_OWN = ("key", "url")  # of a step: where the maker's endpoint is, and the setting that opens it
_ABSOLUTE = re.compile(r"(?:/[^/\s]+){2,}/?|~[\w.-]*/\S+|[A-Za-z]:[\\/]\S+|\\\\\S+")


def build_for_others(workspace: Workspace, path: Path) -> Path:
    """What a build did, less the texts that it dropped: those were not meant to leave."""
    built = read_built(path)
    shown = _place(workspace, path.parent.name, BUILD)
    if built is not None:
        write_built(shown, for_others(built))
    return shown


def definition_for_others(workspace: Workspace, path: Path) -> Path:
    """What a dataset is made from, less its maker's endpoint; as it is where it names none."""
    written = yaml.safe_load(path.read_text(encoding="utf-8"))
    steps = [_shown_step(step) for step in written.get("steps") or ()]
    if steps == list(written.get("steps") or ()):
        return path
    shown = _place(workspace, path.parent.name, DEFINITION)
    text = yaml.safe_dump({**written, "steps": steps}, sort_keys=False, allow_unicode=True, width=100)
    write_text(shown, text)
    return shown


def manifest_for_others(workspace: Workspace, path: Path, run: str) -> Path:
    """How a run was made, less the pod's address and the kernel's name."""
    shown = _place(workspace, run, manifest.FILE_NAME)
    manifest.write_manifest(shown, manifest.for_others(manifest.read_manifest(path)))
    return shown


def check_paths(path: Path, shown: str) -> Iterator[Finding]:
    """Find the absolute paths of a dataset.yaml: of its sources, and in options of its steps."""
    written = yaml.safe_load(path.read_text(encoding="utf-8"))
    for text in _texts([written.get("sources"), written.get("steps")]):
        if _ABSOLUTE.fullmatch(text):
            yield Finding(
                id="hub.absolute-path",
                severity="error",
                file=shown,
                message=f"It names {text}, an absolute path.",
                why="It tells strangers of this machine, and is found nowhere else.",
                mend=f"Write it relative to the workspace in {shown}, and build again.",
            )


def _shown_step(step: Any) -> Any:
    """A step as it was written, less the options that are its maker's own."""
    if not isinstance(step, dict):
        return step
    return {
        name: {key: value for key, value in options.items() if key not in _OWN}
        if isinstance(options, dict)
        else options
        for name, options in step.items()
    }


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)


def _place(workspace: Workspace, of: str, name: str) -> Path:
    return workspace.state / "published" / of / name
