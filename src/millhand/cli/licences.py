"""Prints under which licences packages are, as Markdown, from what each says in its own metadata.

::

    python -m millhand.cli.licences                  # this environment: the core, its extras, what trains
    python -m pip install --dry-run --ignore-installed --no-deps --quiet --report report.json -r FILE
    python -m millhand.cli.licences report.json      # a lock file's packages, none of them installed

Format of the report: https://pip.pypa.io/en/stable/reference/installation-report/ (pip 25 or later: earlier
ones leave out ``license_expression``); of the metadata: https://packaging.python.org/specifications/core-metadata/
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import distributions
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypeAlias

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

Kind: TypeAlias = Literal["permissive", "weak copyleft", "copyleft", "proprietary", "not said", "its own"]
Known: TypeAlias = Mapping[NormalizedName, Mapping[str, Any]]
_ROOT = canonicalize_name("millhand")
_LONGEST = 100  # characters: what is longer in `License` is a licence's text, not its name
# Read in the wheels, where the metadata says less, or nothing.
IN_FILES: Mapping[str, str] = MappingProxyType(
    {
        "cut-cross-entropy": "in its files: Apple's own, without patents",
        "hf-transfer": "in its files: Apache-2.0",
        "torchao": "in its files: BSD-3-Clause",
        "unsloth": "in its files: AGPL-3.0 too",
        "unsloth-zoo": "in its files: AGPL-3.0 too",
    }
)
_KINDS: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    ("copyleft", re.compile(r"(?<!L)GPL|Affero|GNU General")),
    ("weak copyleft", re.compile(r"LGPL|Lesser General|MPL|Mozilla|EPL-")),
    ("proprietary", re.compile(r"Proprietary|NVIDIA", re.IGNORECASE)),
    ("permissive", re.compile(r"Apache|MIT|BSD|ISC|PSF|Python Software|HPND|Zlib|Unlicense|CC0")),
    ("not said", re.compile(r"\A\Z")),
)


class Package(NamedTuple):
    """A package and what it says of its licence; ``parts`` is what brings it: ``core``, an extra's name."""

    name: str
    version: str
    licence: str
    kind: Kind
    parts: tuple[str, ...] = ()


def read_licence(metadata: Mapping[str, Any]) -> str:
    """The licence as the metadata names it: the SPDX expression, else its name, else classifiers."""
    expression = str(metadata.get("license_expression") or "")
    written = str(metadata.get("license") or "").strip()
    kinds = [c.rpartition("::")[2].strip() for c in metadata.get("classifier", ()) if c.startswith("License")]
    short = written if len(written) <= _LONGEST and "\n" not in written else ""
    said = expression or short or ", ".join(kinds) or written.partition("\n")[0].strip()
    return "; ".join(filter(None, (said, IN_FILES.get(canonicalize_name(metadata["name"])))))


def find_kind(licence: str) -> Kind:
    """What a licence asks of those who pass a copy on; ``its own`` where it has no name known here."""
    return next((kind for kind, pattern in _KINDS if pattern.search(licence)), "its own")


def packages_of(every: Iterable[Mapping[str, Any]]) -> list[Package]:
    """The packages of some core metadata, by name, each once."""
    known = {canonicalize_name(one["name"]): one for one in every}
    parts = _parts(known)
    found = []
    for name, one in sorted(known.items()):
        licence = read_licence(one)
        brought = tuple(part for part, names in parts.items() if name in names)
        found.append(Package(one["name"], one["version"], licence, find_kind(licence), brought))
    return found


def _parts(known: Known) -> dict[str, set[NormalizedName]]:
    """What the core brings, and each extra beyond that; nothing where Millhand is not among the packages."""
    if _ROOT not in known:
        return {}
    core = set(_brought(known, _ROOT, ""))
    extras = known[_ROOT].get("provides_extra", ())
    return {"core": core, **{extra: set(_brought(known, _ROOT, extra)) - core for extra in extras}}


def _brought(known: Known, name: NormalizedName, extra: str) -> Iterator[NormalizedName]:
    """What a package brings with an extra, itself included: the names that are there."""
    met, left = set(), [(name, extra)]
    while left:
        name, extra = left.pop()
        if (name, extra) in met or name not in known:
            continue
        met.add((name, extra))
        yield name
        for requirement in map(Requirement, known[name].get("requires_dist") or ()):
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                left += [(canonicalize_name(requirement.name), e) for e in (*requirement.extras, "")]


def markdown(packages: Iterable[Package]) -> str:
    """A table of what is not permissive, a row a package; one of the rest, a row a licence."""
    rest: dict[str, list[str]] = {}
    lines = ["| package | version | licence | kind | brought by |", "| --- | --- | --- | --- | --- |"]
    for one in packages:
        if one.kind == "permissive":
            rest.setdefault(one.licence, []).append(one.name)
        else:
            lines.append(f"| {' | '.join((*one[:3], one.kind, ', '.join(one.parts)))} |")
    lines += ["", "| permissive | packages |", "| --- | --- |"]
    lines += [f"| {licence} | {', '.join(names)} |" for licence, names in sorted(rest.items())]
    return "\n".join(lines)


def installed() -> Iterator[Mapping[str, Any]]:
    """The core metadata of all that is installed beside this interpreter."""
    return (distribution.metadata.json for distribution in distributions())


def main(arguments: Sequence[str]) -> None:
    """Print the tables of this environment, or of a report of pip's."""
    if arguments:
        report = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
        print(markdown(packages_of(one["metadata"] for one in report["install"])))
    else:
        print(markdown(packages_of(installed())))


if __name__ == "__main__":
    main(sys.argv[1:])
