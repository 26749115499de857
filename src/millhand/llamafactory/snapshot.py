"""Write the snapshot anew: ``python -m millhand.llamafactory.snapshot [LLAMAFACTORY [TRANSFORMERS]]``.

Each argument is a wheel or the package's own folder; without them the installed packages are read. One line
an entry, so that a diff shows what a version changed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from millhand.errors import UsageError
from millhand.files import write_text
from millhand.llamafactory.knowledge import SNAPSHOT, Knowledge, read_knowledge
from millhand.llamafactory.source import Source, find_source

_ABOUT = (
    "Facts read from the source of LLaMA-Factory (github.com/hiyouga/LLaMA-Factory, Apache-2.0) and "
    "transformers (github.com/huggingface/transformers, Apache-2.0); "
    "written by `python -m millhand.llamafactory.snapshot`."
)


def snapshot_text(known: Knowledge) -> str:
    """The snapshot as JSON: one line an entry, entries in order."""
    return "\n".join(_lines(known)) + "\n"


def _lines(known: Knowledge) -> Iterator[str]:
    yield f'{{\n"about": {_json(_ABOUT)},'
    groups = msgspec.structs.asdict(known)
    for number, (name, value) in enumerate(groups.items(), 1):
        comma = "," if number < len(groups) else ""
        if not isinstance(value, dict):
            yield f"{_json(name)}: {_json(value)}{comma}"
            continue
        entries = [f" {_json(key)}: {_json(entry)}" for key, entry in value.items()]
        yield f"{_json(name)}: {{\n" + ",\n".join(entries) + f"\n}}{comma}"
    yield "}"


def _json(value: object) -> str:
    return msgspec.json.encode(value, order="deterministic").decode("utf-8")


def main(arguments: Sequence[str]) -> None:
    """Read the sources that are named, or the installed ones, and write the snapshot."""
    packages = ("llamafactory", "transformers")
    sources = [Source(p, Path(a)) for p, a in zip(packages, arguments, strict=False)]
    sources += [s for s in map(find_source, packages[len(sources) :]) if s]
    if len(sources) != len(packages):
        raise UsageError("LLaMA-Factory or transformers is not installed: name their wheels.")
    write_text(SNAPSHOT, snapshot_text(read_knowledge(*sources)))


if __name__ == "__main__":
    main(sys.argv[1:])
