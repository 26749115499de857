"""dataset.yaml of a dataset that is built: its sources and the steps to go through, in order.

::

    name: security_manual
    description: …
    licence: CC0-1.0
    sources:
      - path: dataset_registry/security_manual/source/manual.pdf
    steps:
      - normalise
      - filter: {min_chars: 30}
      - split: {by: section}
      - generate

A dataset.yaml without ``steps`` is one that ``millhand data add`` wrote.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import yaml
from msgspec import inspect

from millhand.datasets.steps.base import Step
from millhand.datasets.steps.known import NAMES, load_step
from millhand.errors import Finding, FindingsError
from millhand.text.normal import did_you_mean

# A key of the file itself: what stands inside a description is indented.
_STEPS_KEY = re.compile(rb"^(?:steps|\"steps\"|'steps')\s*:", re.MULTILINE)
# What msgspec says of a value where only some words may stand; YAML makes false of `no` and null of nothing.
_NO_SUCH_VALUE = re.compile(
    r"(?:Invalid enum value '(.*)'|Expected `str`, got `\w+`) - at (`key` in )?`(.*?)`", re.DOTALL
)


class RecipeSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A file, a folder or a pattern (``filings/*.zip``), relative to the workspace.

    Args:
        path: What to read.
        licence: Of these files, where it is not the dataset's.
        tables: Find the tables of PDFs.
        map: From a record's field to a table's column; then rows are taken as records.
        rows: Whether a table's rows are records, where ``map`` leaves it open.
        sheet: Of a spreadsheet.
        encoding: Of CSV or JSON.
        system: The system prompt of rows without one.
    """

    path: str
    licence: str = ""
    tables: bool = True
    map: dict[str, str] = {}
    rows: bool | None = None
    sheet: str | None = None
    encoding: str | None = None
    system: str = ""


class Chosen(NamedTuple):
    """A step with its options, as a dataset.yaml names it."""

    step: Step
    options: msgspec.Struct


class _Written(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    licence: str
    sources: tuple[RecipeSource, ...]
    steps: tuple[str | dict[str, dict[str, Any] | None], ...]
    description: str = ""


class Recipe(NamedTuple):
    """What a dataset.yaml asks for."""

    name: str
    description: str
    licence: str
    sources: tuple[RecipeSource, ...]
    steps: tuple[Chosen, ...]


def is_recipe(path: Path) -> bool:
    """Whether a dataset.yaml is one to build from: it has steps. One that is not there is none."""
    try:
        return bool(_STEPS_KEY.search(path.read_bytes()))
    except OSError:
        return False


def recipe_name(path: Path) -> str:
    """What a recipe calls itself, wherever it lies.

    Raises:
        FindingsError: It is no YAML, or does not say.
    """
    value = _load(path)
    name = value.get("name") if isinstance(value, dict) else None
    if not isinstance(name, str):
        raise FindingsError([_fault(path, "does not say its name", mend="Write `name: NAME`.")])
    return name


def written_options(path: Path, step: str) -> Iterator[dict[str, Any]]:
    """The options that a recipe gives to a step, each time it stands there; no step is loaded, none checked.

    Raises:
        FindingsError: It is no YAML.
    """
    value = _load(path)
    steps = value.get("steps") if isinstance(value, dict) else None
    for written in steps if isinstance(steps, list) else ():
        options = written.get(step) if isinstance(written, dict) else None
        if isinstance(options, dict):
            yield options


def read_recipe(path: Path) -> Recipe:
    """Read a dataset.yaml strictly.

    Raises:
        FindingsError: It is no YAML, or a word in it is unknown, missing or of the wrong type.
    """
    written = _convert(path, _load(path), _Written, _Written)
    faults = [fault for fault in (_empty(path, written), _misnamed(path, written)) if fault]
    if faults:
        raise FindingsError(faults)
    steps = tuple(_chosen(path, number, step) for number, step in enumerate(written.steps, 1))
    return Recipe(written.name, written.description.strip(), written.licence, written.sources, steps)


def _load(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise FindingsError([_fault(path, f"is not YAML: {error.problem}", line=line)]) from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise FindingsError([_fault(path, f"is not YAML in UTF-8: {error}")]) from error


def _convert(path: Path, value: Any, kind: Any, words: type[msgspec.Struct], where: str = "") -> Any:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise FindingsError([_fault(path, f"{where}{error}", mend=_mend(str(error), words))]) from error


def _mend(message: str, words: type[msgspec.Struct]) -> str:
    unknown = re.search(r"unknown field `(.*?)`(?: - at `(.*?)`)?", message)
    if unknown:
        known = (RecipeSource if "sources" in (unknown[2] or "") else words).__struct_fields__
        return did_you_mean(unknown[1], known) or _known(known)
    value = _NO_SUCH_VALUE.search(message)
    if value is None:
        return ""
    kind, names = inspect.type_info(words), re.findall(r"\.(\w+)", value[3])
    may_stand = list(filter(None, _literals(kind, names, key=bool(value[2]))))
    return did_you_mean(value[1] or "", may_stand) or _known(may_stand)


def _known(words: Sequence[str]) -> str:
    return f"Known are: {', '.join(words)}." if words else ""


def _literals(kind: inspect.Type, names: Sequence[str], *, key: bool) -> Iterator[str]:
    """The words that may stand in ``kind``, below the fields ``names``; ``key``: as a mapping's key."""
    match kind:
        case inspect.StructType():
            found = (field.type for field in kind.fields if names and field.name == names[0])
            yield from (word for below in found for word in _literals(below, names[1:], key=key))
        case inspect.LiteralType():
            yield from map(str, kind.values)
        case inspect.UnionType():
            yield from (word for one in kind.types for word in _literals(one, names, key=key))
        case inspect.VarTupleType():
            yield from _literals(kind.item_type, names, key=key)
        case inspect.DictType():
            yield from _literals(kind.key_type if key else kind.value_type, names, key=key)
        case inspect.Metadata():
            yield from _literals(kind.type, names, key=key)


def _chosen(path: Path, number: int, written: str | dict[str, dict[str, Any] | None]) -> Chosen:
    named = {written: None} if isinstance(written, str) else written
    if len(named) != 1:
        message = f"step {number} has {len(named)} names: {', '.join(named) or 'none'}"
        raise FindingsError([_fault(path, message, mend="Write each step as an item of its own: `- name`.")])
    name, options = next(iter(named.items()))
    if name not in NAMES:
        mend = did_you_mean(name, NAMES) or _known(NAMES)
        raise FindingsError([_fault(path, f"step {number}, {name!r}, is not known", mend=mend)])
    step = load_step(name)
    where = f"step {number}, {name}: "
    return Chosen(step, _convert(path, options or {}, step.options, step.options, where))


def _empty(path: Path, written: _Written) -> Finding | None:
    lacks = [name for name in ("licence", "sources") if not getattr(written, name)]
    if not lacks:
        return None
    mend = "Say `licence: unknown` if it is not known." if "licence" in lacks else "Name at least one file."
    return _fault(path, f"says nothing of: {', '.join(lacks)}", mend=mend)


def _misnamed(path: Path, written: _Written) -> Finding | None:
    if written.name == path.parent.name:
        return None
    message = f"is in the folder {path.parent.name}/ and calls itself {written.name!r}"
    return _fault(path, message, mend=f"Write `name: {path.parent.name}`, or rename the folder.")


def _fault(path: Path, message: str, *, line: int | None = None, mend: str = "") -> Finding:
    return Finding(
        id="data.broken-recipe",
        severity="error",
        message=message,
        file="/".join(path.parts[-3:]),
        line=line,
        why="It says how the dataset is made; it is read strictly, so that no slip stays unseen.",
        mend=mend
        or "Mend it in an editor; `millhand data steps NAME` tells what each option of a step takes.",
    )
